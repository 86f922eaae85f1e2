using System.Text;

namespace Softmodel.Fusion;

/// <summary>A stretch of a text.</summary>
/// <param name="Start">Its first character.</param>
/// <param name="Length">How many characters it has.</param>
readonly record struct Span(int Start, int Length)
{
    /// <summary>The character after it.</summary>
    public int End => Start + Length;

    /// <summary>What stands there.</summary>
    public string Of(string text) => text.Substring(Start, Length);
}

/// <summary>A place where the result of a program begins to be due.</summary>
/// <param name="At">The end of the last character before the result that is not white space; in a chat's answer that begins with the result, where the answer begins.</param>
/// <param name="Program">The name of the program.</param>
/// <param name="Operands">Where its operands stand, all before <paramref name="At"/>, in the order that the program takes them.</param>
/// <param name="Answer">The result as it is written after <paramref name="At"/>, with perhaps white space before it.</param>
sealed record Due(int At, string Program, IReadOnlyList<Span> Operands, string Answer);

/// <summary>A message of a chat.</summary>
/// <param name="Role"><c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Text">Where it stands in the passage.</param>
readonly record struct Turn(string Role, Span Text);

/// <summary>A text, and where results of programs are due in it: nowhere but there.</summary>
/// <param name="Text">The text; of a chat all messages, apart by an empty line.</param>
/// <param name="Dues">What is due, from the left; none in a negative.</param>
/// <param name="Undecided">
/// Places where a result might begin although the text goes on otherwise, as in an answer that first repeats the question: neither right
/// nor wrong there.
/// </param>
/// <param name="Turns">The messages of a chat; none in other texts.</param>
/// <param name="Parts">What it is composed of, its frame first: stable names of the alternatives that were chosen, without numbers and fillers.</param>
/// <param name="Style">How its numbers are written.</param>
sealed record Passage(string Text, IReadOnlyList<Due> Dues, IReadOnlyList<int> Undecided, IReadOnlyList<Turn> Turns, IReadOnlyList<string> Parts, string Style)
{
    /// <summary>Whether one of its phrases is of an example sentence that is held out.</summary>
    public bool IsOfHeldOutExample { get; init; }

    /// <summary>The name of the frame: what it is composed in.</summary>
    public string Family => Parts[0];

    /// <summary>What it is composed of and how its numbers are written.</summary>
    public string Form => $"{string.Join(' ', Parts)} {Style}";

    /// <summary>Whether one of its parts is among those that are held out: whole frames, and whole phrases of an operation.</summary>
    /// <param name="oneIn">One part in so many is held out, always the same ones.</param>
    public bool IsHeldOut(int oneIn) => IsOfHeldOutExample || Parts.Any(p => Grammar.Hash(p) % (uint)oneIn == 0);

    /// <summary>The same passage in a text that has the messages in their order, with something around each.</summary>
    /// <param name="text">What a chat template made of the messages.</param>
    /// <exception cref="ArgumentException">A message isn't in the text.</exception>
    public Passage Rendered(string text)
    {
        var starts = new int[Turns.Count];
        var at = 0;
        foreach (var (i, turn) in Turns.Index())
        {
            starts[i] = text.IndexOf(turn.Text.Of(Text), at, StringComparison.Ordinal);
            if (starts[i] < 0)
                throw new ArgumentException($"the template leaves out or changes the message '{turn.Text.Of(Text)}'", nameof(text));
            at = starts[i] + turn.Text.Length;
        }
        int Moved(int offset)
        {
            var turn = 0;
            while (Turns[turn].Text.End < offset)
                turn++;
            return offset - Turns[turn].Text.Start + starts[turn];
        }
        return this with
        {
            Text = text,
            Dues = [.. Dues.Select(d => d with { At = Moved(d.At), Operands = [.. d.Operands.Select(o => o with { Start = Moved(o.Start) })] })],
            Undecided = [.. Undecided.Select(Moved)],
            Turns = [.. Turns.Select((t, i) => t with { Text = t.Text with { Start = starts[i] } })],
        };
    }

    /// <summary>The text with the operands in brackets, what is due between » and «, and undecided places as ¿.</summary>
    public override string ToString()
    {
        var marks = new List<(int At, int Order, string Mark)>();
        foreach (var due in Dues)
        {
            var start = Text.IndexOf(due.Answer, due.At, StringComparison.Ordinal);
            marks.Add((due.At, 1, $"»{due.Program}:"));
            marks.Add((start + due.Answer.Length, 2, "«"));
            foreach (var operand in due.Operands.Distinct())
            {
                marks.Add((operand.Start, 3, "["));
                marks.Add((operand.End, 0, "]"));
            }
        }
        foreach (var turn in Turns)
            marks.Add((turn.Text.Start, -1, $"<{turn.Role}> "));
        foreach (var at in Undecided)
            marks.Add((at, 1, "¿"));
        var shown = new StringBuilder();
        var done = 0;
        foreach (var (at, _, mark) in marks.OrderBy(m => m.At).ThenBy(m => m.Order))
        {
            shown.Append(Text.AsSpan(done..at)).Append(mark);
            done = at;
        }
        return shown.Append(Text.AsSpan(done)).ToString();
    }
}
