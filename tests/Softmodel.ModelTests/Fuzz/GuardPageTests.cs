using Softmodel.Cli;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Passes;
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
        // All of them take long: SOFTMODEL_GUARDED=all asks for them.
        var (found, agreed) = GuardedProcess.Run(side, Networks, 0, Environment.GetEnvironmentVariable("SOFTMODEL_GUARDED") == "all" ? Models.Length : 4);
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
        try
        {
            using var file = OnnxFile.Open(path);
            var graph = Simplify.Apply(OnnxImport.Read(file.Model, Evaluator.Fold), Evaluator.Fold);
            using var model = InProcess.Compile(Lower.Program(graph), InProcess.Width);
            model.Threads = 2;
            var random = new Random(index);
            var symbols = graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Distinct().ToArray();
            for (var round = 0; round < (symbols.Length == 0 ? 1 : 9); round++)
            {
                var sizes = symbols.ToDictionary(s => s, _ => round < 4 ? round : random.NextInt64(41));
                log.WriteLine($"case {index} {path} {string.Join(" ", sizes.Select(s => $"{s.Key}={s.Value}"))}");
                try
                {
                    _ = model.Run([.. graph.Arguments.Select(v => Given(random, v.Type, d => Math.Max(0, d.Evaluate(s => sizes[s]))))]);
                    log.WriteLine("agreed");
                }
                catch (ModelException e)
                {
                    log.WriteLine(e.Message.Contains(':', StringComparison.Ordinal) ? "agreed" : $"found {path}: refused without a name: {e.Message}");
                    Console.WriteLine($"{path} {string.Join(" ", sizes)}: {e.Message}");
                }
            }
        }
        catch (Exception e)
        {
            log.WriteLine($"found {path}: {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}");
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
