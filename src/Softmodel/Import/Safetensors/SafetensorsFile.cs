using System.Buffers.Binary;
using System.Text.Json;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Safetensors;

/// <summary>A safetensors file, mapped: tensors are slices of the mapping, valid until <see cref="Dispose"/>.</summary>
internal sealed class SafetensorsFile : IDisposable
{
    const int MostAxes = 8;

    readonly MappedFile file;

    SafetensorsFile(MappedFile file, IReadOnlyDictionary<string, Weight> tensors, IReadOnlyDictionary<string, string> metadata) => (this.file, Tensors, Metadata) = (file, tensors, metadata);

    /// <summary>The tensors, by their names. Those of types that no model computes with are refused when they are decoded.</summary>
    public IReadOnlyDictionary<string, Weight> Tensors { get; }

    /// <summary>What the file says of itself.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">It can't be read, is no safetensors file, or damaged.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            if (file.Length < 8 || BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(0, 8).Span) is var length && length > (ulong)Math.Min(file.Length - 8, int.MaxValue))
                throw new SoftmodelException($"{path}: it is no safetensors file, or cut off: its header does not lie within its {file.Length} bytes");
            var start = 8 + (long)length;
            var tensors = new Dictionary<string, Weight>(StringComparer.Ordinal);
            using var header = JsonDocument.Parse(file.Slice(8, (int)length));
            var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var entry in header.RootElement.EnumerateObject())
            {
                if (entry.Name == "__metadata__")
                {
                    foreach (var said in entry.Value.EnumerateObject())
                        metadata[said.Name] = said.Value.ToString();
                    continue;
                }
                if (!tensors.TryAdd(entry.Name, Tensor(path, entry, file, start)))
                    throw new SoftmodelException($"{path}: the tensor '{entry.Name}' is there twice");
            }
            return new(file, tensors, metadata);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException or OverflowException)
        {
            file.Dispose();
            throw new SoftmodelException($"{path}: its header is damaged: {e.Message}", e);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    // Positions and the like are integers, which no builder needs; those of weights mean nothing without their scales.
    static readonly Dictionary<string, int> unread = new(StringComparer.Ordinal)
    {
        ["I64"] = 8,
        ["U64"] = 8,
        ["C64"] = 8,
        ["I32"] = 4,
        ["U32"] = 4,
        ["I16"] = 2,
        ["U16"] = 2,
        ["I8"] = 1,
        ["U8"] = 1,
        ["BOOL"] = 1,
        ["F8_E4M3"] = 1,
        ["F8_E5M2"] = 1,
        ["F8_E8M0"] = 1,
        ["F8_E4M3FNUZ"] = 1,
        ["F8_E5M2FNUZ"] = 1,
    };

    static Weight Tensor(string path, JsonProperty entry, MappedFile file, long start)
    {
        var (name, type) = (entry.Name, entry.Value.GetProperty("dtype").GetString() ?? "");
        SoftmodelException Fault(string what) => new($"{path}: tensor '{name}' {what}");
        SoftmodelException Unread() => Fault($"is of type {type}, which is not read here; F64, F32, F16 and BF16 are: convert it");
        var format = type switch
        {
            "F64" => BlockFormat.F64,
            "F32" => BlockFormat.F32,
            "F16" => BlockFormat.F16,
            "BF16" => BlockFormat.BF16,
            _ when unread.TryGetValue(type, out var size) => new(type, uint.MaxValue, 1, size, [], (_, _) => throw Unread()),
            _ => throw Unread(),
        };
        long[] dims = [.. entry.Value.GetProperty("shape").EnumerateArray().Take(MostAxes + 1).Select(d => d.GetInt64())];
        long[] ends = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Take(3).Select(d => d.GetInt64())];
        if (dims.Length > MostAxes || dims.Any(d => d < 0) || dims.Aggregate((Int128)1, (a, b) => Int128.Min(a * b, Int128.MaxValue >> 64)) > int.MaxValue)
            throw Fault($"has the sizes [{string.Join(",", dims)}], which are too large or negative");
        if (ends is not [var from, var to] || from < 0 || to < from || to > file.Length - start || to - from != format.Bytes(dims))
            throw Fault($"has {format.Bytes(dims)} bytes by its sizes, and is said to lie from {string.Join(" to ", ends)} of {file.Length - start}; fetch the file again");
        return new(name, format, dims, file.Slice(start + from, (int)(to - from)));
    }

    /// <summary>Unmaps the file; the tensors can't be used any more.</summary>
    public void Dispose() => file.Dispose();
}
