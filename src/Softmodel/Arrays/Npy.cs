using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Arrays;

/// <summary>NumPy's format for one array, versions 1 to 3.</summary>
static partial class Npy
{
    static readonly byte[] magic = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    static readonly Dictionary<string, ElementType> types = new(StringComparer.Ordinal)
    {
        ["f4"] = ElementType.Float32,
        ["f8"] = ElementType.Float64,
        ["f2"] = ElementType.Float16,
        ["i1"] = ElementType.Int8,
        ["i2"] = ElementType.Int16,
        ["i4"] = ElementType.Int32,
        ["i8"] = ElementType.Int64,
        ["u1"] = ElementType.UInt8,
        ["u2"] = ElementType.UInt16,
        ["u4"] = ElementType.UInt32,
        ["u8"] = ElementType.UInt64,
        ["b1"] = ElementType.Bool,
    };

    /// <summary>Reads an array from a file.</summary>
    /// <exception cref="SoftmodelException">The file is not there, is damaged, or holds elements that no tensor holds.</exception>
    public static Tensor Read(string path)
    {
        try
        {
            return Read(File.ReadAllBytes(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>That a file can't be read.</summary>
    public static SoftmodelException Unreadable(string path, Exception e) =>
        new(e is FileNotFoundException or DirectoryNotFoundException ? $"there is no file '{path}'" : $"'{path}' can't be read: {e.Message}", e);

    /// <summary>Reads an array.</summary>
    /// <param name="bytes">The whole file; the tensor is a slice of it where the order of its elements allows.</param>
    /// <param name="where">How errors call the file.</param>
    /// <exception cref="SoftmodelException">It is damaged, or holds elements that no tensor holds.</exception>
    public static Tensor Read(ReadOnlyMemory<byte> bytes, string where)
    {
        var span = bytes.Span;
        if (span.Length < 10 || !span.StartsWith(magic) || span[6] is < 1 or > 3)
            throw new SoftmodelException($"{where} is no array of NumPy: write it with numpy.save");
        var (start, length) = span[6] == 1 ? (10, BinaryPrimitives.ReadUInt16LittleEndian(span[8..])) : span.Length < 12 ? (12, long.MaxValue) : (12, BinaryPrimitives.ReadUInt32LittleEndian(span[8..]));
        if (length > span.Length - start)
            throw new SoftmodelException($"{where} ends within its header");
        var header = Encoding.UTF8.GetString(span.Slice(start, (int)length));
        var match = Header().Match(header);
        if (!match.Success)
            throw new SoftmodelException($"{where} has a header that is not understood: {header.Trim()}");
        var descr = match.Groups["descr"].Value;
        if (!types.TryGetValue(descr[1..], out var type) || (descr[0] == '>' && type.Size() > 1))
            throw new SoftmodelException($"{where} holds elements of type '{descr}'; little-endian numbers and truth values can be read: convert it with astype");
        var dims = match.Groups["shape"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(d => long.TryParse(d, out var size) ? size : throw new SoftmodelException($"{where} has a size of {d}")).ToArray();
        var body = bytes[(start + (int)length)..];
        var count = Tensor.CountOf(dims);
        if ((Int128)count * type.Size() > body.Length)
            throw new SoftmodelException($"{where} ends too soon: {string.Join('×', dims)} elements need {(Int128)count * type.Size():N0} bytes, and {body.Length:N0} follow the header");
        body = body[..(int)(count * type.Size())];
        return new Tensor(type, dims, match.Groups["fortran"].Value == "True" && dims.Length > 1 ? Transposed(body.Span, dims, type.Size()) : body);
    }

    /// <summary>Elements with the first axis running fastest, put in an order with the last axis running fastest.</summary>
    static byte[] Transposed(ReadOnlySpan<byte> from, long[] dims, int size)
    {
        var to = new byte[from.Length];
        var index = new long[dims.Length];
        for (long target = 0; target < from.Length; target += size)
        {
            long source = 0;
            for (var axis = dims.Length - 1; axis >= 0; axis--)
                source = source * dims[axis] + index[axis];
            from.Slice((int)(source * size), size).CopyTo(to.AsSpan((int)target));
            for (var axis = dims.Length - 1; axis >= 0 && ++index[axis] == dims[axis]; axis--)
                index[axis] = 0;
        }
        return to;
    }

    /// <summary>Writes an array; NumPy has no bfloat16, so that becomes float32.</summary>
    public static void Write(Stream stream, Tensor tensor)
    {
        var written = tensor.Type == ElementType.BFloat16 ? Tensor.Of(ElementType.Float32, tensor.Dims, Reals(tensor)) : tensor;
        var descr = (written.Type.Size() == 1 ? "|" : "<") + types.First(t => t.Value == written.Type).Key;
        var shape = string.Concat(written.Dims.ToArray().Select(d => $"{d},"));
        var header = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({(written.Rank > 1 ? shape.TrimEnd(',') : shape)}), }}";
        // The elements begin at a multiple of 64 bytes.
        var padded = header.PadRight((header.Length + 11 + 63) / 64 * 64 - 11) + "\n";
        stream.Write(magic);
        stream.Write([1, 0, (byte)padded.Length, (byte)(padded.Length >> 8)]);
        stream.Write(Encoding.ASCII.GetBytes(padded));
        stream.Write(written.Bytes.Span);
    }

    static double[] Reals(Tensor tensor)
    {
        var reals = new double[tensor.Count];
        for (var i = 0; i < reals.Length; i++)
            reals[i] = tensor.Float(i);
        return reals;
    }

    [GeneratedRegex(@"^\s*\{\s*'descr'\s*:\s*'(?<descr>[<>|=][a-z]\d+)'\s*,\s*'fortran_order'\s*:\s*(?<fortran>True|False)\s*,\s*'shape'\s*:\s*\((?<shape>[\d\s,]*)\)\s*,?\s*\}\s*$", RegexOptions.ExplicitCapture)]
    private static partial Regex Header();
}
