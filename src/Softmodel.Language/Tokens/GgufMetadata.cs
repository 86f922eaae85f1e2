using Softmodel.Runtime;

namespace Softmodel.Language.Tokens;

/// <summary>What a GGUF file says of its model: numbers, texts, and lists of them, by their names.</summary>
/// <param name="path">The file, for messages.</param>
/// <param name="entries">The entries: <c>long</c>, <c>double</c>, <c>bool</c>, <c>string</c>, or an array of one of these.</param>
internal sealed class GgufMetadata(string path, IReadOnlyDictionary<string, object> entries)
{
    /// <summary>Reads what a file says of its model, and nothing of its tensors.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">The file can't be read, is no GGUF file, of an unknown version, or damaged.</exception>
    public static GgufMetadata Read(string path)
    {
        using var file = MappedFile.Open(path);
        return new GgufReader(path, file.Slice(0, (int)Math.Min(file.Length, int.MaxValue)).Span).Metadata(out _);
    }

    /// <summary>A GGUF file that says the same of the model, and has no tensors.</summary>
    /// <inheritdoc cref="Read"/>
    public static byte[] Alone(string path)
    {
        using var file = MappedFile.Open(path);
        var reader = new GgufReader(path, file.Slice(0, (int)Math.Min(file.Length, int.MaxValue)).Span);
        reader.Metadata(out _);
        var bytes = file.Slice(0, (int)reader.At).ToArray();
        // The number of tensors follows the first word and the version.
        bytes.AsSpan(2 * sizeof(uint), sizeof(ulong)).Clear();
        return bytes;
    }

    /// <summary>The names.</summary>
    public IEnumerable<string> Keys => entries.Keys;

    /// <summary>Whether there is an entry.</summary>
    public bool Has(string key) => entries.ContainsKey(key);

    /// <summary>An integer.</summary>
    /// <param name="key">Its name.</param>
    /// <param name="otherwise">What it is where the file does not say.</param>
    /// <exception cref="SoftmodelException">It is something else, or missing.</exception>
    public long Integer(string key, long? otherwise = null) => entries.TryGetValue(key, out var value)
        ? value is long whole ? whole : throw Wrong(key, "an integer") : otherwise ?? throw Missing(key);

    /// <summary>A number.</summary>
    /// <inheritdoc cref="Integer"/>
    public double Float(string key, double? otherwise = null) => entries.TryGetValue(key, out var value)
        ? value switch { long whole => whole, double real when double.IsFinite(real) => real, _ => throw Wrong(key, "a finite number") } : otherwise ?? throw Missing(key);

    /// <summary>A truth value.</summary>
    /// <inheritdoc cref="Integer"/>
    public bool Truth(string key, bool otherwise) => entries.TryGetValue(key, out var value) ? value is bool truth ? truth : throw Wrong(key, "a truth value") : otherwise;

    /// <summary>A text; null where the file does not say.</summary>
    /// <inheritdoc cref="Integer" path="/exception"/>
    public string? Text(string key) => entries.TryGetValue(key, out var value) ? value as string ?? throw Wrong(key, "a text") : null;

    /// <summary>A list; null where the file does not say.</summary>
    /// <typeparam name="T"><c>long</c>, <c>double</c>, <c>bool</c> or <c>string</c>.</typeparam>
    /// <inheritdoc cref="Integer" path="/exception"/>
    public T[]? List<T>(string key) => entries.TryGetValue(key, out var value) ? value as T[] ?? throw Wrong(key, $"a list of {typeof(T).Name}") : null;

    SoftmodelException Missing(string key) => new($"{path}: it does not say '{key}', which is needed");

    SoftmodelException Wrong(string key, string what) => new($"{path}: '{key}' is not {what}");
}
