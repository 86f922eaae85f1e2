using System.Text;
using Softmodel.Language;

namespace Softmodel.Cli;

/// <summary>A call of a program in a text.</summary>
/// <param name="Program">Its name.</param>
/// <param name="At">How many tokens stood before what it wrote.</param>
/// <param name="Operands">Its operands, as they stand in the text.</param>
/// <param name="Text">What it wrote.</param>
/// <param name="Tokens">How many tokens that is.</param>
/// <param name="LayersBefore">How many layers ran for the token before, from which it was called.</param>
sealed record ExplainedCall(string Program, int At, IReadOnlyList<string> Operands, string Text, int Tokens, int LayersBefore);

/// <summary>What a token of a text is.</summary>
enum ExplainedMark
{
    /// <summary>Given, or inferred.</summary>
    None,
    /// <summary>Part of an operand.</summary>
    Operand,
    /// <summary>Written by a program.</summary>
    Written,
}

/// <summary>A token of a text.</summary>
/// <param name="Text">The token.</param>
/// <param name="Mark">What it is.</param>
/// <param name="Layers">How many layers have read it, until the text ended: what a program wrote at its end, none.</param>
sealed record ExplainedToken(string Text, ExplainedMark Mark, int Layers);

/// <summary>How a text of a fused model came about: where programs wrote, of which operands, and which layers ran.</summary>
/// <param name="Calls">The calls, in order.</param>
/// <param name="Lines">The text, with a line below each that marks operands by <c>~</c> and what programs wrote by <c>=</c>.</param>
/// <param name="Layers">How many layers the model has.</param>
/// <param name="Inferred">How many tokens were inferred, each by all layers.</param>
/// <param name="Tokens">The text, its prompt included.</param>
sealed record Explanation(IReadOnlyList<ExplainedCall> Calls, IReadOnlyList<string> Lines, int Layers, int Inferred, IReadOnlyList<ExplainedToken> Tokens)
{
    /// <summary>That of the model's latest text.</summary>
    public static Explanation Of(LanguageModel model)
    {
        var (report, fused) = (model.Last, model.Fused!);
        int[] all = [.. report.Sequence ?? []];
        string Between(int first, int end) => model.Tokenizer.Decode(all.AsSpan(first, end - first));
        ExplainedCall[] calls = [.. (report.Programs ?? []).Select(c =>
            new ExplainedCall(c.Program, c.At, [.. c.Operands.Select(o => Between(o.First, o.Last + 1).Trim())], Between(c.At, c.At + c.Tokens).Trim(), c.Tokens, fused.LowerLayers))];
        // A token's characters are those of the bytes up to its end.
        var (bytes, marks) = (new List<byte>(), new List<char>());
        var kinds = new char[all.Length];
        foreach (var call in report.Programs ?? [])
        {
            foreach (var (first, last) in call.Operands)
                kinds.AsSpan(first, last + 1 - first).Replace('\0', '~');
            kinds.AsSpan(call.At, call.Tokens).Fill('=');
        }
        for (var i = 0; i < all.Length; i++)
        {
            var own = model.Tokenizer.BytesOf(all[i]);
            bytes.AddRange(own);
            var count = Encoding.UTF8.GetCharCount([.. bytes]) - marks.Count;
            marks.AddRange(Enumerable.Repeat(kinds[i] == '\0' ? ' ' : kinds[i], Math.Max(0, count)));
        }
        var (lines, at) = (new List<string>(), 0);
        foreach (var line in Encoding.UTF8.GetString([.. bytes]).Split('\n'))
        {
            lines.Add(line);
            var below = new string([.. marks.Skip(at).Take(line.Length).Select((m, i) => line[i] == ' ' ? ' ' : m)]).TrimEnd();
            if (below.Length > 0)
                lines.Add(below);
            at += line.Length + 1;
        }
        // All that stands before what was inferred last has been read by all layers; the end of a text is inferred, too.
        var sampled = all.Length - report.PromptTokens - report.FastForwardTokens - calls.Sum(c => c.Tokens);
        var inferred = report.Runs > sampled ? all.Length : Enumerable.Range(report.PromptTokens, all.Length - report.PromptTokens).LastOrDefault(i => kinds[i] != '=', 0);
        var asked = calls.Length > 0 ? calls[^1].At : 0;
        return new(calls, lines, fused.Layers, report.Runs, [.. all.Select((t, i) => new ExplainedToken(model.Tokenizer.Decode([t]),
            kinds[i] switch { '~' => ExplainedMark.Operand, '=' => ExplainedMark.Written, _ => ExplainedMark.None }, i < inferred ? fused.Layers : i < asked ? fused.LowerLayers : 0))]);
    }

    /// <summary>What is shown below a text.</summary>
    public string ToText()
    {
        var text = new StringBuilder("\n");
        foreach (var line in Lines)
            text.Append(line).Append('\n');
        text.Append('\n');
        foreach (var call in Calls)
            text.Append($"{call.Program}({string.Join("; ", call.Operands)}) = {call.Text}: {call.Tokens} tokens at once, after {call.LayersBefore} of {Layers} layers\n");
        return text.Append($"{Inferred} token{(Inferred == 1 ? "" : "s")} inferred by {Layers} layers each\n").ToString();
    }
}
