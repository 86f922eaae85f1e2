using System.Numerics.Tensors;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Tests;

/// <summary>The public way in: a model from a graph, bytes or a stream; inputs by name; what a run gives, and how long.</summary>
public class ModelLoadTests
{
    static Graph Scaled()
    {
        var builder = new GraphBuilder("scaled", Softmodel.Evaluate.Evaluator.Fold);
        var x = builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("n"))));
        var by = builder.Input("by", new(ElementType.Float32, Shape.Scalar));
        return builder.Build([(new Term(builder, x) * new Term(builder, by)).Value], ["y"]);
    }

    [Fact]
    public void A_graph_is_compiled_and_run_by_names()
    {
        using var model = Model.Load(Scaled());
        Assert.Equal(["x", "by"], model.Inputs.Select(i => i.Name));
        using var compiled = model.Compile();
        float[] x = [1, 2, 3];
        var by = TensorArgument.Of<float>([2f]);
        Assert.Equal([2, 4, 6], compiled.Run(("by", by), ("x", x))["y"].ToArray<float>());
        Assert.Equal([2, 4, 6], compiled.Run(new Dictionary<string, TensorArgument> { ["x"] = x, ["by"] = by })[0].ToArray<float>());
        Assert.Contains("'by' is missing", Assert.Throws<ArgumentException>(() => compiled.Run(("x", x))).Message, StringComparison.Ordinal);
        Assert.Contains("no input 'z'", Assert.Throws<ArgumentException>(() => compiled.Run(("x", x), ("z", by))).Message, StringComparison.Ordinal);
        Assert.Contains("given twice", Assert.Throws<ArgumentException>(() => compiled.Run(("x", x), ("x", x))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_result_is_valid_until_the_next_run_and_refused_afterwards()
    {
        using var model = Model.Load(Scaled());
        var compiled = model.Compile();
        float[] x = [1, 2, 3];
        var first = compiled.Run(("x", x), ("by", TensorArgument.Of<float>([2f])));
        var second = compiled.Run(("x", x), ("by", TensorArgument.Of<float>([3f])));
        Assert.Contains("run again", Assert.Throws<InvalidOperationException>(() => first[0].Count).Message, StringComparison.Ordinal);
        Assert.Equal([3, 6, 9], second["y"].ToArray<float>());
        Assert.Contains("no output 'z'", Assert.Throws<ArgumentException>(() => second["z"].Count).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => second[1].Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => compiled.Threads = 0);
        compiled.Dispose();
        Assert.Throws<ObjectDisposedException>(() => second[0].Count);
        Assert.Throws<ObjectDisposedException>(() => compiled.Run(("x", x), ("by", x)));
    }

    [Fact]
    public void Tensors_of_the_framework_go_in_and_out()
    {
        using var model = Model.Load(Scaled());
        using var compiled = model.Compile();
        var x = System.Numerics.Tensors.Tensor.Create([1f, 2, 3, 4], [4]);
        var y = compiled.Run(("x", TensorArgument.Of(x)), ("by", TensorArgument.Of<float>([0.5f])))["y"].AsTensorSpan<float>();
        Assert.Equal(1, y.Rank);
        Assert.Equal(5, System.Numerics.Tensors.Tensor.Sum(y));
    }

    [Fact]
    public void A_model_in_memory_is_as_the_graph_in_it()
    {
        using var written = new MemoryStream();
        OnnxExport.Write(Scaled(), written);
        written.Position = 0;
        using var bytes = Model.Load(written.ToArray(), "scaled");
        using var stream = Model.Load(written);
        foreach (var model in new[] { bytes, stream })
        {
            using var compiled = model.Compile(new() { UseCache = false });
            Assert.Equal([3, 6], compiled.Run(("x", new float[] { 1, 2 }), ("by", TensorArgument.Of<float>([3f])))["y"].ToArray<float>());
        }
        var path = bytes.Path;
        bytes.Dispose();
        Assert.False(File.Exists(path));
        using var cut = Model.Load(written.ToArray().AsSpan(0, 20));
        Assert.ThrowsAny<SoftmodelException>(() => cut.Graph);
    }
}
