using System.Runtime.CompilerServices;
using Softmodel.Language.Constraints;

namespace Softmodel.Language;

/// <summary>How a text is written.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens that are written; 0 or more.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>How each one is chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Stop sequences: texts that end what is written; they are not part of it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Constrained decoding: what the text has to be; null for any. As <see cref="MaxTokens"/> run short only what leads to the end of such a text comes.</summary>
    public Constraint? Constraint { get; init; }
}

/// <summary>One message of a chat.</summary>
/// <param name="Role"><c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">What was said.</param>
public sealed record ChatTurn(string Role, string Content);

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>The model said so, or a stop sequence came.</summary>
    Stop,
    /// <summary>There are as many tokens as were asked for.</summary>
    Length,
}

/// <summary>What writing a text took.</summary>
/// <param name="FinishReason">Why it ended.</param>
/// <param name="PromptTokens">How many tokens the prompt has.</param>
/// <param name="CachedTokens">How many of these were in the KV cache already.</param>
/// <param name="Tokens">How many were written.</param>
/// <param name="FastForwardTokens">How many of these a constraint left no choice of: none was inferred.</param>
/// <param name="Runs">How many tokens were sampled.</param>
public readonly record struct TextReport(FinishReason FinishReason, int PromptTokens, int CachedTokens, int Tokens, int FastForwardTokens, int Runs);

/// <summary>The loop that writes a text: read, sample, and again.</summary>
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
                var forced = constrained?.Forced() ?? [];
                int[] coming = forced;
                if (forced.Length == 0)
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
                    if (forced.Length > 0)
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
