using System.Runtime.CompilerServices;
using Softmodel.Language.Constraints;

namespace Softmodel.Language;

/// <summary>How a text is generated.</summary>
public sealed record GenerationOptions
{
    /// <summary>The maximum number of generated tokens; 0 or more.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>How tokens are sampled.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Stop sequences: texts that end the generation; they are not part of its text.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Constrained decoding; null for none. As <see cref="MaxTokens"/> run short, only tokens that lead to a complete text are sampled.</summary>
    public Constraint? Constraint { get; init; }
}

/// <summary>One message of a chat.</summary>
/// <param name="Role"><c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">Its text.</param>
public sealed record ChatTurn(string Role, string Content);

/// <summary>The finish reason: why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>An end-of-text token or a stop sequence.</summary>
    Stop,
    /// <summary><see cref="GenerationOptions.MaxTokens"/> was reached.</summary>
    Length,
}

/// <summary>The usage of a generation.</summary>
/// <param name="FinishReason">The finish reason.</param>
/// <param name="PromptTokens">How many tokens the prompt has.</param>
/// <param name="CachedTokens">How many of these were in the KV cache (prompt caching).</param>
/// <param name="Tokens">How many tokens were generated.</param>
/// <param name="FastForwardTokens">How many of these a constraint left no choice of: they were not sampled.</param>
/// <param name="Runs">How many tokens were sampled.</param>
public readonly record struct TextReport(FinishReason FinishReason, int PromptTokens, int CachedTokens, int Tokens, int FastForwardTokens, int Runs)
{
    /// <summary>Where programs of a fused model wrote what came next, in order; null for nowhere.</summary>
    public IReadOnlyList<ProgramCall>? Programs { get; init; }

    /// <summary>The tokens of prompt and text, of a fused model; null of another.</summary>
    public IReadOnlyList<int>? Sequence { get; init; }
}

/// <summary>Where a program of a fused model wrote a part of a text.</summary>
/// <param name="Program">Its name.</param>
/// <param name="At">The number of tokens, of prompt and text, before what it wrote.</param>
/// <param name="Tokens">How many tokens it wrote.</param>
/// <param name="Operands">The first and last tokens of its operands.</param>
public sealed record ProgramCall(string Program, int At, int Tokens, IReadOnlyList<(int First, int Last)> Operands);

/// <summary>The generation loop.</summary>
static class Generation
{
    /// <summary>Writes a text.</summary>
    /// <param name="session">What reads.</param>
    /// <param name="prompt">The tokens of the prompt; at least one.</param>
    /// <param name="options">How.</param>
    /// <param name="ended">Is given the report when the text has ended.</param>
    /// <param name="cancellationToken">Stops it between two runs.</param>
    public static async IAsyncEnumerable<string> Write(Session session, int[] prompt, GenerationOptions options, Action<TextReport> ended, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var tokenizer = session.Model.Tokenizer;
        var report = new TextReport(FinishReason.Length, prompt.Length, 0, 0, 0, 0);
        try
        {
            var sampler = new Sampler(options.Sampling);
            foreach (var token in prompt)
                sampler.Read(token);
            var constrained = options.Constraint is { } constraint ? new ConstrainedText(constraint, session.Model.Tree, options.MaxTokens) : null;
            var (stream, text) = (tokenizer.Stream(), new StopText(options.Stop));
            List<int>? sequence = null;
            var isBehindNumber = false;
            report = report with { CachedTokens = session.Keep(prompt) };
            List<int> unread = [.. prompt.AsSpan(report.CachedTokens)];
            if (session.Model.Fused is not null)
                report = report with { Sequence = sequence = [.. prompt] };
            while (report.Tokens < options.MaxTokens && report.FinishReason is FinishReason.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var fastForward = constrained?.FastForward() ?? [];
                var coming = fastForward;
                var isForced = fastForward.Length > 0;
                if (fastForward.Length == 0)
                {
                    if (constrained is { IsDone: true })
                    {
                        report = report with { FinishReason = FinishReason.Stop };
                        break;
                    }
                    await session.Read(unread.ToArray(), false, cancellationToken, constrained is null ? Firing.Yes : Firing.Plain).ConfigureAwait(false);
                    unread.Clear();
                    var fired = session.Context.Fired;
                    if (fired is not null && !(constrained?.Allows(fired.Tokens) ?? true))
                    {
                        await session.Unfire().ConfigureAwait(false);
                        fired = null;
                    }
                    isForced = fired is not null;
                    if (fired is not null)
                    {
                        coming = fired.Tokens[..Math.Min(fired.Tokens.Length, options.MaxTokens - report.Tokens)];
                        report = report with { Programs = [.. report.Programs ?? [], new(session.Model.Fused!.Programs[fired.Program], session.Tokens.Count, coming.Length, fired.Operands)] };
                    }
                    else
                    {
                        coming = [sampler.Next(isBehindNumber ? session.Model.WrittenNumber.Apply(session.Context.Logits) : session.Context.Logits, constrained)];
                        report = report with { Runs = report.Runs + 1 };
                    }
                }
                foreach (var token in coming)
                {
                    if (tokenizer.Ends.Contains(token))
                    {
                        report = report with { FinishReason = FinishReason.Stop };
                        break;
                    }
                    report = report with { Tokens = report.Tokens + 1 };
                    unread.Add(token);
                    sequence?.Add(token);
                    if (sequence is not null)
                        isBehindNumber = session.Model.WrittenNumber.IsBehind(isBehindNumber, token, isForced && fastForward.Length == 0);
                    constrained?.Accept(token);
                    if (isForced)
                        sampler.Accept(token);
                    if (fastForward.Length > 0)
                        report = report with { FastForwardTokens = report.FastForwardTokens + 1 };
                    if (text.Add(stream.Next(token)) is { Length: > 0 } part)
                        yield return part;
                    if (text.IsStopped)
                    {
                        report = report with { FinishReason = FinishReason.Stop };
                        break;
                    }
                }
            }
            // The last token that was allowed may have been the last of the text as well.
            if (constrained is { IsDone: true })
                report = report with { FinishReason = FinishReason.Stop };
            if (text.End(stream.End()) is { Length: > 0 } rest)
                yield return rest;
        }
        finally
        {
            ended(report);
        }
    }
}
