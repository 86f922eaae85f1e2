using System.Globalization;
using Softmodel.Export.Safetensors;
using Softmodel.Graphs;
using Softmodel.Import.Safetensors;
using Softmodel.Language;
using Softmodel.Runtime;

namespace Softmodel.Fusion;

/// <summary>A trigger as it is kept: what it learned, of which model, and from where on it fires.</summary>
/// <param name="Base">The hash of the model's files.</param>
/// <param name="Source">What the model was loaded from.</param>
/// <param name="Layer">The layer after which it reads the residual stream.</param>
/// <param name="Layers">How many layers the model has.</param>
/// <param name="Threshold">It fires where the logarithm of the odds of the most probable program, with the operands that it points to, is larger.</param>
/// <param name="Programs">The names of the programs, in the order of their numbers.</param>
/// <param name="Network">The network.</param>
/// <param name="Parameters">Its parameters, by name.</param>
sealed record FusedTrigger(string Base, string Source, int Layer, int Layers, double Threshold, IReadOnlyList<string> Programs, TriggerNetwork Network, IReadOnlyDictionary<string, Tensor> Parameters)
{
    /// <summary>What it was fused with: sums, and for each assembly its hash and its file's name.</summary>
    public IReadOnlyList<string> With { get; init; } = [FusedSources.Sums];

    const string Format = "softmodel-fusion-3", CenterName = "center", ScaleName = "scale";

    /// <summary>What it calls, from where.</summary>
    public FusedWith Fused => new(Programs, Layer + 1, Layers);

    /// <summary>The file's name in a folder.</summary>
    public const string FileName = "fusion.safetensors";

    /// <summary>Writes it.</summary>
    public void Write(Stream to) => SafetensorsWriter.Write(to, new Dictionary<string, Tensor>(Parameters, StringComparer.Ordinal) { [CenterName] = Network.Center, [ScaleName] = Network.Scale }, new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["format"] = Format,
        ["base"] = Base,
        ["source"] = Source,
        ["layer"] = Layer.ToString(CultureInfo.InvariantCulture),
        ["layers"] = Layers.ToString(CultureInfo.InvariantCulture),
        ["threshold"] = Threshold.ToString("R", CultureInfo.InvariantCulture),
        ["slots"] = Network.Slots.ToString(CultureInfo.InvariantCulture),
        ["programs"] = string.Join(' ', Programs),
        ["with"] = string.Join('\n', With),
    });

    /// <summary>Reads it.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">It is no such file, of a newer version, or damaged.</exception>
    public static FusedTrigger Read(string path)
    {
        using var file = SafetensorsFile.Open(path);
        string Entry(string name) => file.Metadata.TryGetValue(name, out var text) ? text : throw new SoftmodelException($"{path}: it has no '{name}', and is no fusion");
        if (Entry("format") is var format && format != Format)
            throw new SoftmodelException($"{path}: its format is '{format}', and this version of softmodel reads '{Format}'");
        int Integer(string name) => int.TryParse(Entry(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw new SoftmodelException($"{path}: its '{name}' is '{Entry(name)}', and no integer");
        var tensors = file.Tensors.ToDictionary(t => t.Key, t => new Tensor(t.Value.Format == BlockFormat.F32 ? ElementType.Float32 : throw new SoftmodelException($"{path}: the tensor '{t.Key}' is of type {t.Value.Format}, and not F32"), t.Value.Dims, t.Value.Bytes.ToArray()), StringComparer.Ordinal);
        Tensor Taken(string name) => tensors.Remove(name, out var tensor) ? tensor : throw new SoftmodelException($"{path}: the tensor '{name}' is missing");
        var (center, scale, programs) = (Taken(CenterName), Taken(ScaleName), Entry("programs").Split(' '));
        if (!double.TryParse(Entry("threshold"), NumberStyles.Float, CultureInfo.InvariantCulture, out var threshold))
            throw new SoftmodelException($"{path}: its threshold is '{Entry("threshold")}', and no number");
        return new(Entry("base"), Entry("source"), Integer("layer"), Integer("layers"), threshold, programs, new((int)center.Count, programs.Length, Integer("slots"), center, scale, 0), tensors) { With = file.Metadata.TryGetValue("with", out var with) ? with.Split('\n') : [FusedSources.Sums] };
    }
}

/// <summary>Where a trigger fired.</summary>
/// <param name="At">The position of the token after which the result follows.</param>
/// <param name="Program">The name of the program.</param>
/// <param name="Operands">What it is given.</param>
/// <param name="Score">The logarithm of the odds of program and operands.</param>
readonly record struct Fire(int At, string Program, string[] Operands, double Score);
