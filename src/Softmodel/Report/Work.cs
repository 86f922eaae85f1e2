using System.Globalization;
using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Report;

/// <summary>
/// The arithmetic of a step as it is written down: two operations for each product of a sum, for a function about as many as
/// it takes instructions. A fast algorithm takes fewer.
/// </summary>
/// <param name="Loops">What a turn costs, and how often it is taken: as often as the product of these sizes.</param>
sealed record Work(IReadOnlyList<(double Cost, Dim[] Sizes)> Loops)
{
    /// <summary>No arithmetic at all.</summary>
    public static Work None { get; } = new([]);

    /// <summary>The work of a step; what a routine does besides moving numbers is not counted.</summary>
    public static Work Of(Step step)
    {
        if (step is Step.Fused fused)
            return new([.. fused.Members.SelectMany(m => Of(m).Loops)]);
        if (step is not Step.Nest nest)
            return None;
        var loops = new List<(double, Dim[])>();
        void Add(double cost, IEnumerable<Axis> axes)
        {
            if (cost > 0)
                loops.Add((cost, [.. axes.Select(a => a.Extent).Where(e => e.Value != 1)]));
        }
        Add(Cost(nest.Value), nest.Axes);
        if (nest.Fold is { } fold)
            Add(Cost(fold.Term) + 1, nest.Axes.Concat(fold.Axes));
        return new(loops);
    }

    static double Cost(Expr root)
    {
        var seen = new HashSet<Expr>();
        double Visit(Expr e) => !seen.Add(e) ? 0 : (e is Expr.Apply apply ? apply.Function.Cost : 0) + e.Operands.Sum(Visit);
        return Visit(root);
    }

    /// <summary>The operations, for sizes that the function gives.</summary>
    public double At(Func<string, double> size) => Loops.Sum(l => l.Cost * l.Sizes.Aggregate(1.0, (product, d) => product * d.Compute(n => n, size, Pair)));

    static double Pair(string kind, double a, double b) => kind switch
    {
        "add" => a + b,
        "multiply" => a * b,
        "floordiv" => Math.Floor(a / b),
        _ => Math.Max(a, b),
    };

    /// <summary>The operations as an expression of JavaScript, in which a size <c>T</c> is <c>s.T</c>.</summary>
    public string ToJavaScript() => Loops.Count == 0 ? "0" : string.Join("+", Loops.Select(l =>
        string.Join("*", l.Sizes.Select(d => d.Compute(n => n.ToString(CultureInfo.InvariantCulture), s => $"s.{s}", Script)).Prepend(l.Cost.ToString("R", CultureInfo.InvariantCulture)))));

    static string Script(string kind, string a, string b) => kind switch
    {
        "add" => $"({a}+{b})",
        "multiply" => $"{a}*{b}",
        "floordiv" => $"Math.floor(({a})/({b}))",
        _ => $"Math.max({a},{b})",
    };
}
