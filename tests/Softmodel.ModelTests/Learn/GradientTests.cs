using System.Text.Json;
using Softmodel.Cli.Conformance;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Language;
using Softmodel.Runtime;
using Softmodel.Tests;

namespace Softmodel.ModelTests.Learn;

/// <summary>The gradients of whole networks, by their inputs and all their weights, beside central differences in double precision.</summary>
public class GradientTests(ITestOutputHelper output)
{
    const double Most = 1e-6;

    [Fact]
    public void Networks_of_the_zoo_have_the_gradients_that_differences_say()
    {
        var cases = Suites.Find(Shared.Folder("zoo")).SelectMany(s => s.Cases).ToArray();
        Assert.Equal(51, cases.Length);
        Each(cases.Select(c => (c.Name, (Func<CentralDifferences.Result?>)(() =>
        {
            using var file = OnnxFile.Open(c.Model);
            return Compared(OnnxImport.Read(file.Model, Evaluator.Fold), [.. c.Data[0].Inputs.Select(path => OnnxFile.ReadTensor(path).ToTensor())]);
        }))));
    }

    [Fact]
    public void Language_models_have_the_gradients_that_differences_say()
    {
        var folders = Directory.GetDirectories(Shared.Folder("lm/families"));
        Assert.Equal(22, folders.Length);
        Each(folders.Select(f => (Path.GetFileName(f), (Func<CentralDifferences.Result?>)(() => Family(f)))));
    }

    void Each(IEnumerable<(string Name, Func<CentralDifferences.Result?> Compare)> networks)
    {
        var failures = new List<string>();
        Parallel.ForEach(networks, network =>
        {
            var result = network.Compare();
            lock (failures)
            {
                output.WriteLine($"{network.Name}: {result}");
                if (result is not { Length: > 0, Error: <= Most })
                    failures.Add($"{network.Name}: {result}");
            }
        });
        Assert.True(failures.Count == 0, $"{failures.Count} are off: {string.Join("\n", failures)}");
    }

    static CentralDifferences.Result? Family(string folder)
    {
        const int past = 3, count = 9;
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        long[] tokens = [.. json.RootElement.GetProperty("tokens").EnumerateArray().Take(count).Select(e => e.GetInt64())];
        using var model = Model.Load(folder);
        var graph = model.Imported;
        // Nine tokens after three that came before: what was kept of those are inputs, too.
        var random = new Random(1);
        Tensor Numbers(Shape shape)
        {
            long[] dims = [.. shape.Dims.Select(d => d.Evaluate(s => s == "slots" ? 1 : past + count))];
            return Tensor.Of<float>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)(random.NextDouble() * 2 - 1))], dims);
        }
        Tensor Integers(int size, Func<int, long> number) => Tensor.Of<long>([.. Enumerable.Range(0, size).Select(number)], [size]);
        return Compared(graph, [.. graph.Inputs.Select(input => input.Name switch
        {
            SequenceInputs.Tokens => Tensor.Of<long>(tokens, [count]),
            SequenceInputs.Positions or SequenceInputs.Cells => Integers(count, i => past + i),
            SequenceInputs.Sequences => Integers(count, _ => 0),
            SequenceInputs.CellPositions => Integers(past + count, i => i),
            SequenceInputs.CellSequences or SequenceInputs.HasInitialState => Integers(input.Name == SequenceInputs.HasInitialState ? 1 : past + count, _ => 1),
            SequenceInputs.LogitsIndices => Integers(count, i => i),
            _ => Numbers(input.Shape),
        })]);
    }

    static CentralDifferences.Result? Compared(Graph graph, Tensor[] inputs)
    {
        graph = BlockFormat.Decoded(graph);
        Op.Parameter[] parameters = [.. Passes.Parameters.Of(graph).Where(p => p.Type.Element.IsFloat())];
        var open = Passes.Parameters.AsInputs(graph, Evaluator.Fold, [.. parameters.Select(p => p.Name)]);
        Tensor[] all = [.. inputs, .. open.Inputs.Skip(inputs.Length).Select(v => parameters.Single(p => p.Name == v.Name).Value)];
        return CentralDifferences.Of(open, all, new(1), (_, _) => null);
    }
}
