using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Sources;

namespace Softmodel.Compile;

/// <summary>To what products with weights are quantised.</summary>
public enum Quantization
{
    /// <summary>They stay in the format of the weights, and are added up in 32-bit floats.</summary>
    None,

    /// <summary>Dynamic int16: weights, and activations as they come, are rounded to about 11 bits and a sign, which is faster.</summary>
    Int16,
}

/// <summary>What is known of a model's use before it is compiled: what a file says, a user, or the catalogue.</summary>
/// <example>
/// A file is one JSON object:
/// <code>
/// { "sizes": { "batch": 1 }, "usual": { "T": 30 }, "shapes": { "image": [1, 3, 224, 224] }, "values": { "rate": [16000] }, "without": ["integers-as-floats"] }
/// </code>
/// </example>
public sealed record UseCase
{
    /// <summary>Numbers for symbolic sizes of the inputs, by the names in the file: what is known is compiled in.</summary>
    public IReadOnlyDictionary<string, long> Sizes { get; init; } = new Dictionary<string, long>();

    /// <summary>How large symbolic sizes usually are, by the names that <c>softmodel show</c> gives them: kernels are chosen for these, and run for others too. Others are taken to be 100.</summary>
    public IReadOnlyDictionary<string, long> Usual { get; init; } = new Dictionary<string, long>();

    /// <summary>Shapes of inputs, by their names: of those of which the file does not say how many axes they have, and of others that always have these.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes { get; init; } = new Dictionary<string, long[]>();

    /// <summary>Numbers that inputs always have, by their names: as many as the input has elements, or one for all of them. They are compiled in, and are no inputs any more.</summary>
    public IReadOnlyDictionary<string, double[]> Values { get; init; } = new Dictionary<string, double[]>();

    /// <summary>To what products with weights are quantised; null for what the model is usually, which is not at all but for sentence embeddings.</summary>
    public Quantization? Quantize { get; init; }

    /// <summary>The fidelity that quantised weights must have: the least SNR in decibels; weights that lose more stay as they are. Null for <see cref="UsualMinSnrDb"/>.</summary>
    public double? MinSnrDb { get; init; }

    /// <summary>The least SNR of quantised weights where none is said: 50 dB.</summary>
    public const double UsualMinSnrDb = 50;

    /// <summary>
    /// Folders with inputs of the use, on which passes that are not exact are measured: a .npz file or a folder of .npy files for
    /// each case, or ONNX's <c>test_data_set_N/input_M.pb</c>. Without any, a pass is held to what it states itself alone. In a file,
    /// paths are from its folder.
    /// </summary>
    public IReadOnlyList<string> MeasureOn { get; init; } = [];

    /// <summary>
    /// The budget of fidelity of the whole model: the least SNR of an output in decibels, for each of <see cref="MeasureOn"/>. A pass
    /// that breaks it is refused. Null for <see cref="UsualMinOutputSnrDb"/>.
    /// </summary>
    public double? MinOutputSnrDb { get; init; }

    /// <summary>The least SNR of outputs where none is said: 30 dB, a thousandth of their power.</summary>
    public const double UsualMinOutputSnrDb = 30;

    internal double LeastOutputSnrDb => MinOutputSnrDb ?? UsualMinOutputSnrDb;

    /// <summary>The machine that a library is built for, <c>linux-x64</c> or <c>linux-arm64</c>; null for what the build says.</summary>
    public string? Target { get; init; }

    /// <summary>The budget of bytes: a build whose library and weights have more is refused. Null for any.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>
    /// The budget of time: a build is refused where a run on one of <see cref="MeasureOn"/> takes more milliseconds on this machine, with
    /// all its cores, the median of several. Null for any.
    /// </summary>
    public double? MaxMs { get; init; }

    /// <summary>
    /// Whether the KV cache of an exported decoder is a state: its inputs <c>past_key_values.*</c>, which it gives back as
    /// <c>present.*</c> with more appended, are none any more, and it reads one text. <see cref="Language.LanguageModel"/> asks for it.
    /// </summary>
    public bool KvCache { get; init; }

    /// <summary>
    /// Values inside the model that are outputs, too, by where they come from: <c>residual.14</c> is the residual stream after layer
    /// 14, <c>heads.7.3</c> what head 3 of layer 7 gives, <c>encoder/layers.3</c> what a module gives, <c>into:decoder</c> what goes
    /// into one.
    /// </summary>
    public IReadOnlyList<string> Taps { get; init; } = [];

    /// <summary>Passes that are left out, by their names.</summary>
    public IReadOnlyList<string> Without { get; init; } = [];

    /// <summary>The last pass that is run; null for all.</summary>
    public string? StopAfter { get; init; }

    /// <summary>Passes of this use alone, before all others, and what tells them from others of the same name.</summary>
    internal IReadOnlyList<(Pass Pass, string Key)> Added { get; init; } = [];

    /// <summary>Whether the graph is validated after every pass, and the schedule that it becomes.</summary>
    [JsonIgnore]
    public bool IsChecked { get; init; }

    static readonly JsonSerializerOptions form = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowDuplicateProperties = false,
        NumberHandling = JsonNumberHandling.Strict,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    /// <summary>The use case in a file.</summary>
    /// <param name="path">A JSON object with the properties of this type in camel case.</param>
    /// <exception cref="SoftmodelException">There is no such file, or it says what a use case does not have.</exception>
    public static UseCase Read(string path)
    {
        try
        {
            var use = JsonSerializer.Deserialize<UseCase>(File.ReadAllBytes(path), form) ?? throw new JsonException("null is no use case");
            if (use is not { Sizes: not null, Usual: not null, Shapes: not null, Values: not null, Without: not null, Taps: not null, MeasureOn: not null } || use.Shapes.Values.Contains(null) || use.Values.Values.Contains(null) || use.Taps.Contains(null) || use.MeasureOn.Contains(null))
                throw new JsonException("null stands where names or numbers are wanted");
            if (use.Sizes.Values.Concat(use.Shapes.Values.SelectMany(s => s)).Any(n => n < 0))
                throw new JsonException("a size is negative");
            if (use.Usual.Values.Any(n => n < 1))
                throw new JsonException("a usual size is less than 1");
            if (use.MinSnrDb < 0)
                throw new JsonException("minSnrDb is negative");
            if (use.MinOutputSnrDb < 0)
                throw new JsonException("minOutputSnrDb is negative");
            if (use.MaxBytes < 0)
                throw new JsonException("maxBytes is negative");
            if (use.MaxMs is { } most && !(most > 0))
                throw new JsonException("maxMs is not above 0");
            if (use.MaxMs is not null && use.MeasureOn.Count == 0)
                throw new JsonException("maxMs has nothing to be measured on: name folders with inputs in measureOn");
            _ = Pipeline.Chosen(use);
            var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            return use with { MeasureOn = [.. use.MeasureOn.Select(p => Path.GetFullPath(p, folder))] };
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"the use case '{path}' can't be read: {e.Message}", e);
        }
        catch (SoftmodelException e)
        {
            throw new SoftmodelException($"the use case '{path}': {e.Message}", e);
        }
    }

    /// <summary>The use case and its passes as one text, the same for the same program; what the files of <see cref="MeasureOn"/> hold is not in it.</summary>
    internal string Key => string.Join(";", Sizes.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}={s.Value}")
        .Concat(Usual.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}~{s.Value}"))
        .Concat(Shapes.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}:{string.Join(",", s.Value)}"))
        .Concat(Values.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}<-{string.Join(",", s.Value.Select(v => v.ToString("R", CultureInfo.InvariantCulture)))}"))
        .Concat(Quantize is not null and not Quantization.None ? [$"quantize {Quantize} {(MinSnrDb ?? UsualMinSnrDb).ToString("R", CultureInfo.InvariantCulture)}"] : [])
        .Concat(MeasureOn.Count > 0 ? [$"outputs {LeastOutputSnrDb.ToString("R", CultureInfo.InvariantCulture)}"] : [])
        .Concat(KvCache ? ["kv-cache"] : [])
        .Concat(Taps.Select(t => $"tap {t}"))
        .Concat(Added.Select(a => a.Key))
        .Append($"passes {string.Join(",", Pipeline.Chosen(this).Select(p => p.Name))}"));

    /// <summary>This use case, with what lies below it where this one does not say otherwise.</summary>
    /// <param name="below">What is said elsewhere, such as in a file.</param>
    public UseCase Over(UseCase below) => this with
    {
        Sizes = Merged(below.Sizes, Sizes),
        Usual = Merged(below.Usual, Usual),
        Shapes = Merged(below.Shapes, Shapes),
        Values = Merged(below.Values, Values),
        Quantize = Quantize ?? below.Quantize,
        MinSnrDb = MinSnrDb ?? below.MinSnrDb,
        MeasureOn = [.. below.MeasureOn.Union(MeasureOn)],
        MinOutputSnrDb = MinOutputSnrDb ?? below.MinOutputSnrDb,
        Target = Target ?? below.Target,
        MaxBytes = MaxBytes ?? below.MaxBytes,
        MaxMs = MaxMs ?? below.MaxMs,
        KvCache = KvCache || below.KvCache,
        Taps = [.. below.Taps.Union(Taps)],
        Added = [.. below.Added, .. Added],
        Without = [.. below.Without.Union(Without)],
        StopAfter = StopAfter ?? below.StopAfter,
        IsChecked = IsChecked || below.IsChecked,
    };

    /// <summary>This use case, with what the catalogue says where this one does not say otherwise.</summary>
    /// <param name="known">What the catalogue says of the model.</param>
    /// <param name="file">What it says of one of its networks.</param>
    internal UseCase Over(CatalogueModel known, CatalogueFile? file) => Over(new UseCase
    {
        Sizes = Merged(known.Sizes, file?.Sizes),
        Shapes = known.Shapes ?? new Dictionary<string, long[]>(),
        Values = Merged(known.Values, file?.Values),
    });

    static Dictionary<string, T> Merged<T>(IReadOnlyDictionary<string, T>? below, IReadOnlyDictionary<string, T>? above)
    {
        var all = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var (name, value) in (below ?? new Dictionary<string, T>()).Concat(above ?? new Dictionary<string, T>()))
            all[name] = value;
        return all;
    }
}
