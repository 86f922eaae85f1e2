using System.Text;

namespace Softmodel.Language;

/// <summary>Holds back what may be the beginning of a stop sequence.</summary>
/// <param name="stops">The stop sequences; empty ones are ignored.</param>
sealed class StopText(IReadOnlyList<string> stops)
{
    readonly StringBuilder held = new();

    /// <summary>Whether a stop sequence has come.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Adds text, and gives what is before any stop sequence.</summary>
    public string Add(string text)
    {
        held.Append(text);
        var all = held.ToString();
        var end = stops.Where(s => s.Length > 0).Select(s => all.IndexOf(s, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(-1).Min();
        if (end >= 0)
        {
            IsStopped = true;
            held.Clear();
            return all[..end];
        }
        var begun = stops.Select(s => Begun(all, s)).DefaultIfEmpty(0).Max();
        held.Remove(0, all.Length - begun);
        return all[..^begun];
    }

    /// <summary>How many characters at the end of a text begin another.</summary>
    static int Begun(string text, string stop)
    {
        for (var length = Math.Min(text.Length, stop.Length - 1); length > 0; length--)
        {
            if (text.AsSpan().EndsWith(stop.AsSpan(0, length), StringComparison.Ordinal))
                return length;
        }
        return 0;
    }

    /// <summary>What was held back, as nothing more comes.</summary>
    public string End(string text)
    {
        var last = IsStopped ? "" : Add(text);
        return IsStopped ? last : last + held;
    }
}
