using Google.Protobuf;
using Softmodel.Graphs;

namespace Softmodel.Export.Onnx;

/// <summary>Writes a core graph as a standard ONNX model (opset 21), which any runtime that knows ONNX can run.</summary>
public static class OnnxExport
{
    /// <summary>Writes a model to a file, whole or not at all.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="path">The file, which is replaced.</param>
    /// <exception cref="SoftmodelException">
    /// The graph holds what ONNX has no operators for (all such nodes are named), or is larger than the 2 GB of an ONNX file.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(Graph graph, string path)
    {
        var model = OnnxWriter.Model(graph);
        var temporary = $"{path}.{Guid.NewGuid():N}.part";
        try
        {
            using (var stream = File.Create(temporary))
                Write(model, stream);
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Writes a model to a stream.</summary>
    /// <inheritdoc cref="Write(Graph, string)"/>
    public static void Write(Graph graph, Stream stream) => Write(OnnxWriter.Model(graph), stream);

    static void Write(Import.Onnx.Wire.ModelProto model, Stream stream)
    {
        if (model.Graph.Initializer.Sum(t => (long)t.RawData.Length) > int.MaxValue - (64 << 20))
            throw new SoftmodelException("the model's weights are more than the 2 GB that an ONNX file can hold");
        model.WriteTo(stream);
    }
}
