using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Softmodel.Language.Chat;
using Softmodel.Language.Constraints;
using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>The programs that a language model is fused with.</summary>
/// <param name="Programs">Their names.</param>
/// <param name="LowerLayers">How many layers run before they are called: the others don't, for what a program writes.</param>
/// <param name="Layers">How many layers there are.</param>
public sealed record FusedWith(IReadOnlyList<string> Programs, int LowerLayers, int Layers);

/// <summary>
/// A compiled language model: its weights and its tokenizer. It completes texts and answers in chats, any number at once, from any
/// threads; a <see cref="Session"/> keeps its context. What runs at the same time is batched.
/// </summary>
/// <example>
/// <code>
/// using var model = await LanguageModel.LoadAsync("smollm2");
/// await foreach (var text in model.ChatAsync([new("user", "Name three rivers.")]))
///     Console.Write(text);
/// </code>
/// </example>
public sealed class LanguageModel : IDisposable
{
    // So many contexts of texts that have ended are kept, for others that begin alike.
    const int MostIdle = 4;

    readonly Batcher batcher;
    readonly ChatTemplate? template;
    readonly List<Session> idle = [];
    readonly Lazy<TokenTree> tree;
    readonly Lazy<WrittenNumber> writtenNumber;

    internal LanguageModel(string name, string licence, Decoder decoder, Tokenizer tokenizer, ChatTemplate? template, FusedWith? fused = null)
    {
        (Name, Licence, Tokenizer, this.template, Fused) = (name, licence, tokenizer, template, fused);
        batcher = new(decoder);
        tree = new(() => new(tokenizer));
        writtenNumber = new(() => new(tokenizer));
    }

    /// <summary>A name for messages.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>The context length in tokens.</summary>
    public int ContextLength => batcher.Decoder.ContextLength;

    /// <summary>Whether the model has a chat template.</summary>
    public bool CanChat => template is not null;

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The programs that it is fused with; null where it isn't.</summary>
    public FusedWith? Fused { get; }

    /// <summary>The compiled network. It must not be run while texts are generated.</summary>
    public CompiledModel Network => batcher.Decoder.Model;

    /// <summary>The usage of the generation that ended last; a session has its own.</summary>
    public TextReport Last { get; private set; }

    /// <summary>The tokens that are text, for constraints.</summary>
    internal TokenTree Tree => tree.Value;

    /// <summary>What follows numbers that programs wrote.</summary>
    internal WrittenNumber WrittenNumber => writtenNumber.Value;

    /// <summary>The compiled model and what it has read.</summary>
    internal Decoder Decoder => batcher.Decoder;

    /// <summary>Opens a model that <c>softmodel build</c> has made.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="contextLength">The context length in tokens; 0 for the model's own, but at most 4096.</param>
    /// <param name="contextShift">Context shift: whether a full context drops its oldest tokens; by default an error says so, before anything is lost.</param>
    /// <param name="threads">How many threads a run uses; 0 for the processor's cores. The text does not depend on it.</param>
    /// <exception cref="SoftmodelException">There is none, or it is damaged.</exception>
    public static LanguageModel Open(string folder, int contextLength = 0, bool contextShift = false, int threads = 0) => BuiltText.OpenLanguageModel(folder, contextLength, contextShift, threads);

    /// <summary>A session that has read nothing yet.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public Session NewSession() => new(this, batcher, new());

    /// <summary>Completes a prompt.</summary>
    /// <inheritdoc cref="Session.CompleteAsync" path="/param"/>
    /// <returns>The text as it comes.</returns>
    /// <exception cref="SoftmodelException">The prompt is empty and the model has no begin-of-text token, or it is longer than the context.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public IAsyncEnumerable<string> CompleteAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        WriteAsync(TokensOf(prompt), options ?? new(), null, cancellationToken);

    /// <summary>Answers in a chat.</summary>
    /// <inheritdoc cref="Session.ChatAsync" path="/param"/>
    /// <returns>The answer as it comes.</returns>
    /// <exception cref="SoftmodelException">The model has no chat template, or it can't be rendered for these messages; or as <see cref="CompleteAsync"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public IAsyncEnumerable<string> ChatAsync(IEnumerable<ChatTurn> turns, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        WriteAsync(TokensOf(turns), options ?? new(), null, cancellationToken);

    /// <inheritdoc cref="ChatAsync(IEnumerable{ChatTurn}, GenerationOptions?, CancellationToken)"/>
    internal IAsyncEnumerable<string> ChatAsync(IEnumerable<ChatTurn> turns, GenerationOptions options, Action<TextReport> ended, CancellationToken cancellationToken) =>
        WriteAsync(TokensOf(turns), options, ended, cancellationToken);

    async IAsyncEnumerable<string> WriteAsync(int[] prompt, GenerationOptions options, Action<TextReport>? ended, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var session = Rent(prompt);
        try
        {
            await foreach (var part in session.WriteAsync(prompt, options, cancellationToken).ConfigureAwait(false))
                yield return part;
        }
        finally
        {
            Last = session.Last;
            ended?.Invoke(session.Last);
            Return(session);
        }
    }

    /// <summary>The idle context that has most in common with a prompt, or a new one.</summary>
    Session Rent(int[] prompt)
    {
        lock (idle)
        {
            if (idle.MaxBy(s => s.Context.CommonPrefix(prompt)) is not { } session)
                return NewSession();
            idle.Remove(session);
            return session;
        }
    }

    void Return(Session session)
    {
        lock (idle)
        {
            idle.Add(session);
            if (idle.Count <= MostIdle)
                return;
            idle[0].Dispose();
            idle.RemoveAt(0);
        }
    }

    /// <summary>The tokens of a prompt to complete.</summary>
    internal int[] TokensOf(string prompt) => Prompt(prompt, parsesSpecial: false);

    /// <summary>The tokens of a chat.</summary>
    internal int[] TokensOf(IEnumerable<ChatTurn> turns) => Prompt(Render(turns), parsesSpecial: true);

    /// <summary>A chat rendered by the chat template, up to where the answer begins.</summary>
    /// <param name="turns">What was said so far.</param>
    /// <exception cref="SoftmodelException">The model has no chat template, or it can't be rendered for these messages.</exception>
    public string Render(IEnumerable<ChatTurn> turns) => template is { } form
        ? form.Render([.. turns.Select(t => new Chat.ChatMessage(t.Role, t.Content))], new() { Begin = Written(Tokenizer.Begin), End = Written(Tokenizer.End) })
        : throw new SoftmodelException($"{Name} has no chat template; use it to complete texts");

    string Written(int? token) => token is { } number ? Tokenizer.NameOf(number) : "";

    int[] Prompt(string text, bool parsesSpecial)
    {
        var tokens = Tokenizer.Encode(text, parsesSpecial);
        if (!tokens.Take(Tokenizer.Before.Count).SequenceEqual(Tokenizer.Before))
            tokens = [.. Tokenizer.Before, .. tokens];
        return tokens.Length > 0 ? tokens
            : Tokenizer.Begin is { } first ? [first]
            : throw new SoftmodelException($"the prompt is empty, and {Name} has no begin-of-text token; write some words");
    }

    /// <summary>The model as a client of Microsoft.Extensions.AI; disposing of it leaves the model.</summary>
    public IChatClient AsChatClient() => new ModelChatClient(this);

    /// <summary>Frees the model; its sessions can't be used any more.</summary>
    public void Dispose() => batcher.Dispose();
}
