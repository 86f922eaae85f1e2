using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Softmodel.Runtime;

namespace Softmodel.Import;

/// <summary>The settings of a trained model, under the names that they have in a <c>config.json</c> of transformers.</summary>
/// <param name="path">The file, for messages.</param>
/// <param name="values">The settings.</param>
internal sealed class Settings(string path, JsonObject values)
{
    /// <summary>The largest size of anything: of this and those, products of two by a small number do not leave an <c>int</c>.</summary>
    public const int MostSize = 1 << 24;

    const int MostBytes = 1 << 26;

    /// <summary>Reads a file.</summary>
    /// <exception cref="SoftmodelException">It can't be read, has more than 64 MiB, or is no JSON object.</exception>
    public static Settings Read(string path)
    {
        using var file = MappedFile.Open(path);
        if (file.Length > MostBytes)
            throw new SoftmodelException($"{path}: it has {file.Length} bytes; settings of at most {MostBytes} are read");
        try
        {
            var text = file.Slice(0, (int)file.Length).Span;
            var root = JsonNode.Parse(text.StartsWith("\uFEFF"u8) ? text[3..] : text, documentOptions: new() { AllowDuplicateProperties = false });
            Touch(root);
            return new(path, root as JsonObject ?? throw new JsonException("it is no object"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new SoftmodelException($"{path}: the settings can't be read: {e.Message}", e);
        }
    }

    /// <summary>Reads all names and texts: those that are no text are found now, and not when they are asked for.</summary>
    static void Touch(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject inner:
                foreach (var (_, value) in inner)
                    Touch(value);
                break;
            case JsonArray array:
                foreach (var value in array)
                    Touch(value);
                break;
            case JsonValue value:
                value.TryGetValue<string>(out _);
                break;
        }
    }

    /// <summary>The names of all settings.</summary>
    public IEnumerable<string> Names => values.Select(v => v.Key);

    /// <summary>Settings that another format says in its own way.</summary>
    public static Settings Of(string path, JsonObject values) => new(path, JsonNode.Parse(values.ToJsonString())!.AsObject());

    /// <summary>Whether a setting is there and not null.</summary>
    public bool Has(string name) => values[name] is not null;

    /// <summary>An integer from 0 to 2^31 - 1.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="otherwise">What it is where the file does not say.</param>
    /// <exception cref="SoftmodelException">It is something else, or missing.</exception>
    public int Integer(string name, int? otherwise = null) => (int?)Of<long>(name, "an integer that is not negative", n => n is >= 0 and <= int.MaxValue) ?? otherwise ?? throw Missing(name);

    /// <summary>A size or number of things, from 1 on.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="otherwise">What it is where the file does not say.</param>
    /// <param name="most">The largest that it may be.</param>
    /// <exception cref="SoftmodelException">It is something else, or missing.</exception>
    public int Size(string name, int? otherwise = null, int most = MostSize) =>
        (Has(name) || otherwise is null ? Integer(name) : otherwise.Value) is var size && size >= 1 && size <= most ? size
        : throw new SoftmodelException($"{path}: the setting '{name}' is {size.ToString(CultureInfo.InvariantCulture)}; it can be from 1 to {most.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>That something the settings say can't be.</summary>
    public SoftmodelException Fault(string what) => new($"{path}: {what}");

    /// <summary>A number.</summary>
    /// <inheritdoc cref="Integer"/>
    public double Float(string name, double? otherwise = null) => Of<double>(name, "a number", double.IsFinite) ?? otherwise ?? throw Missing(name);

    /// <summary>A truth value.</summary>
    /// <inheritdoc cref="Integer"/>
    public bool Truth(string name, bool otherwise = false) => Of<bool>(name, "a truth value", _ => true) ?? otherwise;

    /// <summary>A text; null where the file does not say.</summary>
    /// <inheritdoc cref="Integer" path="/exception"/>
    public string? Text(string name) => values[name] is not { } node ? null
        : node is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Wrong(name, "a text");

    /// <summary>Settings within a setting; null where there are none.</summary>
    /// <inheritdoc cref="Integer" path="/exception"/>
    public Settings? Within(string name) => values[name] is not { } node ? null : node is JsonObject inner ? new(path, inner) : throw Wrong(name, "an object");

    /// <summary>A list; null where the file does not say.</summary>
    /// <inheritdoc cref="Integer" path="/exception"/>
    public T[]? List<T>(string name) => values[name] is not { } node ? null
        : node is JsonArray array && array.All(i => i is JsonValue v && v.TryGetValue<T>(out _)) ? [.. array.Select(i => i!.GetValue<T>())] : throw Wrong(name, "a list");

    T? Of<T>(string name, string what, Func<T, bool> fits) where T : struct => values[name] is not { } node ? null
        : node is JsonValue value && Is<T>(value, out var found) && fits(found) ? found : throw Wrong(name, what);

    // A number that was not read from JSON, but made by an importer, is of its own type alone.
    static bool Is<T>(JsonValue value, out T found) where T : struct
    {
        if (value.TryGetValue(out found))
            return true;
        if (typeof(T) != typeof(long) && typeof(T) != typeof(double))
            return false;
        var isWhole = value.TryGetValue<long>(out var whole);
        if (!isWhole && value.TryGetValue<int>(out var small))
            (isWhole, whole) = (true, small);
        found = isWhole ? (T)Convert.ChangeType(whole, typeof(T), CultureInfo.InvariantCulture) : default;
        return isWhole;
    }

    SoftmodelException Missing(string name) => new($"{path}: the setting '{name}' is missing");

    SoftmodelException Wrong(string name, string what) => new($"{path}: the setting '{name}' is not {what}");
}
