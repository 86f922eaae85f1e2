using System.Runtime.CompilerServices;

namespace Softmodel.Language;

/// <summary>
/// A context of its own on a language model. Any number of sessions of a model may be used at once, from any threads: those that run
/// at the same time are batched. One session does one thing at a time. The prefix that a prompt has in common with the session is
/// taken from the KV cache.
/// </summary>
/// <example>
/// <code>
/// using var rules = model.NewSession();
/// await rules.ReadAsync("You are a guard. Nobody passes. ");
/// using var guard = rules.Fork();          // shares what has been read
/// var logits = await guard.ReadAsync("\"Halt!\" ");
/// </code>
/// </example>
public sealed class Session : IDisposable
{
    readonly Batcher batcher;
    int busy;
    bool disposed;

    internal Session(LanguageModel model, Batcher batcher, Context context) => (Model, this.batcher, Context) = (model, batcher, context);

    /// <summary>The model.</summary>
    public LanguageModel Model { get; }

    /// <summary>The tokens of the context, of prompts and of generated texts.</summary>
    public IReadOnlyList<int> Tokens => Context.Tokens;

    /// <summary>The usage of the last generation, once it has ended.</summary>
    public TextReport Last { get; private set; }

    internal Context Context { get; }

    /// <summary>Completes a prompt.</summary>
    /// <param name="prompt">The text from its beginning; control tokens in it are text like any other.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops it between tokens; what has come stays, and the session can be used on.</param>
    /// <returns>The text as it comes.</returns>
    /// <exception cref="SoftmodelException">The prompt is empty and the model has no begin-of-text token, or it is longer than the context.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">The session is generating another text.</exception>
    public IAsyncEnumerable<string> CompleteAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        WriteAsync(Model.TokensOf(prompt), options ?? new(), cancellationToken);

    /// <summary>Answers in a chat.</summary>
    /// <param name="turns">What was said so far.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops it between tokens; what has come stays, and the session can be used on.</param>
    /// <returns>The answer as it comes.</returns>
    /// <exception cref="SoftmodelException">The model has no chat template, or it can't be rendered for these messages; or as <see cref="CompleteAsync"/>.</exception>
    /// <inheritdoc cref="CompleteAsync" path="/exception"/>
    public IAsyncEnumerable<string> ChatAsync(IEnumerable<ChatTurn> turns, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        WriteAsync(Model.TokensOf(turns), options ?? new(), cancellationToken);

    /// <summary>Prefill: appends text to the context.</summary>
    /// <param name="text">The text; control tokens in it are text like any other.</param>
    /// <param name="cancellationToken">Stops it between runs.</param>
    /// <returns>The logits of the next token: [vocabulary].</returns>
    /// <inheritdoc cref="ReadAsync(ReadOnlyMemory{int}, bool, CancellationToken)" path="/exception"/>
    public Task<float[]> ReadAsync(string text, CancellationToken cancellationToken = default) =>
        ReadAsync(Tokens.Count == 0 ? Model.TokensOf(text) : Model.Tokenizer.EncodeMore(text), false, cancellationToken);

    /// <summary>Prefill: appends tokens to the context.</summary>
    /// <param name="tokens">The tokens, at least one.</param>
    /// <param name="all">Whether the logits after every token are returned, rather than after the last.</param>
    /// <param name="cancellationToken">Stops it between runs of at most 512 tokens; what has been read stays.</param>
    /// <returns>The logits of the next token, in row-major order: [1 or tokens, vocabulary].</returns>
    /// <exception cref="SoftmodelException">The context is full.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are no tokens, or one is none of the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">The session is doing something else.</exception>
    public async Task<float[]> ReadAsync(ReadOnlyMemory<int> tokens, bool all = false, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length, nameof(tokens));
        using var _ = Enter();
        if (!all)
        {
            await Read(tokens, false, cancellationToken).ConfigureAwait(false);
            return Context.Logits.ToArray();
        }
        var logits = new float[checked(tokens.Length * batcher.Decoder.Vocabulary)];
        for (var at = 0; at < tokens.Length; at += Batcher.MostAtOnce)
        {
            await Read(tokens[at..Math.Min(tokens.Length, at + Batcher.MostAtOnce)], true, cancellationToken).ConfigureAwait(false);
            Context.Logits.CopyTo(logits.AsSpan(at * batcher.Decoder.Vocabulary));
        }
        return logits;
    }

    /// <summary>A session with the same context, which shares its part of the KV cache.</summary>
    /// <inheritdoc cref="Truncate" path="/exception"/>
    public Session Fork()
    {
        using var _ = Enter();
        return new(Model, batcher, batcher.Fork(Context, Context.Tokens.Count));
    }

    /// <summary>Truncates the context to its first tokens.</summary>
    /// <param name="length">How many stay.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    /// <exception cref="InvalidOperationException">The session is doing something else.</exception>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Context.Tokens.Count);
        using var _ = Enter();
        batcher.Truncate(Context, length);
    }

    internal async IAsyncEnumerable<string> WriteAsync(int[] prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        options.Sampling.Validate();
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxTokens, nameof(options.MaxTokens));
        using var _ = Enter();
        await foreach (var part in Generation.Write(this, prompt, options, report => Last = report, cancellationToken).ConfigureAwait(false))
            yield return part;
    }

    /// <summary>Keeps what has been read of a prompt, and tells how many of its tokens that is; the last one is read again, for its logits.</summary>
    internal int Keep(int[] prompt)
    {
        var same = Math.Min(prompt.Length - 1, Context.CommonPrefix(prompt));
        if (!batcher.Decoder.CanTruncate && same < Context.Tokens.Count)
            same = 0;
        // Read together or not gives other numbers there.
        if (batcher.Decoder.QuantisesPerRun)
            same = 0;
        batcher.Truncate(Context, same);
        return same;
    }

    /// <summary>Reads tokens, in pieces where they are many.</summary>
    internal async Task Read(ReadOnlyMemory<int> tokens, bool allLogits, CancellationToken cancellationToken, Firing firing = Firing.No)
    {
        for (var at = 0; at < tokens.Length; at += Batcher.MostAtOnce)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var end = Math.Min(tokens.Length, at + Batcher.MostAtOnce);
            await batcher.Read(Context, tokens[at..end], allLogits, end == tokens.Length ? firing : Firing.No).ConfigureAwait(false);
        }
    }

    /// <summary>The logits after the last token, where a program wrote what comes next and that is not wanted.</summary>
    internal async Task Unfire()
    {
        int[] last = [Context.Tokens[^1]];
        batcher.Truncate(Context, Context.Tokens.Count - 1);
        await batcher.Read(Context, last).ConfigureAwait(false);
    }

    Busy Enter()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return Interlocked.Exchange(ref busy, 1) == 0 ? new(this)
            : throw new InvalidOperationException("the session is generating another text; end that first, or use another session (LanguageModel.NewSession, Session.Fork)");
    }

    sealed class Busy(Session session) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref session.busy, 0);
    }

    /// <summary>Ends the session; its part of the KV cache is free. The model stays.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        batcher.End(Context);
    }
}
