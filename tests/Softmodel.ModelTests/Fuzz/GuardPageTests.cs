using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Common;

namespace Softmodel.ModelTests.Fuzz;

/// <summary>Whole networks in guarded memory, with what their sizes leave open from 0 to 40.</summary>
public class GuardPageTests
{
    static string[] Models => [.. Directory.EnumerateFiles(Shared.Folder("zoo"), "model.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    [Theory]
    [InlineData("after")]
    [InlineData("before")]
    public void Nothing_beyond_a_buffer_is_touched(string side)
    {
        var (found, agreed) = GuardedProcess.Run(side, Networks, 0, Shared.AreAllCases ? Models.Length : 1);
        Assert.True(found.Count == 0, $"{agreed} runs agreed; {found.Count} did not:\n{string.Join("\n", found)}");
        Assert.True(agreed > 0);
    }

    /// <summary>What the processes do; not run by itself.</summary>
    [Fact(Explicit = true)]
    public void Networks()
    {
        Assert.True(GuardPages.AreOn);
        GuardedProcess.Cases(1, Run);
    }

    static void Run(int[] cases, StreamWriter log)
    {
        var (index, path) = (cases[0], Models[cases[0]]);
        log.WriteLine($"case {index} {path}");
        using var file = OnnxFile.Open(path);
        Run(file.Model, index, path, isOpened: false, log);
        // They are exported for one size each: what is the same size in all inputs is left open in turn.
        foreach (var size in file.Model.Graph.Inputs.SelectMany(i => i.Type?.Dims ?? []).Select(d => d.Value).OfType<long>().Distinct())
            Run(Open(file.Model, size), index, $"{path} {size}", isOpened: true, log);
    }

    static OnnxModel Open(OnnxModel model, long size)
    {
        OnnxType? Type(OnnxType? type) => type?.Dims is { } dims ? type with { Dims = [.. dims.Select(d => d.Value == size ? new OnnxDim(null, "N") : d)] } : type;
        return model with { Graph = model.Graph with { Inputs = [.. model.Graph.Inputs.Select(i => i with { Type = Type(i.Type) })] } };
    }

    static void Run(OnnxModel model, int index, string name, bool isOpened, StreamWriter log)
    {
        try
        {
            var graph = Pipeline.Exact(OnnxImport.Read(model, Evaluator.Fold), Evaluator.Fold);
            using var compiled = InProcess.Compile(Lower.Program(graph), InProcess.Width);
            compiled.Threads = 2;
            var random = new Random(index);
            var symbols = graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Distinct().ToArray();
            for (var round = 0; round < (symbols.Length == 0 ? 1 : 9); round++)
            {
                var sizes = symbols.ToDictionary(s => s, _ => round < 4 ? round : random.NextInt64(41));
                var tried = $"{name} {string.Join(" ", sizes.Select(s => $"{s.Key}={s.Value}"))}";
                log.WriteLine($"case {index} {tried}");
                try
                {
                    _ = compiled.Run([.. graph.Arguments.Select(v => Given(random, v.Type, d => Math.Max(0, d.Evaluate(s => sizes[s]))))]);
                    log.WriteLine("agreed");
                }
                catch (ModelException e)
                {
                    log.WriteLine(e.Message.Contains(':', StringComparison.Ordinal) ? "agreed" : $"found {tried}: refused without a name: {e.Message}");
                    log.WriteLine($"refused: {e.Message}");
                }
            }
        }
        catch (OnnxImportException e) when (isOpened)
        {
            // Not every size can be another one.
            log.WriteLine($"refused: {e.Message.ReplaceLineEndings(" ")}");
        }
        catch (Exception e)
        {
            log.WriteLine($"found {name}: {e.ToString().ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>Numbers that most networks can take: 0 and 1 for indices and masks.</summary>
    static Tensor Given(Random random, TensorType type, Func<Dim, long> size)
    {
        long[] dims = [.. type.Shape.Dims.Select(size)];
        var count = (int)Tensor.CountOf(dims);
        return type.Element.IsFloat()
            ? Tensor.Of(type.Element, dims, Enumerable.Range(0, count).Select(_ => random.NextDouble() * 2 - 1).ToArray())
            : Tensor.Of(type.Element, dims, Enumerable.Range(0, count).Select(_ => random.NextInt64(2)).ToArray());
    }
}
