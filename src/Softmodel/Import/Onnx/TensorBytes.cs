using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Import.Onnx;

/// <summary>The field of a <c>TensorProto</c> that holds its elements.</summary>
internal enum StoredIn { Nothing, Raw, Floats, Ints, Longs, Doubles, ULongs, Strings }

/// <summary>A <c>TensorProto</c> as it lies in the file: where its parts are.</summary>
internal sealed class StoredTensor
{
    public string Name = "";
    public DataType Type;
    public bool IsExternal;
    public readonly List<long> Dims = [];
    public readonly List<(int Start, int Length)> Ranges = [];
    public StoredIn Field;

    /// <summary>A second field that holds elements, which is one too many.</summary>
    public StoredIn Other;

    public void Add(StoredIn field, (int Start, int Length) range)
    {
        if (range.Length == 0 && field != StoredIn.Strings)
            return;
        if (Field == StoredIn.Nothing)
            Field = field;
        else if (Field != field)
            Other = field;
        Ranges.Add(range);
    }
}

/// <summary>How the elements of each type are stored, and whether as many are there as the sizes ask for.</summary>
internal static class TensorBytes
{
    /// <summary>The most axes of a tensor or shape; numpy allows 64.</summary>
    public const int MostAxes = 64;

    /// <summary>The bits of an element, 0 for text.</summary>
    public static int Bits(DataType type) => type switch
    {
        DataType.Complex128 => 128,
        DataType.Double or DataType.Int64 or DataType.Uint64 or DataType.Complex64 => 64,
        DataType.Float or DataType.Int32 or DataType.Uint32 => 32,
        DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 => 16,
        DataType.Uint4 or DataType.Int4 or DataType.Float4E2M1 => 4,
        DataType.Uint2 or DataType.Int2 => 2,
        DataType.String or DataType.Undefined => 0,
        _ => 8,
    };

    static StoredIn FieldOf(DataType type) => type switch
    {
        DataType.Float or DataType.Complex64 => StoredIn.Floats,
        DataType.Double or DataType.Complex128 => StoredIn.Doubles,
        DataType.Int64 => StoredIn.Longs,
        DataType.Uint32 or DataType.Uint64 => StoredIn.ULongs,
        DataType.String => StoredIn.Strings,
        _ => StoredIn.Ints,
    };

    /// <summary>Checks a stored tensor and gives it its bytes: a slice of the file wherever the elements lie as they are used.</summary>
    public static OnnxTensor Read(StoredTensor stored, ReadOnlyMemory<byte> file, List<(string Key, string Value)> pairs, ExternalData external, Func<string, Exception> fault)
    {
        var (type, dims) = (stored.Type, stored.Dims);
        if (type == DataType.Undefined)
            throw fault("it says no element type");
        if (dims.Count > MostAxes)
            throw fault($"it has {dims.Count} axes");
        var count = Count(dims) ?? throw fault($"its sizes [{string.Join(",", dims)}] are negative or too large");
        var bytes = (count * Bits(type) + 7) / 8;
        if (stored.Other != StoredIn.Nothing)
            throw fault($"its elements are given twice, as {stored.Field} and as {stored.Other}");
        if (stored.IsExternal)
        {
            if (stored.Field != StoredIn.Nothing || type == DataType.String)
                throw fault(type == DataType.String ? "text can't lie in another file" : "its elements are given here and in another file");
            return new(stored.Name, type, dims, Canonical(type, external.Read(pairs, bytes, fault)));
        }
        if (stored.Field == StoredIn.Nothing && count > 0)
            throw fault($"its sizes [{string.Join(",", dims)}] ask for {count} elements, but none is there");
        if (type == DataType.String)
            return Texts(stored, file, (long)count, fault);
        if (stored.Field == StoredIn.Raw)
        {
            if (stored.Ranges.Count > 1 || stored.Ranges[0].Length != bytes)
                throw fault($"its sizes [{string.Join(",", dims)}] of {type} ask for {bytes} bytes, but {stored.Ranges.Sum(r => (long)r.Length)} are there");
            return new(stored.Name, type, dims, Canonical(type, file.Slice(stored.Ranges[0].Start, stored.Ranges[0].Length)));
        }
        if (stored.Field != StoredIn.Nothing && stored.Field != FieldOf(type))
            throw fault($"its elements are of {type}, but stored as {stored.Field}");
        return new(stored.Name, type, dims, Canonical(type, stored.Field switch
        {
            StoredIn.Nothing => ReadOnlyMemory<byte>.Empty,
            StoredIn.Floats or StoredIn.Doubles => Fixed(stored, file, bytes, fault),
            _ => Varints(stored, file, bytes, fault),
        }));
    }

    /// <summary>What is wrong with a sparse tensor, or null.</summary>
    public static string? WrongSparse(OnnxSparseTensor sparse)
    {
        var (values, indices, dims) = (sparse.Values, sparse.Indices, sparse.Dims);
        if (dims.Count is 0 or > MostAxes || Count(dims) is not { } whole)
            return $"its sizes [{string.Join(",", dims)}] are none, negative or too large";
        if (values.Dims.Count != 1 || values.Type == DataType.String)
            return "its values are not numbers of rank 1";
        var count = values.Dims[0];
        var flat = indices.Dims.Count == 1;
        if (indices.Type != DataType.Int64 || !(flat ? indices.Dims[0] == count : indices.Dims.Count == 2 && indices.Dims[0] == count && indices.Dims[1] == dims.Count))
            return $"its indices are {indices.Type}[{string.Join(",", indices.Dims)}] instead of Int64[{count}] or Int64[{count},{dims.Count}]";
        var at = MemoryMarshal.Cast<byte, long>(indices.Bytes.Span);
        for (var i = 0; i < at.Length; i++)
        {
            var size = flat ? whole : dims[i % dims.Count];
            if (at[i] < 0 || at[i] >= size)
                return $"index {at[i]} lies outside its size of {size}";
        }
        return null;
    }

    /// <summary>The number of elements, or null where a size is negative or there are more than 2^56.</summary>
    static Int128? Count(IReadOnlyList<long> dims)
    {
        var (count, largest) = ((Int128)1, (Int128)1);
        foreach (var dim in dims)
        {
            if (dim < 0 || (largest *= Math.Max(dim, 1)) > 1L << 56)
                return null;
            count *= dim;
        }
        return count;
    }

    static OnnxTensor Texts(StoredTensor stored, ReadOnlyMemory<byte> file, long count, Func<string, Exception> fault)
    {
        if (stored.Field is not (StoredIn.Strings or StoredIn.Nothing) || stored.Ranges.Count != count)
            throw fault($"its sizes [{string.Join(",", stored.Dims)}] ask for {count} texts, but {stored.Ranges.Count} are there");
        return new(stored.Name, stored.Type, stored.Dims, default, [.. stored.Ranges.Select(r => Encoding.UTF8.GetString(file.Span.Slice(r.Start, r.Length)))]);
    }

    static ReadOnlyMemory<byte> Fixed(StoredTensor stored, ReadOnlyMemory<byte> file, Int128 bytes, Func<string, Exception> fault)
    {
        var there = stored.Ranges.Sum(r => (long)r.Length);
        if (there != bytes)
            throw fault($"its sizes [{string.Join(",", stored.Dims)}] of {stored.Type} ask for {bytes} bytes, but {there} are there");
        if (stored.Ranges.Count == 1)
            return file.Slice(stored.Ranges[0].Start, stored.Ranges[0].Length);
        var to = new byte[there];
        var at = 0;
        foreach (var (start, length) in stored.Ranges)
        {
            file.Span.Slice(start, length).CopyTo(to.AsSpan(at));
            at += length;
        }
        return to;
    }

    static ReadOnlyMemory<byte> Varints(StoredTensor stored, ReadOnlyMemory<byte> file, Int128 bytes, Func<string, Exception> fault)
    {
        // Narrow types are stored one to a number, but those of 4 and 2 bits a byte to a number.
        var size = Math.Max(Bits(stored.Type) / 8, 1);
        var count = bytes / size;
        if (count > stored.Ranges.Sum(r => (long)r.Length))
            throw fault($"its sizes [{string.Join(",", stored.Dims)}] ask for {count} numbers, but there are bytes for {stored.Ranges.Sum(r => (long)r.Length)}");
        var to = new byte[(int)bytes];
        var at = 0;
        Span<byte> number = stackalloc byte[8];
        foreach (var (start, length) in stored.Ranges)
        {
            var wire = new WireReader(file.Span, start, start + length);
            while (!wire.AtEnd)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(number, wire.ReadVarint());
                if (at == to.Length)
                    throw fault($"there are more than the {count} numbers that its sizes [{string.Join(",", stored.Dims)}] ask for");
                number[..size].CopyTo(to.AsSpan(at));
                at += size;
            }
        }
        return at == to.Length ? to : throw fault($"its sizes [{string.Join(",", stored.Dims)}] ask for {count} numbers, but {at / size} are there");
    }

    /// <summary>Truth values as 0 and 1, which compiled code relies on.</summary>
    static ReadOnlyMemory<byte> Canonical(DataType type, ReadOnlyMemory<byte> bytes)
    {
        if (type != DataType.Bool || !bytes.Span.ContainsAnyExceptInRange((byte)0, (byte)1))
            return bytes;
        var to = bytes.ToArray();
        foreach (ref var b in to.AsSpan())
            b = b == 0 ? (byte)0 : (byte)1;
        return to;
    }
}
