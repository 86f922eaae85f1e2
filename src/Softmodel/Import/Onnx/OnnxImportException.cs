namespace Softmodel.Import.Onnx;

/// <summary>A node that could not be imported.</summary>
/// <param name="Node">The node, as <c>Conv 'encoder/conv1'</c>.</param>
/// <param name="Operator">The operator, as <c>Conv</c> or <c>com.microsoft.FastGelu</c>.</param>
/// <param name="Reason">Why.</param>
public sealed record ImportFault(string Node, string Operator, string Reason);

/// <summary>A model that could not be imported, with every fault that was found in it.</summary>
/// <param name="path">The model.</param>
/// <param name="faults">What is wrong, in the order of the nodes.</param>
public sealed class OnnxImportException(string path, IReadOnlyList<ImportFault> faults) : SoftmodelException(Describe(path, faults))
{
    const int MostShown = 12;

    /// <summary>Everything that could not be imported.</summary>
    public IReadOnlyList<ImportFault> Faults => faults;

    static string Describe(string path, IReadOnlyList<ImportFault> faults)
    {
        var groups = faults.GroupBy(f => (f.Operator, f.Reason)).ToArray();
        var lines = groups.Take(MostShown).Select(g => $"\n  {g.First().Node}: {g.Key.Reason}{(g.Count() > 1 ? $" (and {g.Count() - 1} more)" : "")}");
        var left = groups.Length > MostShown ? $"\n  and {groups.Length - MostShown} more kinds: see 'softmodel import --json'" : "";
        return $"{path}: {faults.Count} node{(faults.Count == 1 ? "" : "s")} cannot be imported:{string.Concat(lines)}{left}";
    }
}
