using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Sums;

namespace Softmodel.Fusion;

/// <summary>What passages are about: the rules, and the programs with the numbers and texts that they are given.</summary>
/// <param name="Rules">The rules.</param>
/// <param name="Programs">How often each program is met.</param>
/// <param name="Own">What programs of one's own are given; the others get numbers.</param>
/// <param name="Named">The program of a name.</param>
sealed record Subjects(RuleSet Rules, (string Program, int Weight)[] Programs, IReadOnlyDictionary<string, ExactValues> Own, Func<string, FusedProgram> Named)
{
    /// <summary>Of all programs.</summary>
    public int AllWeight { get; } = Programs.Sum(p => p.Weight);

    /// <summary>Sums alone.</summary>
    public static Subjects OfSums(IReadOnlyDictionary<string, Rule> rules) => new(new(rules), Expansion.Sums, new Dictionary<string, ExactValues>(), SumPrograms.All.Named);

    /// <summary>Programs of one's own, with a sum now and then, since frames that are of several programs mix them.</summary>
    /// <param name="rules">The rules of the grammar.</param>
    /// <param name="own">The programs.</param>
    public static Subjects Of(IReadOnlyDictionary<string, Rule> rules, IReadOnlyList<ExactDescriptor> own)
    {
        string[] words = [.. rules["exact.word"].Alternatives.Select(w => w.Forms[0])];
        var programs = own.ToDictionary(d => d.Name, d => d.Program, StringComparer.Ordinal);
        var each = Math.Max(1, 3 * Expansion.Sums.Sum(p => p.Weight) / own.Count);
        return new(new(rules, own.SelectMany(d => ExactPhrases.Of(d, rules).Select(r => (Key: (d.Name, r.Name), Rule: r))).ToDictionary(r => r.Key, r => r.Rule)),
            [.. Expansion.Sums, .. own.Select(d => (d.Name, each))], own.ToDictionary(d => d.Name, d => new ExactValues(d, words), StringComparer.Ordinal),
            name => programs.GetValueOrDefault(name) ?? SumPrograms.All.Named(name));
    }
}
