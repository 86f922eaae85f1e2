using System.Buffers.Binary;
using System.Text.Json;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Export.Safetensors;

/// <summary>Writes tensors as safetensors.</summary>
static class SafetensorsWriter
{
    // What tensors begin at a multiple of.
    const int Alignment = 64;

    static readonly Dictionary<ElementType, string> types = new()
    {
        [ElementType.Float64] = "F64",
        [ElementType.Float32] = "F32",
        [ElementType.Float16] = "F16",
        [ElementType.BFloat16] = "BF16",
    };

    /// <summary>Writes a file.</summary>
    /// <param name="to">Where to.</param>
    /// <param name="tensors">Tensors of floats, by their names.</param>
    /// <param name="metadata">What the file says of itself.</param>
    public static void Write(Stream to, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var header = new Dictionary<string, object> { ["__metadata__"] = metadata };
        var at = 0L;
        foreach (var (name, tensor) in tensors)
        {
            header[name] = new { dtype = types[tensor.Type], shape = tensor.Dims.ToArray(), data_offsets = (long[])[at, at + tensor.Bytes.Length] };
            at += tensor.Bytes.Length;
        }
        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        var padding = -(json.Length + sizeof(ulong)) & (Alignment - 1);
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)(json.Length + padding));
        to.Write(length);
        to.Write(json);
        for (var i = 0; i < padding; i++)
            to.WriteByte((byte)' ');
        foreach (var tensor in tensors.Values)
            to.Write(tensor.Bytes.Span);
    }
}
