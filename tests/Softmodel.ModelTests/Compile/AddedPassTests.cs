using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Cli;
using Softmodel.Compile;
using Softmodel.Graphs;
using Softmodel.Passes;

namespace Softmodel.ModelTests.Compile;

/// <summary>A pass that is in no other file than this one, on a real model.</summary>
public class AddedPassTests
{
    static readonly Pass ones = new("ones", Fidelity.Measured, "takes every product of two numbers for 1",
        c => c with { Graph = Rewriting.Apply(c.Graph, c.Folding, [(_, op, x) => op is Op.Map { Function: var f } && f == Functions.Multiply ? x[0].Scalar(1).Broadcast(Shape.Broadcast(x[0].Shape, x[1].Shape)) : null]) });

    // It adds nothing that floats of this size tell apart.
    static readonly Pass tiny = new("tiny", Fidelity.Measured, "multiplies what is multiplied by 1 and a little",
        c => c with { Graph = Rewriting.Apply(c.Graph, c.Folding, [(_, op, x) => op is Op.Map { Function: var f } && f == Functions.Sigmoid ? (x[0] * 1.0001).Map(f) : null]) });

    [Fact]
    public async Task It_is_listed_measured_and_refused_where_it_breaks_its_budget()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        foreach (var (name, most) in (ReadOnlySpan<(string, double)>)[("quiet", 0.01), ("loud", 1)])
        {
            var at = folder.File(name);
            Directory.CreateDirectory(at);
            foreach (var (input, dims) in (ReadOnlySpan<(string, long[])>)[("input", [1, 576]), ("state", [2, 1, 128])])
            {
                using var file = File.Create(Path.Combine(at, $"{input}.npy"));
                Npy.Write(file, Tensor.Of<float>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)(most * (2 * random.NextDouble() - 1)))], dims));
            }
        }
        using var first = Pipeline.With(ones);
        using var second = Pipeline.With(tiny);
        async Task<Dictionary<string, JsonElement>> Passes(params string[] more)
        {
            var (result, error) = (new StringWriter(), new StringWriter());
            Assert.Equal((0, ""), (await CommandLine.Run(["show", "silero-vad-v5", "--passes", "--json", "--measure-on", folder.Path, .. more], result, error, TestContext.Current.CancellationToken), Faults(error)));
            using var json = JsonDocument.Parse(result.ToString());
            return json.RootElement.GetProperty("passes").EnumerateArray().ToDictionary(p => p.GetProperty("pass").GetString()!, p => p.Clone());
        }
        static string Faults(StringWriter error) => string.Concat(error.ToString().Split('\n').Where(l => l.StartsWith("softmodel:", StringComparison.Ordinal)));

        var all = await Passes();
        Assert.Equal(["ones", "tiny"], all.Keys.TakeLast(2));
        Assert.True(all["ones"].GetProperty("refused").GetBoolean());
        Assert.InRange(all["ones"].GetProperty("output_snr_db").GetDouble(), -200, UseCase.UsualMinOutputSnrDb);
        Assert.False(all["tiny"].GetProperty("refused").GetBoolean());
        Assert.InRange(all["tiny"].GetProperty("output_snr_db").GetDouble(), 40, 120);
        Assert.Contains(all["tiny"].GetProperty("worst").GetProperty("inputs").GetString(), (string?[])["quiet", "loud"]);
        Assert.True((await Passes("--min-output-snr", "150"))["tiny"].GetProperty("refused").GetBoolean());
        Assert.DoesNotContain("ones", (await Passes("--without", "ones")).Keys);

        // What is refused leaves the program as it was; what is left out, too.
        async Task<double> Speech(params string[] without)
        {
            using var model = await Model.LoadAsync("silero-vad-v5", new() { MeasureOn = [folder.Path], Without = without });
            using var compiled = model.Compile(new() { UseCache = false, Threads = 1 });
            return Emit.Running.Run(compiled, [.. compiled.Inputs.Select(i => Npy.Read(folder.File($"loud/{i.Name}.npy")))])[0].Float(0);
        }
        Assert.Equal(await Speech("ones"), await Speech());
    }
}
