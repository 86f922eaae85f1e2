using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Softmodel.Compile;
using Softmodel.Emit.Native;
using Softmodel.Import;
using Softmodel.Import.Onnx;
using Softmodel.Language.Chat;
using Softmodel.Language.Constraints;
using Softmodel.Language.Tokens;
using Softmodel.Sources;

namespace Softmodel.Language;

/// <summary>How a language model is loaded.</summary>
public sealed record LanguageOptions
{
    /// <summary>How many tokens a context has room for; 0 for what the model was made for, but at most 4096.</summary>
    public int ContextLength { get; init; }

    /// <summary>What is done when a context is full. By default an error says so, before anything is lost.</summary>
    public WhenFull WhenFull { get; init; }

    /// <summary>Where the tokenizer lies, where it is not in the model's file, with it in the catalogue, or beside it: a <c>tokenizer.json</c>, a <c>tokenizer.bin</c> of llama2.c, or a GGUF file.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>What is known of its use; what the catalogue says is kept.</summary>
    public UseCase Use { get; init; } = new();

    /// <summary>How the model is compiled.</summary>
    public CompileOptions Compile { get; init; } = new();
}

/// <summary>How a text is written.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens that are written.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>How each one is chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Texts that end what is written; they are not part of it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>What the text has to be; null for any. As <see cref="MaxTokens"/> run short only what leads to the end of such a text comes.</summary>
    public Constraint? Constraint { get; init; }
}

/// <summary>One message of a chat.</summary>
/// <param name="Role"><c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">What was said.</param>
public sealed record ChatTurn(string Role, string Content);

/// <summary>Why a text ended.</summary>
public enum Ended
{
    /// <summary>The model said so, or a stop text came.</summary>
    Stopped,
    /// <summary>There are as many tokens as were asked for.</summary>
    Length,
}

/// <summary>What writing a text took.</summary>
/// <param name="Ended">Why it ended.</param>
/// <param name="PromptTokens">How many tokens the prompt has.</param>
/// <param name="ReusedTokens">How many of these had been read before.</param>
/// <param name="Tokens">How many were written.</param>
/// <param name="ForcedTokens">How many of these a constraint left no choice of: none was inferred.</param>
/// <param name="Runs">How often the model ran.</param>
public readonly record struct TextReport(Ended Ended, int PromptTokens, int ReusedTokens, int Tokens, int ForcedTokens, int Runs);

/// <summary>
/// A language model, compiled: it goes on with texts and answers in chats. One caller at a time may use it; what a text has in
/// common with the one before is not read again.
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
    // Long prompts are read in pieces, so that a cancellation is heeded between them and the memory of a run is bounded.
    const int MostAtOnce = 512, DefaultContext = 4096;

    readonly Decoder decoder;
    readonly ChatTemplate? template;
    readonly List<int> read = [];
    readonly SemaphoreSlim gate = new(1);
    TokenTree? tree;
    int sequence;

    LanguageModel(string name, string licence, Decoder decoder, Tokenizer tokenizer, ChatTemplate? template)
    {
        (Name, Licence, this.decoder, Tokenizer, this.template) = (name, licence, decoder, tokenizer, template);
        sequence = decoder.Begin();
    }

    /// <summary>A name for messages.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>How many tokens a context has room for.</summary>
    public int ContextLength => decoder.Cells.Capacity;

    /// <summary>Whether the model says how a chat is written.</summary>
    public bool CanChat => template is not null;

    /// <summary>What the last text took, once it has ended.</summary>
    public TextReport Last { get; private set; }

    /// <summary>What text becomes for the model.</summary>
    internal Tokenizer Tokenizer { get; }

    /// <summary>The compiled model and what it has read.</summary>
    internal Decoder Decoder => decoder;

    /// <summary>Loads a model by its name in the catalogue, a source, or a file, and compiles it or takes it from the cache.</summary>
    /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
    /// <param name="options">How.</param>
    /// <param name="fetching">Is told of the bytes that come.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be found, fetched, imported or compiled, or is none of text.</exception>
    public static async Task<LanguageModel> LoadAsync(string source, LanguageOptions? options = null, IProgress<FetchProgress>? fetching = null, IProgress<string>? progress = null, CancellationToken cancel = default)
    {
        options ??= new();
        var resolved = await Source.Resolve(source, fetching, cancel).ConfigureAwait(false);
        using var model = await Model.Of(resolved, source, options.Use with { KeepsPast = !Checkpoint.Is(resolved.MainFile) }, cancel).ConfigureAwait(false);
        // What is read of the text's side does not wait for the network.
        var reading = Task.Run(() => ReadText(model, options.Tokenizer), cancel);
        var compiled = await model.CompileAsync(options.Compile, progress, cancel).ConfigureAwait(false);
        try
        {
            var (tokenizer, template, longest) = await reading.ConfigureAwait(false);
            if (compiled.Outputs[0].Name != Import.Families.Transformer.LogitsName)
                throw new SoftmodelException($"{source} is an encoder: it writes nothing; softmodel embed uses it");
            if (model.Use.KeepsPast && !Decoder.IsExportOf(compiled.Inputs))
                throw new SoftmodelException($"{source} is no language model that can be used: it takes {string.Join(", ", compiled.Inputs.Select(i => i.Name))}; an export takes {TextInputs.Ids}, {TextInputs.Mask}, {TextInputs.Places} and a past");
            if (model.Use.KeepsPast && options.WhenFull == WhenFull.Forget)
                throw new SoftmodelException($"{source} is an ONNX export, which can't forget what it has read; make its context larger, or take its weights as GGUF or safetensors");
            var length = options.ContextLength > 0 ? options.ContextLength : Math.Min(DefaultContext, longest);
            return new(model.Name, model.Licence, new(compiled, length, options.WhenFull, model.RoundsByRun), tokenizer, template);
        }
        catch
        {
            compiled.Dispose();
            throw;
        }
    }

    static (Tokenizer Tokenizer, ChatTemplate? Template, int Longest) ReadText(Model model, string? given)
    {
        using var checkpoint = model.IsLanguageModel ? Checkpoint.Open(model.Path) : null;
        var settings = checkpoint?.Settings ?? TokenizerFile.Settings(model.Path);
        var longest = settings?.Whole("max_position_embeddings", DefaultContext) ?? DefaultContext;
        var vocabulary = given ?? model.Vocabulary ?? TokenizerFile.Of(model.Path);
        if (checkpoint?.Metadata is { } metadata && vocabulary == model.Path)
            return (TokenizerFile.Of(metadata, vocabulary), ChatTemplate.Of(metadata, vocabulary), longest);
        return (Tokenizer.Open(vocabulary), Path.GetExtension(vocabulary) == ".bin" ? null : ChatTemplate.Open(vocabulary), longest);
    }

    /// <summary>
    /// Builds a native library of a model as <see cref="Model.BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
    /// does, and beside it, for a language model, a table of what its tokens stand for: a line for each, with its bytes in
    /// hexadecimal digits, or <c>end</c> where a model says nothing more after it, or <c>control</c> for others that are no text.
    /// </summary>
    /// <inheritdoc cref="Model.BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
    public static Task<NativeResult> BuildAsync(Model model, string folder, NativeOptions? build = null, IProgress<string>? progress = null, CancellationToken cancel = default) =>
        model.BuildAsync(folder, build, model.IsLanguageModel || model.Use.KeepsPast ? [(".tokens", Tokenizer.Open(model.Vocabulary ?? TokenizerFile.Of(model.Path)).WriteTable)] : [], progress, cancel);

    /// <summary>Goes on with a text.</summary>
    /// <param name="prompt">The text; control tokens in it are text like any other.</param>
    /// <param name="options">How.</param>
    /// <param name="cancel">Stops it between tokens; what has come stays, and the model can be used on.</param>
    /// <returns>The text as it comes.</returns>
    /// <exception cref="SoftmodelException">The prompt is empty where the model has no beginning of a text, or longer than the context, or an option is out of range.</exception>
    public IAsyncEnumerable<string> CompleteAsync(string prompt, GenerationOptions? options = null, CancellationToken cancel = default) =>
        WriteAsync(TokensOf(prompt), options ?? new(), cancel);

    /// <summary>Answers in a chat.</summary>
    /// <param name="turns">What was said so far.</param>
    /// <param name="options">How.</param>
    /// <param name="cancel">Stops it between tokens; what has come stays, and the model can be used on.</param>
    /// <returns>The answer as it comes.</returns>
    /// <exception cref="SoftmodelException">The model has no chat template, or it can't be rendered for these messages; or as <see cref="CompleteAsync"/>.</exception>
    public IAsyncEnumerable<string> ChatAsync(IEnumerable<ChatTurn> turns, GenerationOptions? options = null, CancellationToken cancel = default) =>
        WriteAsync(TokensOf(turns), options ?? new(), cancel);

    /// <summary>What the model is given for a text to go on with.</summary>
    internal int[] TokensOf(string prompt) => Prompt(prompt, parsesSpecial: false);

    /// <summary>What the model is given for a chat.</summary>
    internal int[] TokensOf(IEnumerable<ChatTurn> turns) => Prompt(Render(turns), parsesSpecial: true);

    /// <summary>A chat as the model reads it, up to where its answer begins.</summary>
    /// <inheritdoc cref="ChatAsync" path="/exception"/>
    public string Render(IEnumerable<ChatTurn> turns) => template is { } form
        ? form.Render([.. turns.Select(t => new Chat.ChatMessage(t.Role, t.Content))], new() { Begin = Written(Tokenizer.Begin), End = Written(Tokenizer.End) })
        : throw new SoftmodelException($"{Name} says nothing of how a chat is written; use it to complete texts");

    string Written(int? token) => token is { } number ? Tokenizer.NameOf(number) : "";

    int[] Prompt(string text, bool parsesSpecial)
    {
        var tokens = Tokenizer.Encode(text, parsesSpecial);
        if (!tokens.Take(Tokenizer.Before.Count).SequenceEqual(Tokenizer.Before))
            tokens = [.. Tokenizer.Before, .. tokens];
        return tokens.Length > 0 ? tokens
            : Tokenizer.Begin is { } first ? [first]
            : throw new SoftmodelException($"the prompt is empty, and {Name} has no token with which a text begins; write some words");
    }

    async IAsyncEnumerable<string> WriteAsync(int[] prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        options.Sampling.Validate();
        if (options.MaxTokens < 0)
            throw new SoftmodelException($"{options.MaxTokens} tokens were asked for; 0 or more are possible");
        await gate.WaitAsync(cancel).ConfigureAwait(false);
        var report = new TextReport(Ended.Length, prompt.Length, 0, 0, 0, 0);
        try
        {
            var sampler = new Sampler(options.Sampling);
            foreach (var token in prompt)
                sampler.Accept(token);
            var constrained = options.Constraint is { } demanded ? new ConstrainedText(demanded, tree ??= new(Tokenizer), options.MaxTokens) : null;
            var (stream, text) = (Tokenizer.Stream(), new StopText(options.Stop));
            var (unread, reused) = (prompt.ToList(), 0);
            while (report.Tokens < options.MaxTokens && report.Ended is Ended.Length)
            {
                cancel.ThrowIfCancellationRequested();
                var forced = constrained?.Forced() ?? [];
                int[] coming = forced;
                if (forced.Length == 0)
                {
                    if (constrained is { IsDone: true })
                    {
                        report = report with { Ended = Ended.Stopped };
                        break;
                    }
                    coming = [await Task.Run(() => sampler.Next(report.Runs == 0 ? Read([.. unread], out reused, cancel) : Feed(unread.ToArray()), constrained), cancel).ConfigureAwait(false)];
                    report = report with { Runs = report.Runs + 1, ReusedTokens = reused };
                    unread.Clear();
                }
                foreach (var token in coming)
                {
                    if (Tokenizer.Ends.Contains(token))
                    {
                        report = report with { Ended = Ended.Stopped };
                        break;
                    }
                    report = report with { Tokens = report.Tokens + 1 };
                    unread.Add(token);
                    constrained?.Accept(token);
                    if (forced.Length > 0)
                    {
                        sampler.Accept(token);
                        report = report with { ForcedTokens = report.ForcedTokens + 1 };
                    }
                    if (text.Add(stream.Next(token)) is { Length: > 0 } part)
                        yield return part;
                    if (text.IsStopped)
                    {
                        report = report with { Ended = Ended.Stopped };
                        break;
                    }
                }
            }
            // The last token that was allowed may have been the last of the text as well.
            if (constrained is { IsDone: true })
                report = report with { Ended = Ended.Stopped };
            if (text.End(stream.End()) is { Length: > 0 } rest)
                yield return rest;
        }
        finally
        {
            Last = report;
            gate.Release();
        }
    }

    /// <summary>Reads what of a prompt has not been read, and scores what comes next.</summary>
    ReadOnlySpan<float> Read(int[] prompt, out int reused, CancellationToken cancel)
    {
        var same = decoder.CanCut ? prompt.AsSpan().CommonPrefixLength(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(read)) : 0;
        // The last token is read again, as its scores are wanted.
        reused = same = Math.Min(same, prompt.Length - 1);
        if (same == 0)
        {
            decoder.End(sequence);
            sequence = decoder.Begin();
            read.Clear();
        }
        else
        {
            decoder.Cells.Cut(sequence, same);
            read.RemoveRange(same, read.Count - same);
        }
        for (var at = same; prompt.Length - at > MostAtOnce; at += MostAtOnce)
        {
            cancel.ThrowIfCancellationRequested();
            Feed(prompt.AsMemory(at, MostAtOnce));
        }
        cancel.ThrowIfCancellationRequested();
        return Feed(prompt.AsMemory(read.Count));
    }

    ReadOnlySpan<float> Feed(ReadOnlyMemory<int> tokens)
    {
        var scores = decoder.Run(new Fed(sequence, tokens));
        read.AddRange(tokens.Span);
        return scores;
    }

    /// <summary>The model as libraries for .NET expect a chat; disposing of it leaves the model.</summary>
    public IChatClient AsChatClient() => new ModelChatClient(this);

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        decoder.Dispose();
        gate.Dispose();
    }
}
