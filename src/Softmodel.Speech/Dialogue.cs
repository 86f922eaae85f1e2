using System.Globalization;

namespace Softmodel.Speech;

/// <summary>How a character of a dialogue speaks.</summary>
/// <param name="Name">The character.</param>
/// <param name="Speed">1 is the voice's own speed, 1.2 is faster.</param>
/// <param name="Noise">How much one take differs from the next, from 0 to 1; null for what the voice does by itself.</param>
/// <param name="Seed">Which take it is.</param>
/// <param name="Speaker">Which speaker of a voice that has several.</param>
public sealed record Character(string Name, double Speed = 1, double? Noise = null, ulong Seed = 0, int Speaker = 0);

/// <summary>What a character says.</summary>
/// <param name="Character">Who.</param>
/// <param name="Text">The words.</param>
/// <param name="OpensScene">Whether a longer pause is before it.</param>
/// <param name="Number">Its line in the file, from 1.</param>
public sealed record DialogueLine(Character Character, string Text, bool OpensScene, int Number);

/// <summary>Lines spoken by characters, as a script has them.</summary>
/// <param name="Lines">The lines, in order.</param>
public sealed record Dialogue(IReadOnlyList<DialogueLine> Lines)
{
    static readonly string[] settings = ["speed", "noise", "seed", "speaker"];

    /// <summary>
    /// Reads a script: <c>voice NAME speed=1.1 noise=0.5 seed=7 speaker=3</c> describes a character, each setting being
    /// optional; <c>NAME: words</c> is a line; an empty line is a longer pause; <c>#</c> begins a comment line.
    /// </summary>
    /// <param name="text">The script.</param>
    /// <exception cref="SoftmodelException">A line is none of these, or nobody says anything: the message names it.</exception>
    public static Dialogue Parse(string text)
    {
        var characters = new Dictionary<string, Character>(StringComparer.Ordinal);
        var lines = new List<DialogueLine>();
        var (number, opens) = (0, false);
        foreach (var raw in text.ReplaceLineEndings("\n").TrimStart('\ufeff').Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.StartsWith('#'))
                continue;
            if (line.Length == 0)
            {
                opens = lines.Count > 0;
                continue;
            }
            if (line.StartsWith("voice ", StringComparison.Ordinal))
            {
                var character = Voice(line, number);
                if (!characters.TryAdd(character.Name, character))
                    throw new SoftmodelException($"line {number}: the voice of {character.Name} is described a second time");
                continue;
            }
            var colon = line.IndexOf(':');
            if (colon <= 0 || line[..colon].Contains(' '))
                throw new SoftmodelException($"line {number}: '{Excerpt(line)}' is neither 'NAME: words' nor 'voice NAME setting=value'");
            var name = line[..colon];
            if (!characters.TryGetValue(name, out var speaker))
                throw new SoftmodelException($"line {number}: nobody is called {name}; describe the voice before: voice {name}");
            if (line[(colon + 1)..].Trim() is not { Length: > 0 } words)
                throw new SoftmodelException($"line {number}: {name} says nothing");
            lines.Add(new DialogueLine(speaker, words, opens, number));
            opens = false;
        }
        return lines.Count > 0 ? new Dialogue(lines) : throw new SoftmodelException("nobody says anything: a line is written 'NAME: words'");
    }

    static Character Voice(string line, int number)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2 || words[1].Contains('=') || words[1].Contains(':'))
            throw new SoftmodelException($"line {number}: the voice has no name: write 'voice NAME setting=value'");
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var word in words[2..])
        {
            var equals = word.IndexOf('=');
            if (equals < 0 || !settings.Contains(word[..equals]) || !values.TryAdd(word[..equals], word[(equals + 1)..]))
                throw new SoftmodelException($"line {number}: '{word}' is no setting; each of {string.Join(", ", settings)} may be given once, as speed=1.1");
        }
        return new Character(words[1],
            Speed: Number("speed", 0.25, 4) ?? 1,
            Noise: Number("noise", 0, 1),
            Seed: (ulong)(Whole("seed", long.MaxValue) ?? 0),
            Speaker: (int)(Whole("speaker", int.MaxValue) ?? 0));

        double? Number(string name, double least, double most) => !values.TryGetValue(name, out var value) ? null
            : double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var read) && read >= least && read <= most ? read
            : throw new SoftmodelException($"line {number}: {name}={value} must be a number from {least} to {most}");

        long? Whole(string name, long most) => !values.TryGetValue(name, out var value) ? null
            : long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var read) && read <= most ? read
            : throw new SoftmodelException($"line {number}: {name}={value} must be an integer that is not negative");
    }

    static string Excerpt(string line) => line.Length <= 40 ? line : line[..40] + "…";
}
