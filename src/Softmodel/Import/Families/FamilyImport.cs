using System.Reflection;
using Softmodel.Graphs;

namespace Softmodel.Import.Families;

/// <summary>Adds what a model computes to a graph that has its inputs, and gives what it is asked for.</summary>
internal delegate void FamilyBuilder(Transformer model);

/// <summary>Makes a core graph of a checkpoint.</summary>
internal static class FamilyImport
{
    static readonly Dictionary<string, FamilyBuilder> builders = Assembly.GetExecutingAssembly().GetTypes()
        .SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
        .SelectMany(m => (m.GetCustomAttribute<FamilyAttribute>()?.Names ?? []).Select(name => (name, m)))
        .ToDictionary(p => p.name, p => p.m.CreateDelegate<FamilyBuilder>(), StringComparer.Ordinal);

    /// <summary>The families that can be built.</summary>
    public static IEnumerable<string> Families => builders.Keys.Order(StringComparer.Ordinal);

    /// <summary>Builds the graph of a checkpoint.</summary>
    /// <param name="checkpoint">The checkpoint; the tensors of the graph are slices of its files, or were unpacked from them.</param>
    /// <param name="folding">What computes constants.</param>
    /// <exception cref="SoftmodelException">The family is not known, or a weight or setting is missing or does not fit; all that is missing is named.</exception>
    public static Graph Read(Checkpoint checkpoint, Folding folding)
    {
        var family = checkpoint.Settings.Text("model_type") ?? "";
        if (!builders.TryGetValue(family, out var build))
            throw new SoftmodelException($"{checkpoint.Path}: the family '{family}' is not known here; those that are: {string.Join(", ", Families)}");
        var model = new Transformer(checkpoint, folding);
        build(model);
        return model.Build();
    }
}
