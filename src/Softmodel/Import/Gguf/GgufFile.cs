using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Softmodel.Graphs;

namespace Softmodel.Import.Gguf;

/// <summary>
/// A GGUF file, version 2 or 3, mapped: tensors are slices of the mapping, valid until <see cref="Dispose"/>. It is read as the
/// specification of the format in the ggml repository describes it; what the file says is believed only as far as its length
/// bears it out, so that opening it allocates no more than in proportion to the file.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    const uint Magic = 0x46554747;
    const int MostAxes = 8, MostName = 1 << 16;
    const long DefaultAlignment = 32;

    readonly MappedFile file;

    GgufFile(MappedFile file, string path, GgufMetadata metadata, IReadOnlyDictionary<string, Weight> tensors) =>
        (this.file, Path, Metadata, Tensors) = (file, path, metadata, tensors);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What the file says of the model.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors by their names.</summary>
    public IReadOnlyDictionary<string, Weight> Tensors { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">The file can't be read, is no GGUF file, of an unknown version, or damaged.</exception>
    public static GgufFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            // All but the tensors lies within what one span can hold.
            var reader = new Reader(path, file.Slice(0, (int)Math.Min(file.Length, int.MaxValue)).Span);
            if (reader.UInt32("its first word") != Magic)
                throw new SoftmodelException($"{path}: it is no GGUF file; those begin with 'GGUF'");
            var version = reader.UInt32("the version");
            if (version is not (2 or 3))
                throw new SoftmodelException($"{path}: it is of GGUF version {(version is > 0xFFFF ? "for machines of the other byte order" : version)}, and versions 2 and 3 are read; convert it with a newer program");
            var tensorCount = reader.Count("tensors", atLeast: 24);
            var metadataCount = reader.Count("metadata", atLeast: 13);
            var metadata = new Dictionary<string, object>(StringComparer.Ordinal);
            for (var i = 0L; i < metadataCount; i++)
            {
                var key = reader.Name("the name of a metadata entry");
                if (!metadata.TryAdd(key, reader.Value(key)))
                    throw reader.Fault($"the metadata entry '{key}' is there twice");
            }
            var known = new GgufMetadata(path, metadata);
            var stored = new List<(string Name, BlockFormat Type, long[] Dims, ulong Offset)>();
            for (var i = 0L; i < tensorCount; i++)
                stored.Add(Tensor(ref reader));
            var alignment = known.Whole("general.alignment", DefaultAlignment);
            if (alignment is <= 0 or > 1 << 20 || !long.IsPow2(alignment))
                throw reader.Fault($"its alignment {alignment} is no power of two up to 1048576");
            var start = (reader.At + alignment - 1) & -alignment;
            var tensors = new Dictionary<string, Weight>(StringComparer.Ordinal);
            foreach (var (name, type, dims, offset) in stored)
            {
                var bytes = type.Bytes(dims);
                if (offset % (ulong)alignment != 0 || bytes > int.MaxValue || offset > (ulong)file.Length || start + (long)offset > file.Length - (long)bytes)
                    throw reader.Fault(bytes > int.MaxValue ? $"tensor '{name}' has {bytes} bytes, more than a tensor can have here ({int.MaxValue})"
                        : $"tensor '{name}' has {bytes} bytes from {offset} on, which do not lie within the {Math.Max(0, file.Length - start)} bytes of data at places that are multiples of {alignment}; fetch the file again");
                if (!tensors.TryAdd(name, new(name, type, dims, file.Slice(start + (long)offset, (int)bytes))))
                    throw reader.Fault($"the tensor '{name}' is there twice");
            }
            return new(file, path, known, tensors);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    static (string Name, BlockFormat Type, long[] Dims, ulong Offset) Tensor(ref Reader reader)
    {
        var name = reader.Name("the name of a tensor");
        var rank = reader.UInt32($"the number of axes of '{name}'");
        if (rank > MostAxes)
            throw reader.Fault($"tensor '{name}' has {rank} axes; at most {MostAxes} are read");
        // The file begins with the innermost axis.
        var dims = new long[rank];
        var count = (Int128)1;
        for (var axis = (int)rank - 1; axis >= 0; axis--)
        {
            var size = reader.UInt64($"a size of '{name}'");
            count *= size;
            if (size > long.MaxValue || count > long.MaxValue)
                throw reader.Fault($"tensor '{name}' is too large for any machine");
            dims[axis] = (long)size;
        }
        var number = reader.UInt32($"the type of '{name}'");
        if (BlockFormat.Of(number) is not { } type)
            throw reader.Fault($"tensor '{name}' is of type {number}, which is not known here; the types read are {string.Join(", ", BlockFormat.All.Select(t => t.Name))}");
        if (dims.Length > 0 ? dims[^1] % type.Elements != 0 : type.Elements != 1)
            throw reader.Fault($"tensor '{name}' has rows of {(dims.Length > 0 ? dims[^1] : 1)} elements, which blocks of {type.Elements} ({type.Name}) do not divide");
        return (name, type, dims, reader.UInt64($"the place of '{name}'"));
    }

    /// <summary>Unmaps the file; the tensors can't be used any more.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>Reads from the front of the file; nothing is taken that is not there.</summary>
    ref struct Reader(string path, ReadOnlySpan<byte> bytes)
    {
        const int DeepestArray = 4;

        readonly ReadOnlySpan<byte> bytes = bytes;

        public long At { get; private set; }

        public readonly SoftmodelException Fault(string what) => new($"{path}: {what} (before byte {At})");

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
}

/// <summary>What a GGUF file says of its model: numbers, texts, and lists of them, by their names.</summary>
/// <param name="path">The file, for messages.</param>
/// <param name="entries">The entries: <c>long</c>, <c>double</c>, <c>bool</c>, <c>string</c>, or an array of one of these.</param>
internal sealed class GgufMetadata(string path, IReadOnlyDictionary<string, object> entries)
{
    /// <summary>The names.</summary>
    public IEnumerable<string> Keys => entries.Keys;

    /// <summary>Whether there is an entry.</summary>
    public bool Has(string key) => entries.ContainsKey(key);

    /// <summary>A whole number.</summary>
    /// <param name="key">Its name.</param>
    /// <param name="otherwise">What it is where the file does not say.</param>
    /// <exception cref="SoftmodelException">It is something else, or missing.</exception>
    public long Whole(string key, long? otherwise = null) => entries.TryGetValue(key, out var value)
        ? value is long whole ? whole : throw Wrong(key, "a whole number") : otherwise ?? throw Missing(key);

    /// <summary>A number.</summary>
    /// <inheritdoc cref="Whole"/>
    public double Real(string key, double? otherwise = null) => entries.TryGetValue(key, out var value)
        ? value switch { long whole => whole, double real when double.IsFinite(real) => real, _ => throw Wrong(key, "a finite number") } : otherwise ?? throw Missing(key);

    /// <summary>A truth value.</summary>
    /// <inheritdoc cref="Whole"/>
    public bool Truth(string key, bool otherwise) => entries.TryGetValue(key, out var value) ? value is bool truth ? truth : throw Wrong(key, "a truth value") : otherwise;

    /// <summary>A text; null where the file does not say.</summary>
    /// <inheritdoc cref="Whole" path="/exception"/>
    public string? Text(string key) => entries.TryGetValue(key, out var value) ? value as string ?? throw Wrong(key, "a text") : null;

    /// <summary>A list; null where the file does not say.</summary>
    /// <typeparam name="T"><c>long</c>, <c>double</c>, <c>bool</c> or <c>string</c>.</typeparam>
    /// <inheritdoc cref="Whole" path="/exception"/>
    public T[]? List<T>(string key) => entries.TryGetValue(key, out var value) ? value as T[] ?? throw Wrong(key, $"a list of {typeof(T).Name}") : null;

    SoftmodelException Missing(string key) => new($"{path}: it does not say '{key}', which is needed");

    SoftmodelException Wrong(string key, string what) => new($"{path}: '{key}' is not {what}");
}
