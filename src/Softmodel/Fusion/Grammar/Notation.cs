using System.Collections.Concurrent;
using System.Reflection;
using System.Text;
using Softmodel.Runtime.Sums;

namespace Softmodel.Fusion;

/// <summary>What a piece of an alternative is.</summary>
enum PieceKind
{
    /// <summary>Text.</summary>
    Text,
    /// <summary>One of several sequences: <c>[is|makes|]</c>.</summary>
    Choice,
    /// <summary>One of a rule's alternatives: <c>&lt;name&gt;</c>.</summary>
    Rule,
    /// <summary>A number or word, new or again: <c>{a}</c>, <c>{a:count}</c>, <c>{p.1}</c>.</summary>
    Slot,
    /// <summary>The result of a program: <c>{=}</c>, <c>{=c add a b}</c>.</summary>
    Result,
    /// <summary>A place where a result might be due: <c>{?}</c>.</summary>
    Undecided,
    /// <summary>Where a message of a chat begins: <c>{@user}</c>.</summary>
    Turn,
    /// <summary>Which program the numbers that follow are for: <c>{!add}</c>.</summary>
    Program,
}

/// <summary>A piece of an alternative.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The text, or the name of a rule, slot, result or role.</param>
sealed record Piece(PieceKind Kind, string Text)
{
    /// <summary>The sequences that are chosen from.</summary>
    public Piece[][] Choices { get; init; } = [];

    /// <summary>The kind of a slot and what it depends on; the program of a result and the slots of its operands.</summary>
    public string[] Arguments { get; init; } = [];

    /// <summary>Whether a rule begins numbers of its own: <c>&lt;+name&gt;</c>.</summary>
    public bool IsOwn { get; init; }

    /// <summary>Whether it begins with a capital: the name of the rule or slot does.</summary>
    public bool IsCapital { get; init; }
}

/// <summary>One way to say something.</summary>
/// <param name="Id">The rule and a hash of the notation: the same as long as that is.</param>
/// <param name="Weight">How often it is chosen beside the others.</param>
/// <param name="Pieces">What it consists of.</param>
/// <param name="Forms">Of a word its forms, as singular and plural; one of others.</param>
sealed record Alternative(string Id, int Weight, Piece[] Pieces, string[] Forms)
{
    /// <summary>Whether it is held out, however many are; null where a hash of the name decides.</summary>
    public bool? IsHeldOut { get; init; }
}

/// <summary>All ways to say something.</summary>
/// <param name="Name">The name.</param>
/// <param name="IsWords">Whether it fills in words, which don't make another form.</param>
/// <param name="Alternatives">The ways.</param>
sealed record Rule(string Name, bool IsWords, IReadOnlyList<Alternative> Alternatives)
{
    /// <summary>Whether it has the phrases of a program, which say its operands.</summary>
    public bool IsPhrases { get; init; } = Name.Contains('.', StringComparison.Ordinal) && SumPrograms.All.All.Any(p => Name.StartsWith(p.Name + ".", StringComparison.Ordinal));

    /// <summary>Whether its phrases stand in programs.</summary>
    public bool IsCode { get; } = Name.EndsWith(".code", StringComparison.Ordinal);

    /// <summary>The first alternative, if it begins a chat's answer: the others are for other texts.</summary>
    public Alternative? Answers => Alternatives is [{ Pieces: [{ Kind: PieceKind.Turn, Text: "assistant" }, ..] } first, ..] ? first : null;
}

/// <summary>The rules, and which of them can be said of which program.</summary>
/// <param name="rules">The rules, by name.</param>
/// <param name="own">The rules of programs of one's own, by their names.</param>
sealed class RuleSet(IReadOnlyDictionary<string, Rule> rules, IReadOnlyDictionary<(string Program, string Name), Rule>? own = null)
{
    readonly ConcurrentDictionary<(string Name, string Program), Alternative[]> possible = [];

    /// <summary>A rule for all, or one with phrases of a program; null where there is none.</summary>
    public Rule? Find(string name, string program) => own?.GetValueOrDefault((program, name)) ?? rules.GetValueOrDefault(name) ?? rules.GetValueOrDefault($"{program}.{name}");

    /// <summary>Whether something can be said of a program.</summary>
    public bool IsPossible(string name, string program) => Find(name, program) is { } rule && (rule.IsWords || Possible(name, program).Length > 0);

    /// <summary>The alternatives of a rule that can be said of a program: all that need no phrase that it hasn't.</summary>
    public Alternative[] Possible(string name, string program) => possible.GetOrAdd((name, program), key => [.. Find(key.Name, key.Program)!.Alternatives.Where(a => CanSay(a.Pieces, key.Program))]);

    bool CanSay(Piece[] pieces, string program) => pieces.All(p => p.Kind switch
    {
        PieceKind.Rule => p.IsOwn || IsPossible(p.Text, program),
        PieceKind.Choice => p.Choices.All(c => CanSay(c, program)),
        _ => true,
    });
}

/// <summary>Reads the files with the rules; <c>docs/fusion.md</c> describes the notation.</summary>
static class Notation
{
    const string Folder = "Softmodel.Fusion.Grammar.";

    /// <summary>The rules of all files, by name.</summary>
    public static Dictionary<string, Rule> ReadAll()
    {
        var rules = new Dictionary<string, Rule>(StringComparer.Ordinal);
        var assembly = Assembly.GetExecutingAssembly();
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Folder, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            Read(reader.ReadToEnd(), rules);
        }
        return rules;
    }

    /// <summary>Adds the rules of a file.</summary>
    /// <exception cref="SoftmodelException">The file has a line that is none, or a rule comes twice.</exception>
    public static void Read(string file, Dictionary<string, Rule> rules)
    {
        List<Alternative>? alternatives = null;
        var (name, isWords) = ("", false);
        foreach (var raw in file.Split('\n'))
        {
            var line = raw.TrimEnd('\r');
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (line.StartsWith("= ", StringComparison.Ordinal) || line.StartsWith("~ ", StringComparison.Ordinal))
            {
                (name, isWords, alternatives) = (line[2..].Trim(), line[0] == '~', []);
                if (!rules.TryAdd(name, new(name, isWords, alternatives)))
                    throw new SoftmodelException($"the grammar has the rule '{name}' twice");
                continue;
            }
            if (alternatives is null)
                throw new SoftmodelException($"the grammar has a line outside of a rule: {line}");
            if (isWords)
            {
                foreach (var word in line.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                    alternatives.Add(new(name, 1, [], word.Split('/')));
                continue;
            }
            var weight = 1;
            var text = line;
            if (line.IndexOf("x ", StringComparison.Ordinal) is > 0 and <= 3 and var end && int.TryParse(line.AsSpan(0, end), out var times))
                (weight, text) = (times, line[(end + 2)..]);
            alternatives.Add(new($"{name}-{Grammar.Hash(text) & 0xFFFFF:x5}", weight, Pieces(text, line), []));
        }
    }

    static Piece[] Pieces(string text, string line)
    {
        var at = 0;
        var pieces = Sequence(text, ref at, line);
        return at == text.Length ? pieces : throw Wrong(line, $"'{text[at]}' at {at}");
    }

    static Piece[] Sequence(string text, ref int at, string line)
    {
        var pieces = new List<Piece>();
        var plain = new StringBuilder();
        void Flush()
        {
            if (plain.Length > 0)
                pieces.Add(new(PieceKind.Text, plain.ToString()));
            plain.Clear();
        }
        while (at < text.Length && text[at] is not ('|' or ']'))
        {
            var c = text[at++];
            switch (c)
            {
                case '\\' when at < text.Length:
                    var escaped = text[at++];
                    plain.Append(escaped switch { 'n' => '\n', 't' => '\t', _ => escaped });
                    break;
                case '[':
                    Flush();
                    var choices = new List<Piece[]> { Sequence(text, ref at, line) };
                    while (at < text.Length && text[at] == '|')
                    {
                        at++;
                        choices.Add(Sequence(text, ref at, line));
                    }
                    if (at++ >= text.Length)
                        throw Wrong(line, "a bracket that is not closed");
                    pieces.Add(new(PieceKind.Choice, "") { Choices = [.. choices] });
                    break;
                case '<':
                    Flush();
                    var rule = Until('>', text, ref at, line);
                    var own = rule[0] == '+';
                    rule = own ? rule[1..] : rule;
                    pieces.Add(new(PieceKind.Rule, Lower(rule)) { IsOwn = own, IsCapital = char.IsAsciiLetterUpper(rule[0]) });
                    break;
                case '{':
                    Flush();
                    pieces.Add(Slot(Until('}', text, ref at, line), line));
                    break;
                default:
                    plain.Append(c);
                    break;
            }
        }
        Flush();
        return [.. pieces];
    }

    static Piece Slot(string text, string line)
    {
        switch (text[0])
        {
            case '?':
                return new(PieceKind.Undecided, "");
            case '@':
                return new(PieceKind.Turn, text[1..]);
            case '!':
                return new(PieceKind.Program, text[1..]);
            case '=':
                var words = text[1..].Split(' ');
                return new(PieceKind.Result, words[0]) { Arguments = words[1..] };
        }
        var colon = text.IndexOf(':');
        if (colon < 0)
            return new(PieceKind.Slot, Lower(text)) { IsCapital = char.IsAsciiLetterUpper(text[0]) };
        if (colon == 0 || colon == text.Length - 1)
            throw Wrong(line, $"the slot {{{text}}}");
        var kind = text[(colon + 1)..];
        return new(PieceKind.Slot, Lower(text[..colon])) { Arguments = kind[0] == '\'' ? [kind] : kind.Split(' '), IsCapital = char.IsAsciiLetterUpper(text[0]) };
    }

    static string Until(char end, string text, ref int at, string line)
    {
        var close = text.IndexOf(end, at);
        if (close <= at)
            throw Wrong(line, $"a '{text[at - 1]}' without its '{end}'");
        var inside = text[at..close];
        at = close + 1;
        return inside;
    }

    static string Lower(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    static SoftmodelException Wrong(string line, string what) => new($"the grammar has {what} in: {line}");
}
