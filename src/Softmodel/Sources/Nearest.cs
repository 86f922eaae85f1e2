namespace Softmodel.Sources;

/// <summary>What someone may have meant who wrote a name that there is not.</summary>
static class Nearest
{
    /// <summary>The one name that begins so, or else the one that is a few letters away; null where none is near.</summary>
    /// <param name="written">What was written.</param>
    /// <param name="known">The names there are.</param>
    public static string? Of(string written, IEnumerable<string> known)
    {
        var names = known.ToArray();
        if (written.Length > 2 && names.Where(n => n.StartsWith(written, StringComparison.OrdinalIgnoreCase)).ToArray() is [var longer])
            return longer;
        var near = names.Select(n => (Name: n, Distance: Distance(n, written))).MinBy(n => n.Distance);
        return near.Name is not null && near.Distance <= Math.Max(2, written.Length / 3) ? near.Name : null;
    }

    /// <summary>The number of letters to insert, delete or change.</summary>
    static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[b.Length];
    }
}
