using Softmodel.Cli.Baselines;
using Softmodel.Emit;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Tests.Generated;

/// <summary>Ways to compute a graph, and whether they agree.</summary>
static class Answers
{
    /// <summary>Compiled in process; once for each number of threads, which must give the same bits.</summary>
    public static Tensor[] Compiled(Graph graph, Tensor[] inputs, int width, params ReadOnlySpan<int> threads)
    {
        using var model = Compile(graph, width);
        return Run(model, inputs, threads);
    }

    /// <summary>The same of one that is compiled already.</summary>
    public static Tensor[] Run(CompiledModel model, Tensor[] inputs, params ReadOnlySpan<int> threads)
    {
        Tensor[]? first = null;
        foreach (var count in threads)
        {
            model.Threads = count;
            byte[][] given = [.. inputs.Select(t => t.Bytes.ToArray())];
            model.Time([.. inputs.Zip(given, (t, bytes) => new Tensor(t.Type, t.Dims, bytes))]);
            // A run lets its arguments go: no output may lie in them.
            foreach (var bytes in given)
                Array.Fill(bytes, (byte)0xcd);
            var outputs = model.Results();
            first ??= outputs;
            for (var i = 0; i < outputs.Length; i++)
                Assert.True(outputs[i].SameAs(first[i]), $"{count} threads give another {model.Outputs[i].Name}");
        }
        return first!;
    }

    /// <summary>A few different numbers, over and over, of which every sum and product is exact.</summary>
    public static Tensor Ramp(params long[] dims) =>
        Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(i => (i * 7 % 11 - 5) / 4f)], dims);

    /// <summary>A graph compiled in process.</summary>
    public static CompiledModel Compile(Graph graph, int width) => InProcess.Compile(Lower.Program(graph), width);

    /// <summary>By ONNX Runtime; null where ONNX or the runtime lack an operation for one of the types.</summary>
    public static Tensor[]? OnnxRuntime(Graph graph, Tensor[] inputs)
    {
        var file = new MemoryStream();
        try
        {
            OnnxExport.Write(graph, file);
        }
        catch (SoftmodelException e) when (e.Message.Contains("ONNX has no", StringComparison.Ordinal))
        {
            return null;
        }
        OnnxRuntimeBaseline baseline;
        try
        {
            baseline = OnnxRuntimeBaseline.Load(file.ToArray());
        }
        catch (SoftmodelException e) when (e.Message.Contains("NotImplemented", StringComparison.Ordinal) || e.Message.Contains("NOT_IMPLEMENTED", StringComparison.Ordinal))
        {
            return null;
        }
        using (baseline)
        {
            try
            {
                return baseline.Run(inputs);
            }
            catch (SoftmodelException e) when (e.Message.Contains("data type is not supported", StringComparison.Ordinal))
            {
                return null;
            }
        }
    }

    /// <summary>What is wrong with outputs; empty where nothing is.</summary>
    public static string Difference(Case tested, Tensor[] expected, Tensor[] actual)
    {
        for (var o = 0; o < expected.Length; o++)
        {
            var (a, b) = (expected[o], actual[o]);
            if (a.Type != b.Type || !a.Dims.SequenceEqual(b.Dims))
                return $"{tested.Graph.OutputNames[o]} is {b.TensorType} and not {a.TensorType}";
            var most = tested.Nearness[o] * 1e-4;
            for (var i = 0; i < a.Count; i++)
            {
                var (x, y) = (a.Float(i), b.Float(i));
                if (x != y && !(Math.Abs(x - y) <= most) && !(double.IsNaN(x) && double.IsNaN(y)))
                    return $"{tested.Graph.OutputNames[o]}[{i} of {a.TensorType}] is {y:R} and not {x:R}";
            }
        }
        return "";
    }
}
