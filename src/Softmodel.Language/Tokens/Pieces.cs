using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>What becomes of that which is found where text is split by it.</summary>
enum SplitKeeps
{
    /// <summary>It is a piece, and so is what lies between.</summary>
    Apart,
    /// <summary>It is dropped.</summary>
    Not,
    /// <summary>It ends the piece before it.</summary>
    WithPrevious,
    /// <summary>It begins the piece after it.</summary>
    WithNext,
    /// <summary>It is a piece, together with what is found right after it.</summary>
    Together,
}

/// <summary>Finds in a text what it is split by.</summary>
/// <param name="text">The text.</param>
/// <param name="found">What is found is added to it, ascending.</param>
delegate void Finder(ReadOnlySpan<char> text, List<(int Start, int End)> found);

/// <summary>A step that splits or changes the pieces of a text before they are encoded.</summary>
delegate void PreTokenizer(Pieces pieces);

/// <summary>A text and the pieces of it that are encoded each by itself.</summary>
/// <param name="text">The text; all of it is the first piece.</param>
/// <param name="lead">How many of its first characters come from the first character of all that is encoded.</param>
/// <param name="goesOn">Whether it goes on with another text, so that nothing is put before it.</param>
sealed class Pieces(ReadOnlySpan<char> text, int lead = 0, bool goesOn = false)
{
    char[] text = text.ToArray();
    List<(int Start, int Length)> spans = text.IsEmpty ? [] : [(0, text.Length)];
    int lead = lead;

    /// <summary>How many pieces there are.</summary>
    public int Count => spans.Count;

    /// <summary>Whether nothing is put before the text.</summary>
    public bool GoesOn => goesOn;

    /// <summary>A piece.</summary>
    public ReadOnlySpan<char> this[int index] => text.AsSpan(spans[index].Start, spans[index].Length);

    /// <summary>Whether a piece begins with what comes from the first character of all that is encoded.</summary>
    public bool IsFirst(int index) => spans[index].Start < lead;

    /// <summary>Splits each piece by what is found in it.</summary>
    public void Split(Finder find, SplitKeeps keeps, bool isInverted = false)
    {
        var (next, found, parts) = (new List<(int, int)>(spans.Count * 2), new List<(int Start, int End)>(), new List<(int Start, int End, bool IsFound)>());
        foreach (var (start, length) in spans)
        {
            found.Clear();
            find(text.AsSpan(start, length), found);
            if (found.Count == 0 && !(isInverted && keeps is SplitKeeps.Not))
            {
                next.Add((start, length));
                continue;
            }
            parts.Clear();
            var at = 0;
            foreach (var (first, end) in found)
            {
                if (first > at)
                    parts.Add((at, first, isInverted));
                parts.Add((first, end, !isInverted));
                at = end;
            }
            if (length > at)
                parts.Add((at, length, isInverted));
            Keep(parts, keeps, start, next);
        }
        spans = next;
    }

    static void Keep(List<(int Start, int End, bool IsFound)> parts, SplitKeeps keeps, int offset, List<(int Start, int Length)> to)
    {
        if (keeps is SplitKeeps.WithNext)
        {
            var (first, wasFound) = (to.Count, false);
            for (var i = parts.Count - 1; i >= 0; i--)
            {
                var (start, end, isFound) = parts[i];
                if (isFound && !wasFound && to.Count > first)
                    to[^1] = (offset + start, to[^1].Start + to[^1].Length - offset - start);
                else
                    to.Add((offset + start, end - start));
                wasFound = isFound;
            }
            to.Reverse(first, to.Count - first);
            RemoveEmpty(to, first);
            return;
        }
        var (begin, previous) = (to.Count, false);
        foreach (var (start, end, isFound) in parts)
        {
            if (keeps is SplitKeeps.Not && isFound)
                continue;
            if (to.Count > begin && (keeps is SplitKeeps.Together && isFound == previous || keeps is SplitKeeps.WithPrevious && isFound && !previous))
                to[^1] = (to[^1].Start, offset + end - to[^1].Start);
            else
                to.Add((offset + start, end - start));
            previous = isFound;
        }
        RemoveEmpty(to, begin);
    }

    static void RemoveEmpty(List<(int Start, int Length)> spans, int from)
    {
        var count = from;
        for (var i = from; i < spans.Count; i++)
        {
            if (spans[i].Length > 0)
                spans[count++] = spans[i];
        }
        spans.RemoveRange(count, spans.Count - count);
    }

    /// <summary>Cuts each piece into others.</summary>
    /// <param name="cut">Adds the parts of a piece, ascending.</param>
    public void Cut(Finder cut)
    {
        var (next, parts) = (new List<(int, int)>(spans.Count * 2), new List<(int Start, int End)>());
        foreach (var (start, length) in spans)
        {
            parts.Clear();
            cut(text.AsSpan(start, length), parts);
            foreach (var (first, end) in parts)
            {
                if (end > first)
                    next.Add((start + first, end - first));
            }
        }
        spans = next;
    }

    /// <summary>Writes each piece anew.</summary>
    /// <param name="prefix">Says what is put before a piece; it comes from where the piece does.</param>
    /// <param name="write">Writes one character, as the characters that are in its place.</param>
    public void Rewrite(Func<Pieces, int, string> prefix, Action<Rune, StringBuilder> write)
    {
        var (written, next, newLead) = (new StringBuilder(text.Length * 2), new List<(int, int)>(spans.Count), 0);
        for (var i = 0; i < spans.Count; i++)
        {
            var (start, length) = spans[i];
            var begin = written.Length;
            written.Append(prefix(this, i));
            for (var at = start; at < start + length;)
            {
                _ = Rune.DecodeFromUtf16(text.AsSpan(at..(start + length)), out var rune, out var width);
                write(rune, written);
                if (at < lead)
                    newLead = written.Length;
                at += width;
            }
            next.Add((begin, written.Length - begin));
        }
        text = new char[written.Length];
        written.CopyTo(0, text, written.Length);
        (spans, lead) = (next, newLead);
        RemoveEmpty(spans, 0);
    }
}
