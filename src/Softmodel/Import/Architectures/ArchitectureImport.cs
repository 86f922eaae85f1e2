using System.Reflection;
using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>Adds what a model computes to a graph that has its inputs, and gives what it is asked for.</summary>
internal delegate void ArchitectureBuilder(Transformer model);

/// <summary>Makes a core graph of a checkpoint.</summary>
internal static class ArchitectureImport
{
    static readonly Dictionary<string, ArchitectureBuilder> builders = Assembly.GetExecutingAssembly().GetTypes()
        .SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
        .SelectMany(m => (m.GetCustomAttribute<ArchitectureAttribute>()?.Names ?? []).Select(name => (name, m)))
        .ToDictionary(p => p.name, p => p.m.CreateDelegate<ArchitectureBuilder>(), StringComparer.Ordinal);

    /// <summary>The architectures that can be built.</summary>
    public static IEnumerable<string> Architectures => builders.Keys.Order(StringComparer.Ordinal);

    /// <summary>Builds the graph of a checkpoint.</summary>
    /// <param name="checkpoint">The checkpoint; the tensors of the graph are slices of its files, or were unpacked from them.</param>
    /// <param name="folding">Folds constants.</param>
    /// <exception cref="SoftmodelException">The architecture is not known, or a weight or setting is missing or does not fit; all that is missing is named.</exception>
    public static Graph Read(Checkpoint checkpoint, ConstantFolding folding)
    {
        var architecture = checkpoint.Settings.Text("model_type") ?? "";
        if (!builders.TryGetValue(architecture, out var build))
            throw new SoftmodelException($"{checkpoint.Path}: the architecture '{architecture}' is not known here; those that are: {string.Join(", ", Architectures)}");
        var model = new Transformer(checkpoint, folding);
        build(model);
        return model.Build();
    }
}
