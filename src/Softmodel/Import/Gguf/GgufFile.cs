using Softmodel.Graphs;
using Softmodel.Language.Tokens;
using Softmodel.Runtime;

namespace Softmodel.Import.Gguf;

/// <summary>
/// A GGUF file, mapped: tensors are slices of the mapping, valid until <see cref="Dispose"/>. What the file says is believed only as far as its length
/// bears it out, so that opening it allocates no more than in proportion to the file.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    const int MostAxes = 8;
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
            var reader = new GgufReader(path, file.Slice(0, (int)Math.Min(file.Length, int.MaxValue)).Span);
            var known = reader.Metadata(out var tensorCount);
            var stored = new List<(string Name, BlockFormat Type, long[] Dims, ulong Offset)>();
            for (var i = 0L; i < tensorCount; i++)
                stored.Add(Tensor(ref reader));
            var alignment = known.Integer("general.alignment", DefaultAlignment);
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

    static (string Name, BlockFormat Type, long[] Dims, ulong Offset) Tensor(ref GgufReader reader)
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
}
