using System.Text.Json;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Passes;

namespace Softmodel.Fusion;

/// <summary>What is cut out of a fused model, beside its trigger.</summary>
/// <param name="Base">The hash of the model's file.</param>
/// <param name="Layers">What is cut out of each layer.</param>
sealed record CutList(string Base, IReadOnlyList<LayerCut> Layers)
{
    const string Format = "softmodel-cut-1";

    /// <summary>The file's name in a folder.</summary>
    public const string FileName = "cut.json";

    sealed record Content(string Format, string Base, IReadOnlyList<Cut> Layers);

    sealed record Cut(int Layer, int[] Neurons, int[] Groups);

    static readonly JsonSerializerOptions format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Writes it.</summary>
    public void Write(Stream to) => JsonSerializer.Serialize(to, new Content(Format, Base, [.. Layers.Select(l => new Cut(l.Layer, [.. l.Neurons], [.. l.Groups]))]), format);

    /// <summary>What is cut out of the fused model of a folder; null where that is whole.</summary>
    /// <exception cref="SoftmodelException">The file is of a newer version, or damaged.</exception>
    public static CutList? In(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return null;
        try
        {
            return JsonSerializer.Deserialize<Content>(File.ReadAllBytes(path), format) is { Base: { } hash, Layers: { } layers, Format: var version } && layers.All(l => l is { Neurons: not null, Groups: not null })
                ? version == Format ? new(hash, [.. layers.Select(l => new LayerCut(l.Layer, l.Neurons, l.Groups))]) : throw new SoftmodelException($"{path}: its format is '{version}', and this version of softmodel reads '{Format}'")
                : throw new SoftmodelException($"{path}: it says not what is cut");
        }
        catch (JsonException e)
        {
            throw new SoftmodelException($"{path}: it is damaged: {e.Message}; fuse the model again", e);
        }
    }

    /// <summary>The model of a fused folder: without what is cut, where something is.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="decoder">The model that was fused, as imported.</param>
    /// <param name="baseHash">The hash of its file.</param>
    /// <exception cref="SoftmodelException">The list is of another model, of a newer version, or damaged.</exception>
    public static Graph Fused(string folder, Graph decoder, string baseHash) => In(folder) is not { } list ? decoder
        : list.Base == baseHash ? list.Applied(decoder) : throw new SoftmodelException($"{Path.Combine(folder, FileName)}: it says what is cut out of another model; fuse this one");

    /// <summary>A model without what is cut: what is compiled and built of it is smaller.</summary>
    /// <param name="decoder">The model, as imported.</param>
    /// <exception cref="SoftmodelException">It has no such parts.</exception>
    public Graph Applied(Graph decoder)
    {
        using var blocks = new BlockDecoding();
        return Pruning.Apply(decoder, Evaluator.FoldKeepingStored, Layers, parameter => blocks.Decoded(parameter).Values<float>().ToArray());
    }
}
