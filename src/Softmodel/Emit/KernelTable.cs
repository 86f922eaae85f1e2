using System.Text;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>A kernel without its name: steps that differ in nothing but the buffers that they work on share one.</summary>
/// <param name="Body">The statements.</param>
/// <param name="Parameters">The buffers that it is given.</param>
/// <param name="Tasks">The C# expression of the number of tasks that it is split into.</param>
sealed record KernelCode(string Body, IReadOnlyList<Lowering.Buffer> Parameters, string Tasks);

/// <summary>The kernels of a program, and the methods that several of them call.</summary>
sealed class KernelTable
{
    readonly Dictionary<string, (string Name, List<string> Sources)> kernels = new(StringComparer.Ordinal);
    readonly Dictionary<Step, (string Name, KernelCode Code)> written = new(ReferenceEqualityComparer.Instance);
    // Methods that several kernels call, by their text.
    readonly Dictionary<string, string> shared = new(StringComparer.Ordinal);
    readonly Dictionary<string, int> named = new(StringComparer.Ordinal);

    /// <summary>The register tiles that kernels call.</summary>
    public HashSet<Tiles.Kernel> Tiles { get; } = [];

    /// <summary>The kernel of each step, and the name of its method.</summary>
    public IReadOnlyDictionary<Step, (string Name, KernelCode Code)> OfSteps => written;

    /// <summary>The most buffers that one of them is given.</summary>
    public int Parameters { get; private set; }

    /// <summary>The name of the method that is the kernel of some steps; one that is there already where there is one like it.</summary>
    /// <param name="steps">The steps.</param>
    /// <param name="kernel">Their kernel.</param>
    /// <param name="source">Which nodes they are of.</param>
    /// <param name="word">What its name begins with.</param>
    public string Add(Step[] steps, KernelCode kernel, string source, string word)
    {
        if (!kernels.TryGetValue(kernel.Body, out var there))
            kernels[kernel.Body] = there = (Numbered(word), []);
        there.Sources.Add(source.ReplaceLineEndings(" "));
        // A step may have two kernels, of which one runs.
        Parameters = Math.Max(Parameters, kernel.Parameters.Count);
        foreach (var step in steps)
            written[step] = (there.Name, kernel);
        return there.Name;
    }

    /// <summary>How kernels call a method that those share that have the same.</summary>
    /// <param name="word">What its name begins with.</param>
    /// <param name="method">The method without its name.</param>
    public string Shared(string word, string method)
    {
        if (!shared.TryGetValue(method, out var name))
            shared[method] = name = Numbered($"{word}_");
        return $"Panel.{name}";
    }

    string Numbered(string word)
    {
        var number = named[word] = named.GetValueOrDefault(word) + 1;
        return $"{word}{number}";
    }

    /// <summary>Writes the kernels.</summary>
    public void Write(StringBuilder code)
    {
        code.Append("\nstatic unsafe class Kernels\n{\n");
        foreach (var (body, (name, sources)) in kernels)
        {
            foreach (var source in sources)
                code.Append($"    // {source}\n");
            code.Append($"    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n    public static void {name}(void* state, int task)\n    {{\n        var f = (Frame*)state;\n{body}    }}\n\n");
        }
        code.Append("}\n\n");
    }

    /// <summary>Writes what they call.</summary>
    /// <param name="code">The C#.</param>
    /// <param name="width">The bits of a vector.</param>
    /// <param name="algorithms">The fast algorithms that are among them.</param>
    public void WriteMethods(StringBuilder code, int width, IEnumerable<ToomCookTile> algorithms)
    {
        code.Append('\n').Append(Emit.Tiles.Write(Tiles, width));
        ToomCookMethods(code, [.. algorithms]);
        PanelMethods(code);
    }

    static void ToomCookMethods(StringBuilder code, ToomCookTile[] algorithms)
    {
        if (algorithms.Length == 0)
            return;
        code.Append("/// <summary>The transforms of fast convolutions.</summary>\nstatic unsafe partial class ToomCook\n{\n");
        foreach (var tile in algorithms.DistinctBy(t => t.Taps).OrderBy(t => t.Taps))
            tile.Write(code);
        foreach (var tile in algorithms.DistinctBy(t => t.Kernel).OrderBy(t => t.Kernel))
            tile.WriteWeights(code);
        code.Append("}\n\n");
    }

    void PanelMethods(StringBuilder code)
    {
        if (shared.Count == 0)
            return;
        code.Append("/// <summary>Panels of factors that are computed from constants: multiplied as they are decoded, or decoded to memory.</summary>\nstatic unsafe class Panel\n{\n");
        foreach (var (method, name) in shared)
            code.Append($"    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n    public static void {name}{KernelWriter.Indent(method, 1)[4..]}\n");
        code.Append("}\n\n");
    }
}
