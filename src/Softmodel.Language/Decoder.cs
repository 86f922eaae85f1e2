using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>The tokens of a sequence that a decoder is to read.</summary>
/// <param name="Sequence">The sequence that they go on.</param>
/// <param name="Tokens">The tokens, at least one.</param>
/// <param name="AllLogits">Whether the logits after every one of them are computed, rather than after the last.</param>
/// <param name="Firing">Whether a program may write what comes after the last.</param>
readonly record struct SequenceTokens(int Sequence, ReadOnlyMemory<int> Tokens, bool AllLogits = false, Firing Firing = Firing.No);

/// <summary>Whether a program may write what comes next: the values of <see cref="SequenceInputs.MayFire"/>.</summary>
enum Firing
{
    /// <summary>No.</summary>
    No,
    /// <summary>Yes.</summary>
    Yes,
    /// <summary>Yes, with numbers as in JSON.</summary>
    Plain,
}

/// <summary>What a program has written after a token.</summary>
/// <param name="Program">Its number, from 0 on.</param>
/// <param name="Operands">The positions of the first and last tokens of its operands.</param>
/// <param name="Tokens">The tokens that it wrote, which have not been read.</param>
sealed record Fired(int Program, (int First, int Last)[] Operands, int[] Tokens);

/// <summary>A compiled decoder and what it has read.</summary>
abstract class Decoder : IDisposable
{
    /// <summary>Reads a compiled model.</summary>
    /// <param name="model">The model, which the decoder takes over.</param>
    protected Decoder(CompiledModel model) => (Model, Vocabulary) = (model, (int)model.Outputs[0].Sizes[^1]);

    /// <summary>The decoder of a compiled model, of one of our architectures or an ONNX export.</summary>
    /// <param name="model">The model, which the decoder takes over.</param>
    /// <param name="contextLength">How many tokens a sequence may have.</param>
    /// <param name="shifts">Whether a full context drops its oldest tokens, rather than refusing more.</param>
    /// <param name="quantisesPerRun">Whether the scale of what is quantised depends on all tokens of a run.</param>
    public static Decoder Of(CompiledModel model, int contextLength, bool shifts = false, bool quantisesPerRun = false) =>
        ExportDecoder.Takes(model.Inputs) ? new ExportDecoder(model, contextLength, quantisesPerRun) : new SequenceDecoder(model, contextLength, shifts);

    /// <summary>The compiled model.</summary>
    public CompiledModel Model { get; }

    /// <summary>The vocabulary size: the number of logits per token.</summary>
    public int Vocabulary { get; }

    /// <summary>The context length: how many tokens a sequence may have.</summary>
    public abstract int ContextLength { get; }

    /// <summary>How many sequences it can hold at once.</summary>
    public abstract int MostSequences { get; }

    /// <summary>Whether a sequence can be taken back to an earlier token and be as if what came after had never been read.</summary>
    public abstract bool CanTruncate { get; }

    /// <summary>Whether what a run gives depends on which tokens are read in it.</summary>
    public virtual bool QuantisesPerRun => false;

    /// <summary>Begins a sequence; there are fewer than <see cref="MostSequences"/>.</summary>
    public abstract int Begin();

    /// <summary>Begins a sequence with the first tokens of another, where <see cref="CanTruncate"/> and there are fewer than <see cref="MostSequences"/>.</summary>
    public abstract int Fork(int sequence, int length);

    /// <summary>Drops the tokens of a sequence from a position on.</summary>
    public abstract void Truncate(int sequence, int length);

    /// <summary>Ends a sequence.</summary>
    public abstract void End(int sequence);

    /// <summary>Makes room for more tokens of a sequence, or refuses them.</summary>
    /// <exception cref="SoftmodelException">There is no room.</exception>
    public abstract void Reserve(int sequence, int count);

    /// <summary>Whether there are programs that may write what comes next.</summary>
    public virtual bool IsFused => false;

    /// <summary>What a program has written after the tokens of each part of the last run, which then has no logits; null elsewhere.</summary>
    public virtual IReadOnlyList<Fired?> Fires => [];

    /// <summary>Reads tokens, and gives logits, in the order of the tokens.</summary>
    /// <param name="batch">What is read; a sequence at most once.</param>
    /// <returns>[n_outputs, vocabulary], without those that <see cref="Fires"/>; valid until the next run.</returns>
    /// <exception cref="SoftmodelException">There is no room, or a token is none of the vocabulary: nothing has been read.</exception>
    public ReadOnlySpan<float> Run(params scoped ReadOnlySpan<SequenceTokens> batch)
    {
        foreach (var feed in batch)
        {
            foreach (var token in feed.Tokens.Span)
            {
                if ((uint)token >= (uint)Vocabulary)
                    throw new ArgumentOutOfRangeException(nameof(batch), token, $"there is no such token; the model knows 0 to {Vocabulary - 1}");
            }
            Reserve(feed.Sequence, feed.Tokens.Length);
        }
        return Compute(batch);
    }

    /// <summary>Reads tokens for which there is room.</summary>
    protected abstract ReadOnlySpan<float> Compute(scoped ReadOnlySpan<SequenceTokens> batch);

    /// <summary>What is said where there is no room.</summary>
    protected static SoftmodelException Full(int count, int contextLength, int free) =>
        new($"{count} tokens are to be read, and of the {contextLength} that a context has room for {free} are free; make the context larger, or turn context shift on");

    /// <summary>An array with room for so many.</summary>
    protected static long[] Sized(long[] array, int count) => array.Length >= count ? array : new long[Math.Max(count, array.Length * 2)];

    /// <summary>Frees the model.</summary>
    public void Dispose() => Model.Dispose();
}
