using System.Numerics.Tensors;
using Microsoft.Extensions.AI;
using Softmodel.Compile;
using Softmodel.Import;
using Softmodel.Language.Tokens;
using Softmodel.Sources;

namespace Softmodel.Language;

/// <summary>How the numbers of a text's tokens become those of the text.</summary>
public enum Pooling
{
    /// <summary>Their mean.</summary>
    Mean,
    /// <summary>Those of the first token.</summary>
    First,
    /// <summary>Those of the last token.</summary>
    Last,
    /// <summary>The largest of each.</summary>
    Max,
}

/// <summary>How an embedding model is loaded.</summary>
public sealed record EmbeddingOptions
{
    /// <summary>How the numbers of tokens become those of a text; null for what the model's files say (sentence-transformers' <c>1_Pooling/config.json</c>), else the mean.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Whether embeddings have the length 1, so that their product is the cosine between them.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>How many tokens of a text are read; 0 for as many as the model has positions. What is longer is cut off.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Where the tokenizer lies, where it is not with the model.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>To what products with weights are quantised, unless the use case says it: to int16, which is faster and has the fidelity of <see cref="UseCase.MinSnrDb"/>.</summary>
    public Quantization Quantize { get; init; } = Quantization.Int16;

    /// <summary>What else is known of its use; what the catalogue says is kept.</summary>
    public UseCase Use { get; init; } = new();

    /// <summary>How the model is compiled.</summary>
    public CompileOptions Compile { get; init; } = new();
}

/// <summary>
/// A model that makes numbers of texts, alike for texts that mean alike, compiled: an encoder of safetensors, or an ONNX export that
/// is given tokens. One caller at a time may use it.
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

    readonly Encoder encoder;
    readonly Tokenizer tokenizer;
    readonly Pooling pooling;
    readonly bool normalizes;

    EmbeddingModel(string name, string licence, Encoder encoder, Tokenizer tokenizer, Pooling pooling, bool normalizes, int most) =>
        (Name, Licence, this.encoder, this.tokenizer, this.pooling, this.normalizes, MaxTokens) = (name, licence, encoder, tokenizer, pooling, normalizes, most);

    /// <summary>A name for messages.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>How many numbers an embedding has.</summary>
    public int Dimensions => encoder.Width;

    /// <summary>How many tokens of a text are read.</summary>
    public int MaxTokens { get; }

    /// <summary>The threads that a run computes with.</summary>
    internal int Threads => encoder.Threads;

    /// <summary>Loads a model by its name in the catalogue, a source, or a file, and compiles it or takes it from the cache.</summary>
    /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
    /// <param name="options">How.</param>
    /// <param name="fetching">Is told of the bytes that come.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be found, fetched, imported or compiled, or is no encoder of tokens.</exception>
    public static async Task<EmbeddingModel> LoadAsync(string source, EmbeddingOptions? options = null, IProgress<FetchProgress>? fetching = null, IProgress<string>? progress = null, CancellationToken cancel = default)
    {
        options ??= new();
        var resolved = await Source.Resolve(source, fetching, cancel).ConfigureAwait(false);
        using var model = await Model.Of(resolved, source, options.Use with { Quantize = options.Use.Quantize ?? options.Quantize }, cancel).ConfigureAwait(false);
        var folder = Directory.Exists(model.Path) ? model.Path : Path.GetDirectoryName(model.Path)!;
        var tokenizer = Tokenizer.Open(options.Tokenizer ?? model.Vocabulary ?? TokenizerFile.Of(model.Path));
        var most = TokenizerFile.Settings(model.Path)?.Whole("max_position_embeddings", DefaultMost) ?? DefaultMost;
        var compiled = await model.CompileAsync(options.Compile, progress, cancel).ConfigureAwait(false);
        if (!Encoder.Is(compiled.Inputs, compiled.Outputs))
        {
            compiled.Dispose();
            throw new SoftmodelException($"{source} is no encoder of texts: it takes {string.Join(", ", compiled.Inputs.Select(i => i.Name))} and gives {string.Join(", ", compiled.Outputs.Select(o => o.Name))}; one takes tokens (input_ids, attention_mask, token_type_ids) and gives numbers for each of them");
        }
        return new(model.Name, model.Licence, new(compiled), tokenizer, options.Pooling ?? Said(folder), options.Normalize, options.MaxTokens > 0 ? Math.Min(options.MaxTokens, most) : most);
    }

    /// <summary>The pooling that sentence-transformers has written down.</summary>
    static Pooling Said(string folder)
    {
        var path = Path.Combine(folder, "1_Pooling", "config.json");
        if (!File.Exists(path))
            return Pooling.Mean;
        var said = Settings.Read(path);
        return said.Truth("pooling_mode_cls_token", false) ? Pooling.First : said.Truth("pooling_mode_lasttoken", false) ? Pooling.Last
            : said.Truth("pooling_mode_max_tokens", false) ? Pooling.Max : Pooling.Mean;
    }

    /// <summary>The tokens of a text as the model reads them, cut off where there are too many.</summary>
    internal int[] TokensOf(string text)
    {
        var tokens = tokenizer.Encode(text, parsesSpecial: false).AsSpan();
        var (before, after) = (tokenizer.Before, tokenizer.After);
        return [.. before, .. tokens[..Math.Min(tokens.Length, Math.Max(0, MaxTokens - before.Count - after.Count))], .. after];
    }

    /// <summary>How many tokens of a text are read.</summary>
    /// <param name="text">The text.</param>
    /// <param name="isCut">Whether it has more.</param>
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
    /// <param name="cancel">Stops between two runs.</param>
    /// <exception cref="SoftmodelException">A text is empty, and the model has no token with which one begins.</exception>
    public float[][] Embed(IReadOnlyList<string> texts, CancellationToken cancel = default) => Embed([.. texts.Select(TokensOf)], cancel);

    /// <inheritdoc cref="Embed(IReadOnlyList{string}, CancellationToken)"/>
    internal float[][] Embed(int[][] texts, CancellationToken cancel = default)
    {
        if (texts.Any(t => t.Length == 0))
            throw new SoftmodelException($"a text is empty, and {Name} has no token with which a text begins; write some words");
        var embeddings = new float[texts.Length][];
        // Of like length beside one another; sorting keeps the order of those that are of one length.
        foreach (var batch in Batches([.. Enumerable.Range(0, texts.Length).OrderBy(i => texts[i].Length)], texts))
        {
            cancel.ThrowIfCancellationRequested();
            var rows = encoder.Run([.. batch.Select(i => texts[i])]);
            foreach (var text in batch)
            {
                var count = texts[text].Length * Dimensions;
                embeddings[text] = Pooled(rows[..count]);
                rows = rows[count..];
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

    /// <summary>The model as libraries for .NET expect one; disposing of it leaves the model.</summary>
    public IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator() => new ModelEmbeddingGenerator(this);

    /// <summary>Frees the model.</summary>
    public void Dispose() => encoder.Dispose();
}
