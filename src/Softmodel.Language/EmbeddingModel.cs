using System.Numerics.Tensors;
using Microsoft.Extensions.AI;

namespace Softmodel.Language;

/// <summary>How token embeddings are pooled into a sentence embedding.</summary>
public enum Pooling
{
    /// <summary>Their mean.</summary>
    Mean,
    /// <summary>That of the first token (CLS).</summary>
    First,
    /// <summary>That of the last token.</summary>
    Last,
    /// <summary>Their element-wise maximum.</summary>
    Max,
}

/// <summary>
/// A compiled sentence-embedding model: an encoder from safetensors, or an ONNX export that takes tokens. It may be used from
/// any threads; callers wait for one another between runs.
/// </summary>
/// <example>
/// <code>
/// using var model = await EmbeddingModel.LoadAsync("minilm");
/// var (a, b) = (model.Embed("A cat sleeps."), model.Embed("The kitten is asleep."));
/// var cosine = TensorPrimitives.Dot(a, b);
/// </code>
/// </example>
public sealed class EmbeddingModel : IDisposable
{
    const int DefaultMost = 512;

    // What a run is given: enough for the weights to be read rarely, and not more than stays in the cache. Where texts lie one
    // after the other each token is compared with those of the other texts as well.
    const int TokensOfOneLength = 256, TokensOfAny = 128;

    readonly Lock running = new();
    readonly Encoder encoder;
    readonly Tokenizer tokenizer;
    readonly Pooling pooling;
    readonly bool normalizes;

    internal EmbeddingModel(string name, string licence, Encoder encoder, Tokenizer tokenizer, Pooling pooling, bool normalizes, int most) =>
        (Name, Licence, this.encoder, this.tokenizer, this.pooling, this.normalizes, MaxTokens) = (name, licence, encoder, tokenizer, pooling, normalizes, most);

    /// <summary>Opens a model that <c>softmodel build</c> has made.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="normalize">Whether embeddings are L2-normalized, so that their dot product is the cosine similarity.</param>
    /// <param name="threads">How many threads a run uses; 0 for the processor's cores.</param>
    /// <exception cref="SoftmodelException">There is none, or it is damaged.</exception>
    public static EmbeddingModel Open(string folder, bool normalize = true, int threads = 0) => BuiltText.OpenEmbeddingModel(folder, normalize, threads);

    /// <summary>A name for messages.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>The number of dimensions of an embedding.</summary>
    public int Dimensions => encoder.Width;

    /// <summary>The maximum number of tokens of a text; longer ones are truncated.</summary>
    public int MaxTokens { get; }

    /// <summary>The threads that a run computes with.</summary>
    internal int Threads => encoder.Threads;

    /// <summary>The tokens of a text as the model reads them, cut off where there are too many.</summary>
    internal int[] TokensOf(string text) => TextInputs.TokensOf(tokenizer, text, MaxTokens);

    /// <summary>The number of tokens of a text that are embedded: at most <see cref="MaxTokens"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="isCut">Whether it is truncated.</param>
    public int CountTokens(string text, out bool isCut)
    {
        var count = tokenizer.Encode(text, parsesSpecial: false).Length + tokenizer.Before.Count + tokenizer.After.Count;
        isCut = count > MaxTokens;
        return Math.Min(count, MaxTokens);
    }

    /// <summary>The embedding of a text.</summary>
    /// <inheritdoc cref="Embed(IReadOnlyList{string}, CancellationToken)" path="/exception"/>
    public float[] Embed(string text) => Embed([text])[0];

    /// <summary>The embeddings of some texts, in their order.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="cancellationToken">Stops between two runs.</param>
    /// <exception cref="SoftmodelException">A text is empty, and the model has no token with which one begins.</exception>
    public float[][] Embed(IReadOnlyList<string> texts, CancellationToken cancellationToken = default) => Embed([.. texts.Select(TokensOf)], cancellationToken);

    /// <inheritdoc cref="Embed(IReadOnlyList{string}, CancellationToken)"/>
    internal float[][] Embed(int[][] texts, CancellationToken cancellationToken = default)
    {
        if (texts.Any(t => t.Length == 0))
            throw new SoftmodelException($"a text is empty, and {Name} has no begin-of-text token; write some words");
        var embeddings = new float[texts.Length][];
        // Of like length beside one another; sorting keeps the order of those that are of one length.
        foreach (var batch in Batches([.. Enumerable.Range(0, texts.Length).OrderBy(i => texts[i].Length)], texts))
        {
            cancellationToken.ThrowIfCancellationRequested();
            lock (running)
            {
                var rows = encoder.Run([.. batch.Select(i => texts[i])]);
                foreach (var text in batch)
                {
                    var count = texts[text].Length * Dimensions;
                    embeddings[text] = Pooled(rows[..count]);
                    rows = rows[count..];
                }
            }
        }
        return embeddings;
    }

    IEnumerable<List<int>> Batches(int[] order, int[][] texts)
    {
        var (batch, tokens) = (new List<int>(), 0);
        foreach (var text in order)
        {
            var length = texts[text].Length;
            var fits = encoder.NeedsOneLength ? batch.Count == 0 || (length == texts[batch[0]].Length && tokens + length <= TokensOfOneLength) : tokens + length <= TokensOfAny;
            if (!fits && batch.Count > 0)
            {
                yield return batch;
                (batch, tokens) = ([], 0);
            }
            batch.Add(text);
            tokens += length;
        }
        if (batch.Count > 0)
            yield return batch;
    }

    float[] Pooled(ReadOnlySpan<float> rows)
    {
        var pooled = new float[Dimensions];
        switch (pooling)
        {
            case Pooling.First:
                rows[..Dimensions].CopyTo(pooled);
                break;
            case Pooling.Last:
                rows[^Dimensions..].CopyTo(pooled);
                break;
            default:
                rows[..Dimensions].CopyTo(pooled);
                for (var at = Dimensions; at < rows.Length; at += Dimensions)
                {
                    if (pooling is Pooling.Max)
                        TensorPrimitives.Max(pooled, rows.Slice(at, Dimensions), pooled);
                    else
                        TensorPrimitives.Add(pooled, rows.Slice(at, Dimensions), pooled);
                }
                if (pooling is Pooling.Mean)
                    TensorPrimitives.Divide(pooled, rows.Length / Dimensions, pooled);
                break;
        }
        // A text of which all numbers are 0 has no direction.
        if (normalizes && TensorPrimitives.Norm(pooled) is var length and > 0)
            TensorPrimitives.Divide(pooled, length, pooled);
        return pooled;
    }

    /// <summary>The model as a generator of Microsoft.Extensions.AI; disposing of it leaves the model. Several share the model.</summary>
    public IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator() => new ModelEmbeddingGenerator(this);

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        lock (running)
            encoder.Dispose();
    }
}
