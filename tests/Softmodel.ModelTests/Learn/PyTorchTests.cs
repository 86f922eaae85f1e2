using System.Diagnostics;
using System.Reflection;
using Softmodel.Arrays;
using Softmodel.Cli.Baselines;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Lowering;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.ModelTests.Learn;

/// <summary>Gradients as PyTorch computes them: networks written in both, ours compiled.</summary>
public class PyTorchTests(ITestOutputHelper output)
{
    const double Most = 1e-4;

    sealed record Written(Graph Graph, Tensor[] Inputs);

    static readonly Dictionary<string, Func<Random, Written>> networks = new()
    {
        ["transformer"] = Transformer,
        ["convnext"] = ConvNeXt,
        ["resnet"] = ResNet,
        ["lstm"] = Lstm,
        ["indices"] = Indices,
    };

    public static TheoryData<string> Names => [.. networks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Gradients_are_those_of_PyTorch(string name)
    {
        var python = PyTorch.Python;
        Assert.SkipWhen(python is null, "no Python with PyTorch is here (Debian: python3-torch, libopenblas0-pthread)");
        var (graph, inputs) = networks[name](new(3));
        var parameters = Parameters.Of(graph).Where(p => !p.IsFrozen).ToArray();
        var ours = Ours(graph, parameters, inputs);
        var theirs = await Theirs(python, name, [.. graph.Inputs.Zip(inputs, (v, x) => ("in:" + v.Name, x)), .. parameters.Select(p => (p.Name, p.Value))]);

        Assert.Equal(theirs["loss"].Float(0), ours[0].Float(0), 1e-4 * Math.Abs(theirs["loss"].Float(0)));
        var all = Math.Sqrt(parameters.Sum(p => Norm(theirs[p.Name]) * Norm(theirs[p.Name])));
        var (worst, worstName) = (0.0, "");
        foreach (var (parameter, gradient) in parameters.Zip(ours[1..]))
        {
            var expected = theirs[parameter.Name];
            // What a softmax's keys have in common changes nothing: that gradient is 0, but for rounding.
            if (Norm(expected) < 1e-6 * all && Norm(gradient) < 1e-6 * all)
                continue;
            var error = Norm(Tensor.Of(expected.Values<float>().ToArray().Zip(gradient.Values<float>().ToArray(), (a, b) => a - b).ToArray(), expected.Count)) / Norm(expected);
            (worst, worstName) = error > worst ? (error, parameter.Name) : (worst, worstName);
            Assert.True(error <= Most, $"{parameter.Name}: {error}, of a gradient of length {Norm(expected)} in {all}");
        }
        output.WriteLine($"{name}: {parameters.Length} weights, {parameters.Sum(p => p.Value.Count)} elements; loss {ours[0].Float(0)}; the largest error is {worst:0.0e0}, of {worstName}");
    }

    static double Norm(Tensor x) => Math.Sqrt(x.Values<float>().ToArray().Sum(v => (double)v * v));

    /// <summary>The loss and its gradients, compiled.</summary>
    static Tensor[] Ours(Graph graph, Op.Parameter[] parameters, Tensor[] inputs)
    {
        var builder = new GraphBuilder(graph.Name, Evaluator.Fold);
        var open = Parameters.AsInputs(graph, Evaluator.Fold, [.. parameters.Select(p => p.Name)]);
        Value[] given = [.. graph.Inputs.Select(v => builder.Input(v.Name, v.Type)), .. parameters.Select(p => builder.Input(p.Name, p.Type))];
        var loss = new Term(builder, Rewriting.Append(builder, open, [.. open.Inputs.Select(v => given.Single(x => x.Name == v.Name))])[0]);
        var gradients = Gradients.Of(loss, [.. given.Skip(inputs.Length).Select(v => new Term(builder, v))]);
        using var compiled = InProcess.Compile(Lower.Program(Pipeline.Exact(builder.Build([loss.Value, .. gradients.Select(g => g.Value)]), Evaluator.Fold)), InProcess.Width);
        compiled.Threads = 2;
        return compiled.Run((IReadOnlyList<Tensor>)[.. inputs, .. parameters.Select(p => p.Value)]);
    }

    static async Task<Dictionary<string, Tensor>> Theirs(string python, string name, IReadOnlyList<(string, Tensor)> arrays)
    {
        var folder = Directory.CreateTempSubdirectory("softmodel-").FullName;
        try
        {
            var (source, target) = (Path.Combine(folder, "in.npz"), Path.Combine(folder, "out.npz"));
            using (var file = File.Create(source))
                Npz.Write(file, arrays);
            using var script = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.ModelTests.Learn.networks.py")!);
            using var process = Process.Start(PyTorch.Command(python, await script.ReadToEndAsync(), name, source, target))!;
            process.StandardInput.Close();
            var (said, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0, await errors + await said);
            return Npz.Read(target).ToDictionary(a => a.Name, a => a.Tensor);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static Tensor Integers(Random random, int below, params ReadOnlySpan<long> dims) =>
        Tensor.Of<long>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (long)random.Next(below))], dims);

    static Tensor Floats(Random random, params ReadOnlySpan<long> dims) =>
        Tensor.Of<float>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)(random.NextDouble() * 2 - 1))], dims);

    static Written Transformer(Random random)
    {
        const int batch = 3, length = 17, width = 48, vocabulary = 101;
        var net = new Network("transformer", seed: 1);
        var (ids, next) = (net.Input("ids", ElementType.Int64, batch, length), net.Input("next", ElementType.Int64, batch, length));
        var x = net.Embedding("embeddings", ids, vocabulary, width, 0.5) + net.Normal("positions", 0.5, length, width);
        foreach (var layer in net.Blocks("layers", 2))
        {
            x += layer.Attention("attention", layer.LayerNorm("norm1", x), heads: 4, isCausal: true);
            x += layer.Linear("down", layer.Linear("up", layer.LayerNorm("norm2", x), 2 * width).Gelu(), width);
        }
        return new(net.Build(("loss", Losses.CrossEntropy(net.Linear("head", net.LayerNorm("norm", x), vocabulary), next))), [Integers(random, vocabulary, batch, length), Integers(random, vocabulary, batch, length)]);
    }

    static Written ConvNeXt(Random random)
    {
        const int batch = 2, length = 40;
        var net = new Network("convnext", seed: 2);
        var (given, target) = (net.Input("x", ElementType.Float32, batch, 6, length), net.Input("target", ElementType.Float32, batch, 3, length));
        var x = net.ConvNeXt("blocks.0", net.Convolution("in", given, 24, 5), 48, kernel: 9);
        x = net.ConvNeXt("blocks.1", net.Convolution("smaller", x, 32, 3, stride: 2), 64);
        var larger = x.Apply(new Op.ConvolveTransposed([2], [1], [1], [1], [0], 1), net.Normal("larger.weight", 0.1, 32, 24, 4));
        x = net.ConvNeXt("blocks.2", larger, 48);
        return new(net.Build(("loss", Losses.L1(net.Convolution("out", x, 3, 3), target))), [Floats(random, batch, 6, length), Floats(random, batch, 3, length)]);
    }

    static Written ResNet(Random random)
    {
        const int batch = 6, size = 29;
        var net = new Network("resnet", seed: 3);
        var (pictures, labels) = (net.Input("x", ElementType.Float32, batch, 3, size, size), net.Input("labels", ElementType.Int64, batch));
        Term Convolved(Network part, string name, Term x, int channels, int kernel, int stride) => part.Block(name) is var both
            ? both.BatchNorm("norm", both.Convolution("conv", x, channels, kernel, stride, hasBias: false)) : default;
        var x = Convolved(net, "stem", pictures, 8, 7, 2).Max(0);
        x = x.Apply(new Op.Pad(Padding.Constant, [0, 0, 1, 1], [0, 0, 1, 1]), x.Scalar(double.NegativeInfinity)).Apply(new Op.Unfold(2, 3, 2, 1)).Apply(new Op.Unfold(3, 3, 2, 1)).Reduce(Reduction.Max, [4, 5]);
        foreach (var (block, (channels, stride)) in net.Blocks("blocks", 2).Zip([(8, 1), (16, 2)]))
        {
            var y = Convolved(block, "second", Convolved(block, "first", x, channels, 3, stride).Max(0), channels, 3, 1);
            x = (y + (stride == 1 ? x : Convolved(block, "shortcut", x, channels, 1, stride))).Max(0);
        }
        var logits = net.Linear("head", x.Mean(2, 3).Squeeze(2, 3), 10);
        return new(net.Build(("loss", Losses.CrossEntropy(logits, labels))), [Floats(random, batch, 3, size, size), Integers(random, 10, batch)]);
    }

    static Written Lstm(Random random)
    {
        const int length = 19, batch = 5;
        var net = new Network("lstm", seed: 4);
        var (ids, labels) = (net.Input("ids", ElementType.Int64, length, batch), net.Input("labels", ElementType.Int64, batch));
        var x = net.Embedding("embeddings", ids, 50, 24, 0.7);
        foreach (var i in Enumerable.Range(0, 2))
            x = net.Lstm($"layers.{i}", x, 32);
        return new(net.Build(("loss", Losses.CrossEntropy(net.Linear("head", x.Slice(0, length - 1, 1).Squeeze(0), 7), labels))), [Integers(random, 50, length, batch), Integers(random, 7, batch)]);
    }

    static Written Indices(Random random)
    {
        const int batch = 3, length = 12, width = 16, picked = 5;
        var net = new Network("indices", seed: 5);
        var (ids, where) = (net.Input("ids", ElementType.Int64, batch, length), net.Input("where", ElementType.Int64, batch, picked, width));
        var (places, target) = (net.Input("places", ElementType.Int64, picked), net.Input("target", ElementType.Float32, batch, picked, width));
        var x = net.Embedding("embeddings", ids, 40, width, 0.8);
        Term All(Term y) => Losses.MeanOf(y);
        var chosen = x.Apply(new Op.GatherElements(1), where);
        var total = Losses.L2(chosen, target);
        total += All(Zeros(x, x.Shape).Apply(new Op.ScatterElements(1, Combination.Sum), where, chosen * net.Normal("values", 1, picked, width)).Map(Functions.Sin));
        var rows = x.Gather(places, 1).Transpose(1, 0, 2);
        total += All(rows.Apply(new Op.ScatterND(Combination.Replace), x.Constant(Tensor.Of<long>([1], [1, 1])), net.Normal("row", 1, width).Broadcast(new(1, batch, width))).Map(Functions.Tanh));
        var best = net.Builder.ApplyAll(new Op.TopK(3, 1, true), x.Contract("blw,w->bl", net.Normal("scores", 1, width)).Value).Select(v => new Term(net.Builder, v)).ToArray();
        var kept = best[0].Softmax(1).Unsqueeze(2) * x.Apply(new Op.GatherND(1), best[1].Unsqueeze(2));
        var sum = kept.Reduce(Reduction.Sum, [1]);
        total += All(sum * sum);
        Term Running(Term y, Reduction how) => y.Apply(new Op.Accumulate(how, 1, false, false));
        var most = Running(x, Reduction.Max);
        total += All(Running(x, Reduction.Sum).Map(Functions.Tanh)) + All(Running(x.Map(Functions.Sigmoid), Reduction.Product)) + All(most * most);
        // What torch.stft computes without padding: windows times cosines and sines.
        const int size = 16;
        var sound = x.Contract("blw,ws->bls", net.Normal("sound", 1, width, 8)).Reshape(new(batch, length * 8)).Apply(new Op.Pad(Padding.Reflect, [0, 8], [0, 8]));
        var frames = sound.Apply(new Op.Unfold(1, size, 4, 1)) * net.Uniform("window", 1, size);
        Term Part(Func<double, double> wave) => frames.Contract("bfn,nk->bfk", x.Constant(Tensor.Of<float>([.. Enumerable.Range(0, size * 9).Select(i => (float)wave(2 * Math.PI * (i / 9) * (i % 9) / size))], [size, 9])));
        var (real, imaginary) = (Part(Math.Cos), Part(Math.Sin));
        total += All((real * real + imaginary * imaginary + 1e-3).Map(Functions.Sqrt).Map(Functions.Log));
        return new(net.Build(("loss", total)), [Integers(random, 40, batch, length), Integers(random, length, batch, picked, width), Integers(random, length, picked), Floats(random, batch, picked, width)]);
    }

    static Term Zeros(Term like, Shape shape) => like.Scalar(0).Broadcast(shape);
}
