namespace Softmodel.Language.Tokens;

/// <summary>
/// Letters without their marks. .NET takes them apart only in programs that carry the tables of all languages, which this one
/// does not: the table here is of those letters up to U+31FF that Unicode takes apart into one other and marks.
/// </summary>
static class Accents
{
    static readonly Lazy<Dictionary<char, char>> plain = new(() =>
    {
        using var reader = new StreamReader(typeof(Accents).Assembly.GetManifestResourceStream("Softmodel.Language.Tokens.accents.txt")!);
        // Each line has a letter, and then those that are it with marks.
        return reader.ReadToEnd().Split('\n').Where(l => l.Length > 0).SelectMany(l => l[1..].Select(c => (c, l[0]))).ToDictionary(p => p.c, p => p.Item2);
    });

    /// <summary>The letter without its marks; another character as it is.</summary>
    public static char Without(char letter) => letter < '\u00C0' ? letter : plain.Value.GetValueOrDefault(letter, letter);
}
