using Softmodel.Fusion;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;
using Softmodel.Runtime.Sums;

namespace Softmodel.Tests.Fusion;

public class GrammarTests
{
    static readonly Lazy<Passage[]> many = new(() => [.. Grammar.Passages(17).Take(20_000)]);

    [Fact]
    public void Every_answer_is_what_the_program_gives_and_stands_where_it_is_due()
    {
        foreach (var passage in many.Value)
        {
            var last = 0;
            foreach (var due in passage.Dues)
            {
                string[] operands = [.. due.Operands.Select(o => o.Of(passage.Text))];
                var result = SumPrograms.All.Named(due.Program).Run(operands);
                Assert.True(result == new ProgramResult(due.Answer), $"{due.Program} gives '{result.Text}' in: {passage}");
                Assert.True(due.At >= last, $"dues overlap in: {passage}");
                Assert.All(due.Operands, o => Assert.True(o.Start >= 0 && o.Length > 0 && o.End <= due.At, $"an operand stands after its result in: {passage}"));
                var after = passage.Text[due.At..];
                Assert.True(after.TrimStart().StartsWith(due.Answer, StringComparison.Ordinal), $"the answer '{due.Answer}' isn't there: {passage}");
                Assert.True(due.At == 0 || !char.IsWhiteSpace(passage.Text[due.At - 1]) || passage.Turns.Any(t => t.Text.Start == due.At), $"white space before what is due: {passage}");
                Assert.DoesNotContain(due.At, passage.Undecided);
                last = due.At + due.Answer.Length;
            }
        }
    }

    [Fact]
    public void Operands_are_numbers_or_lists_of_them_or_one_expression()
    {
        foreach (var (passage, due) in many.Value.SelectMany(p => p.Dues.Select(d => (p, d))))
        {
            if (due.Program != "evaluate")
                Assert.All(SumPrograms.All.Named(due.Program).ItemsOf([.. due.Operands.Select(o => o.Of(passage.Text))]), o => Number.Read(o));
            else
                Assert.Single(due.Operands);
        }
    }

    [Fact]
    public void Every_program_comes_and_the_four_operations_are_about_half()
    {
        var counts = many.Value.SelectMany(p => p.Dues).CountBy(d => d.Program).ToDictionary();
        Assert.All(SumPrograms.All.All, p => Assert.True(counts.GetValueOrDefault(p.Name) >= 10, $"{p.Name} comes {counts.GetValueOrDefault(p.Name)} times"));
        var share = (counts["add"] + counts["subtract"] + counts["multiply"] + counts["divide"]) / (double)counts.Values.Sum();
        Assert.InRange(share, 0.45, 0.75);
    }

    [Fact]
    public void Forms_are_thousands_and_half_of_the_passages_have_no_sum()
    {
        // More than half are drawn from the rules for negatives, but many of these have a sum beside the trap.
        Assert.InRange(many.Value.Count(p => p.Dues.Count == 0), many.Value.Length * 4 / 9, many.Value.Length * 2 / 3);
        foreach (var positive in new[] { true, false })
        {
            var those = many.Value.Where(p => p.Dues.Count > 0 == positive).ToArray();
            Assert.True(those.DistinctBy(p => p.Form).Count() > 5_000);
            Assert.True(those.DistinctBy(p => p.Family).Count() > 250);
        }
        Assert.True(many.Value.SelectMany(p => p.Parts).Distinct().Count() > 2_000);
        Assert.InRange(many.Value.Count(p => p.IsHeldOut(20)), many.Value.Length / 20, many.Value.Length / 3);
    }

    [Fact]
    public void Nothing_of_the_notation_is_left_in_a_text() => Assert.All(many.Value, p =>
    {
        Assert.DoesNotMatch(@"\{[a-z](\.\d)?(:|\})", p.Text);
        Assert.DoesNotMatch(@"\{[=?!@]|<\+?[a-z]+\.[a-z.]+>|\[\]$", p.Text);
    });

    [Fact]
    public void Same_seed_gives_the_same_passages()
    {
        Assert.Equal(Grammar.Passages(3).Take(200).Select(p => p.ToString()), Grammar.Passages(3).Take(200).Select(p => p.ToString()));
        Assert.NotEqual(Grammar.Passages(3).Take(5).Select(p => p.Text), Grammar.Passages(4).Take(5).Select(p => p.Text));
    }

    [Fact]
    public void Messages_keep_what_is_due_in_a_chat_template()
    {
        var chats = many.Value.Where(p => p.Turns.Count > 0 && p.Dues.Count > 0).Take(500).ToArray();
        Assert.NotEmpty(chats);
        foreach (var chat in chats)
        {
            Assert.Equal("assistant", chat.Turns[^1].Role);
            var rendered = chat.Rendered(string.Concat(chat.Turns.Select(t => $"<|im_start|>{t.Role}\n{t.Text.Of(chat.Text)}<|im_end|>\n")));
            foreach (var (before, after) in chat.Dues.Zip(rendered.Dues))
            {
                Assert.Equal(before.Operands.Select(o => o.Of(chat.Text)), after.Operands.Select(o => o.Of(rendered.Text)));
                Assert.StartsWith(before.Answer, rendered.Text[after.At..].TrimStart());
                Assert.Contains(chat.Turns, t => t.Role == "assistant" && t.Text.Start <= before.At && before.At < t.Text.End);
            }
            Assert.Equal(chat.Turns.Select(t => t.Text.Of(chat.Text)), rendered.Turns.Select(t => t.Text.Of(rendered.Text)));
        }
    }

    [Theory]
    [InlineData("[a|b", "bracket that is not closed")]
    [InlineData("what is {a", "'{' without its '}'")]
    [InlineData("a ] b", "']'")]
    [InlineData("{a:}", "slot")]
    public void Notation_says_what_is_wrong(string line, string message) =>
        Assert.Contains(message, Assert.Throws<SoftmodelException>(() => Notation.Read($"= rule\n{line}\n", [])).Message);
}
