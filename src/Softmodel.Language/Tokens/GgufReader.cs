using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Softmodel.Language.Tokens;

/// <summary>
/// Reads a GGUF file, version 2 or 3, from its front, as the specification of the format in the ggml repository describes it;
/// nothing is taken that is not there.
/// </summary>
/// <param name="path">The file, for messages.</param>
/// <param name="bytes">Its bytes, at least as far as they are read.</param>
internal ref struct GgufReader(string path, ReadOnlySpan<byte> bytes)
{
    const uint Magic = 0x46554747;
    const int DeepestArray = 4, MostName = 1 << 16;

    readonly ReadOnlySpan<byte> bytes = bytes;

    public long At { get; private set; }

    public readonly SoftmodelException Fault(string what) => new($"{path}: {what} (before byte {At})");

    /// <summary>What the file says of its model: the beginning of it.</summary>
    /// <param name="tensors">How many tensors are described after it.</param>
    /// <exception cref="SoftmodelException">It is no GGUF file, of an unknown version, or damaged.</exception>
    public GgufMetadata Metadata(out long tensors)
    {
        if (UInt32("its first word") != Magic)
            throw new SoftmodelException($"{path}: it is no GGUF file; those begin with 'GGUF'");
        var version = UInt32("the version");
        if (version is not (2 or 3))
            throw new SoftmodelException($"{path}: it is of GGUF version {(version is > 0xFFFF ? "for machines of the other byte order" : version)}, and versions 2 and 3 are read; convert it with a newer program");
        tensors = Count("tensors", atLeast: 24);
        var count = Count("metadata", atLeast: 13);
        var entries = new Dictionary<string, object>(StringComparer.Ordinal);
        for (var i = 0L; i < count; i++)
        {
            var key = Name("the name of a metadata entry");
            if (!entries.TryAdd(key, Value(key)))
                throw Fault($"the metadata entry '{key}' is there twice");
        }
        return new(path, entries);
    }

    ReadOnlySpan<byte> Take(ulong length, string what)
    {
        if (length > (ulong)(bytes.Length - At))
            throw Fault($"the file ends within {what}: {length} bytes are said to follow and {bytes.Length - At} do; fetch it again");
        var part = bytes.Slice((int)At, (int)length);
        At += (long)length;
        return part;
    }

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    /// <summary>A number of things, each of which takes some bytes: there can't be more than the file has room for.</summary>
    public long Count(string what, ulong atLeast)
    {
        var count = UInt64($"the number of {what}");
        return count <= (ulong)(bytes.Length - At) / atLeast ? (long)count
            : throw Fault($"the file says that it holds {count} {what}, for which its {bytes.Length} bytes have no room; fetch it again");
    }

    /// <summary>A text; what is no UTF-8 in it, as in tokens that are parts of letters, is replaced by U+FFFD.</summary>
    string Text(string what) => Encoding.UTF8.GetString(Take(UInt64(what), what));

    public string Name(string what)
    {
        var length = UInt64(what);
        if (length > MostName)
            throw Fault($"{what} has {length} bytes; at most {MostName} are read");
        var bytes = Take(length, what);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Fault($"{what} is no UTF-8; fetch the file again");
    }

    public object Value(string key) => Value(UInt32($"the type of '{key}'"), key, 0);

    object Value(uint type, string key, int depth) => type switch
    {
        0 => (long)Take(1, key)[0],
        1 => (long)(sbyte)Take(1, key)[0],
        2 => (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2, key)),
        3 => (long)BinaryPrimitives.ReadInt16LittleEndian(Take(2, key)),
        4 => (long)UInt32(key),
        5 => (long)(int)UInt32(key),
        6 => (double)BinaryPrimitives.ReadSingleLittleEndian(Take(4, key)),
        7 => Take(1, key)[0] != 0,
        8 => Text(key),
        9 => Array(key, depth),
        10 => UInt64(key) is var whole && whole <= long.MaxValue ? (long)whole : (double)whole,
        11 => (long)UInt64(key),
        12 => BinaryPrimitives.ReadDoubleLittleEndian(Take(8, key)),
        _ => throw Fault($"the metadata entry '{key}' is of type {type}, which is not known here"),
    };

    Array Array(string key, int depth)
    {
        var type = UInt32($"the type of '{key}'");
        var size = type switch { 0 or 1 or 7 => 1UL, 2 or 3 => 2UL, 4 or 5 or 6 => 4UL, 9 => 12UL, _ => 8UL };
        var count = Count($"elements of '{key}'", size);
        if (depth >= DeepestArray)
            throw Fault($"the metadata entry '{key}' has arrays more than {DeepestArray} deep");
        Array array = type switch
        {
            6 or 12 => new double[count],
            7 => new bool[count],
            8 => new string[count],
            9 => new object[count],
            _ => new long[count],
        };
        for (var i = 0L; i < count; i++)
        {
            switch (array)
            {
                case string[] texts: texts[i] = Text(key); break;
                case long[] wholes: wholes[i] = Value(type, key, depth) is long whole ? whole : throw Fault($"the metadata entry '{key}' holds a number above 2^63"); break;
                case double[] reals: reals[i] = (double)Value(type, key, depth); break;
                case bool[] truths: truths[i] = (bool)Value(type, key, depth); break;
                case object[] others: others[i] = Value(type, key, depth + 1); break;
            }
        }
        return array;
    }
}
