using System.Buffers.Binary;
using System.Text.Json;

namespace Softmodel.Import.Safetensors;

/// <summary>A safetensors file, mapped: tensors are slices of the mapping, valid until <see cref="Dispose"/>.</summary>
internal sealed class SafetensorsFile : IDisposable
{
    const int MostAxes = 8;

    readonly MappedFile file;

    SafetensorsFile(MappedFile file, IReadOnlyDictionary<string, Weight> tensors) => (this.file, Tensors) = (file, tensors);

    /// <summary>The tensors of real numbers, by their names.</summary>
    public IReadOnlyDictionary<string, Weight> Tensors { get; }

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
            foreach (var entry in header.RootElement.EnumerateObject().Where(e => e.Name != "__metadata__"))
            {
                if (Tensor(path, entry, file, start) is { } tensor && !tensors.TryAdd(entry.Name, tensor))
                    throw new SoftmodelException($"{path}: the tensor '{entry.Name}' is there twice");
            }
            return new(file, tensors);
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

    static Weight? Tensor(string path, JsonProperty entry, MappedFile file, long start)
    {
        SoftmodelException Fault(string what) => new($"{path}: tensor '{entry.Name}' {what}");
        var format = entry.Value.GetProperty("dtype").GetString() switch
        {
            "F32" => BlockFormat.F32,
            "F16" => BlockFormat.F16,
            "BF16" => BlockFormat.BF16,
            // Positions and the like are whole numbers, which no builder needs.
            "I64" or "I32" or "I16" or "I8" or "U8" or "BOOL" or "F64" => null,
            var other => throw Fault($"is of type {other}, which is not known here; F32, F16 and BF16 are read"),
        };
        if (format is null)
            return null;
        long[] dims = [.. entry.Value.GetProperty("shape").EnumerateArray().Take(MostAxes + 1).Select(d => d.GetInt64())];
        long[] ends = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Take(3).Select(d => d.GetInt64())];
        if (dims.Length > MostAxes || dims.Any(d => d < 0) || dims.Aggregate((Int128)1, (a, b) => Int128.Min(a * b, Int128.MaxValue >> 64)) > int.MaxValue)
            throw Fault($"has the sizes [{string.Join(",", dims)}], which are too large or negative");
        if (ends is not [var from, var to] || from < 0 || to < from || to > file.Length - start || to - from != format.Bytes(dims))
            throw Fault($"has {format.Bytes(dims)} bytes by its sizes, and is said to lie from {string.Join(" to ", ends)} of {file.Length - start}; fetch the file again");
        return new(entry.Name, format, dims, file.Slice(start + from, (int)(to - from)));
    }

    /// <summary>Unmaps the file; the tensors can't be used any more.</summary>
    public void Dispose() => file.Dispose();
}
