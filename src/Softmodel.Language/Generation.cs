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
public readonly record struct TextReport(FinishReason FinishReason, int PromptTokens, int CachedTokens, int Tokens, int FastForwardTokens, int Runs);

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
            report = report with { CachedTokens = session.Keep(prompt) };
            List<int> unread = [.. prompt.AsSpan(report.CachedTokens)];
            while (report.Tokens < options.MaxTokens && report.FinishReason is FinishReason.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var fastForward = constrained?.FastForward() ?? [];
                int[] coming = fastForward;
                if (fastForward.Length == 0)
                {
                    if (constrained is { IsDone: true })
                    {
                        report = report with { FinishReason = FinishReason.Stop };
                        break;
                    }
                    await session.Read(unread.ToArray(), false, cancellationToken).ConfigureAwait(false);
                    coming = [sampler.Next(session.Context.Logits, constrained)];
                    report = report with { Runs = report.Runs + 1 };
                    unread.Clear();
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
                    constrained?.Accept(token);
                    if (fastForward.Length > 0)
                    {
                        sampler.Accept(token);
                        report = report with { FastForwardTokens = report.FastForwardTokens + 1 };
                    }
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
