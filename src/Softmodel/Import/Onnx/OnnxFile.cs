using Softmodel.Runtime;
namespace Softmodel.Import.Onnx;

/// <summary>
/// An ONNX file, mapped: tensors are slices of the mapping wherever the file holds their elements as they are used, so that
/// opening a model costs its structure and not its weights. Tensors are valid until <see cref="Dispose"/>.
/// </summary>
internal sealed class OnnxFile : IDisposable
{
    readonly MappedFile file;
    readonly ExternalData external;

    OnnxFile(MappedFile file, ExternalData external, OnnxModel model) => (this.file, this.external, Model) = (file, external, model);

    /// <summary>The files beside it that hold tensors of it, by their paths from its folder.</summary>
    public IEnumerable<string> ExternalFiles => external.Names;

    /// <summary>What the file holds.</summary>
    public OnnxModel Model { get; }

    /// <summary>Opens and checks a model of up to 2 GiB; its external data may be larger.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">
    /// The file can't be read, is damaged, is no ONNX model, or names files outside its folder. It allocates no more than in
    /// proportion to the file, whatever the file says.
    /// </exception>
    public static OnnxFile Open(string path)
    {
        var file = Map(path);
        var external = new ExternalData(Path.GetDirectoryName(Path.GetFullPath(path))!);
        try
        {
            return new(file, external, new OnnxReader(path, file.Slice(0, (int)file.Length), external).ReadModel());
        }
        catch
        {
            external.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads a file that holds one <c>TensorProto</c>, as test data does; the bytes are copied.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static OnnxTensor ReadTensor(string path)
    {
        using var file = Map(path);
        using var external = new ExternalData(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var tensor = new OnnxReader(path, file.Slice(0, (int)file.Length), external).ReadTensor();
        return tensor with { Bytes = tensor.Bytes.ToArray() };
    }

    static MappedFile Map(string path)
    {
        var file = MappedFile.Open(path);
        if (file.Length <= int.MaxValue)
            return file;
        file.Dispose();
        throw new SoftmodelException($"{path}: it has {file.Length} bytes, and an ONNX file has at most {int.MaxValue}; store the weights as external data");
    }

    /// <summary>Unmaps the file and its external data.</summary>
    public void Dispose()
    {
        external.Dispose();
        file.Dispose();
    }
}
