using System.Text.Json;
using System.Text.Json.Serialization;

namespace Softmodel.Sources;

/// <summary>A file of a model that the catalogue knows.</summary>
/// <param name="Role">What it is for, as in <see cref="ModelFile"/>.</param>
/// <param name="Source">Where it comes from: a file, or a range of bytes of one.</param>
/// <param name="Then">What has to be appended, where a model is published in pieces.</param>
/// <param name="As">Its name in the cache; unless given, that of its source.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">Its hash in hexadecimal digits.</param>
public sealed record CatalogueFile(string Role, Source Source, IReadOnlyList<Source>? Then, string? As, long Bytes, string Sha256)
{
    /// <summary>What symbolic sizes of this network's inputs are in every use.</summary>
    public IReadOnlyDictionary<string, long>? Sizes { get; init; }

    /// <summary>Numbers that this network's inputs have in every use.</summary>
    public IReadOnlyDictionary<string, double[]>? Values { get; init; }

    /// <summary>Shapes of this network's inputs in some uses that are typical of it: what it is compared and timed with.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, long[]>>? Cases { get; init; }

    /// <summary>Whether it holds a network, and not what belongs to one.</summary>
    [JsonIgnore]
    public bool IsNetwork => Store.Formats.Contains(System.IO.Path.GetExtension(FileName));

    /// <summary>Its name in the cache.</summary>
    [JsonIgnore]
    public string FileName => As ?? Source.Path![(Source.Path!.LastIndexOf('/') + 1)..];
}

/// <summary>A model that is known by a short name.</summary>
/// <param name="Name">The name.</param>
/// <param name="About">What it is, in a sentence.</param>
/// <param name="Task">What it does, in a few words.</param>
/// <param name="Licence">What it may be used for.</param>
/// <param name="Download">How many bytes a fetch brings over the network.</param>
/// <param name="Files">Its files, the main one first.</param>
public sealed record CatalogueModel(string Name, string About, string Task, ModelLicence Licence, long Download, IReadOnlyList<CatalogueFile> Files)
{
    /// <summary>What symbolic sizes of its inputs are in every use, such as a batch of 1.</summary>
    public IReadOnlyDictionary<string, long>? Sizes { get; init; }

    /// <summary>Shapes that inputs have in every use.</summary>
    public IReadOnlyDictionary<string, long[]>? Shapes { get; init; }

    /// <summary>Numbers that inputs have in every use.</summary>
    public IReadOnlyDictionary<string, double[]>? Values { get; init; }

    /// <summary>The sources of its networks: its name for the main one, <c>NAME#ROLE</c> for others.</summary>
    [JsonIgnore]
    public IEnumerable<string> Networks => Files.Where((f, i) => i == 0 || f.IsNetwork).Select((f, i) => i == 0 ? Name : $"{Name}#{f.Role}");

    /// <summary>The size of its files in bytes.</summary>
    [JsonIgnore]
    public long Bytes => Files.Sum(f => f.Bytes);

    /// <summary>Whether it is in the cache. Its files are checked when it is resolved.</summary>
    [JsonIgnore]
    public bool IsFetched => new Store(StoreSettings.FromEnvironment(), Catalogue.All).Has(this);
}

/// <summary>The models that are known by a short name. They are listed in <c>Sources/catalogue.json</c>.</summary>
public static class Catalogue
{
    static readonly Lazy<IReadOnlyList<CatalogueModel>> all = new(Read);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<CatalogueModel> All => all.Value;

    /// <summary>The model of a name, or null.</summary>
    public static CatalogueModel? Find(string name) => All.FirstOrDefault(m => m.Name == name);

    static IReadOnlyList<CatalogueModel> Read()
    {
        using var stream = typeof(Catalogue).Assembly.GetManifestResourceStream("Softmodel.Sources.catalogue.json")!;
        var file = JsonSerializer.Deserialize(stream, SourcesJson.Default.CatalogueJson)!;
        return [.. file.Models.Select(m => m.Value with { Name = m.Key })];
    }
}

sealed record CatalogueJson(IReadOnlyDictionary<string, CatalogueModel> Models);

sealed class SourceConverter : JsonConverter<Source>
{
    public override Source Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => Source.Parse(reader.GetString()!);

    public override void Write(Utf8JsonWriter writer, Source value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, Converters = [typeof(SourceConverter)], WriteIndented = true)]
[JsonSerializable(typeof(CatalogueJson))]
sealed partial class SourcesJson : JsonSerializerContext;
