using System.Collections.Frozen;

namespace Softmodel.Speech;

/// <summary>The rows of <c>english.txt</c>: what English writing stands for.</summary>
static class EnglishTable
{
    static readonly FrozenDictionary<string, FrozenDictionary<string, string[]>> sections = Read();

    /// <summary>The rows of a section, by their first column; the others are the value.</summary>
    public static FrozenDictionary<string, string[]> Section(string name) => sections[name];

    /// <summary>What can stand in the first column, as alternatives of a regular expression, the longest first.</summary>
    public static string Alternatives(string section) => string.Join('|',
        Section(section).Keys.OrderByDescending(k => k.Length).ThenBy(k => k, StringComparer.Ordinal).Select(System.Text.RegularExpressions.Regex.Escape));

    static FrozenDictionary<string, FrozenDictionary<string, string[]>> Read()
    {
        using var stream = typeof(EnglishTable).Assembly.GetManifestResourceStream("Softmodel.Speech.english.txt")!;
        using var reader = new StreamReader(stream);
        var read = new Dictionary<string, Dictionary<string, string[]>>();
        Dictionary<string, string[]> section = [];
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line.StartsWith("# ", StringComparison.Ordinal))
                continue;
            if (line is ['[', _, .., ']'])
            {
                read.Add(line[1..^1], section = []);
                continue;
            }
            // The first character may itself be the bar that divides columns; a row without one is a list of words.
            var bar = line.IndexOf('|', 1);
            if (bar > 0)
                section[line[..bar]] = line[(bar + 1)..].Split('|');
            else
                foreach (var word in line.Split(' '))
                    section[word] = [word];
        }
        return read.ToFrozenDictionary(s => s.Key, s => s.Value.ToFrozenDictionary(StringComparer.Ordinal));
    }
}
