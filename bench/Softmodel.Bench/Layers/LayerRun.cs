using Softmodel.Cli.Baselines;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Graphs;

namespace Softmodel.Bench.Layers;

/// <summary>Times single layers beside ONNX Runtime.</summary>
static class LayerRun
{
    /// <summary>A layer.</summary>
    /// <param name="Name">What it is.</param>
    /// <param name="OursMs">Its shortest run.</param>
    /// <param name="PeerMs">The shortest run of ONNX Runtime.</param>
    /// <param name="Speedup">The ratio of the two.</param>
    /// <param name="GflopsPerSecond">Operations of its contractions per nanosecond; 0 where it has none.</param>
    /// <param name="Difference">The largest difference between the two results.</param>
    public sealed record Row(string Name, double OursMs, double PeerMs, double Speedup, double GflopsPerSecond, double Difference);

    /// <summary>Times the layers whose names hold a text.</summary>
    public static IEnumerable<Row> Measure(string? holding, int threads, int runs, int bits, CancellationToken cancel)
    {
        foreach (var layer in LayerModel.All.Where(l => holding is null || l.Name.Contains(holding, StringComparison.OrdinalIgnoreCase)))
        {
            var path = Path.Combine(Path.GetTempPath(), $"softmodel-layer-{Guid.NewGuid():N}.onnx");
            var draft = layer.Draw();
            File.WriteAllBytes(path, draft.Model());
            try
            {
                using var model = Model.Load(path);
                using var compiled = model.Compile(new() { Threads = threads, VectorBits = bits, UseCache = false }, cancellationToken: cancel);
                using var baseline = OnnxRuntimeBaseline.Load(path, threads);
                var work = new Workload(layer.Name, new Dictionary<string, Tensor>(StringComparer.Ordinal) { [baseline.Inputs[0]] = draft.Inputs[0] });
                var (ours, its) = (work.For(compiled.Inputs.Select(i => i.Name)), work.For(baseline.Inputs));
                var expected = baseline.Run(its)[0];
                compiled.Time(ours);
                var actual = compiled.Results()[0];
                var difference = Enumerable.Range(0, (int)expected.Count).Max(i => Math.Abs(expected.Float(i) - actual.Float(i)));
                var times = Interleaved.Time(runs, [() => compiled.Time(ours), () => baseline.Time(its)], cancel);
                var flops = Limits.Flops(model.Program, compiled, work) ?? 0;
                yield return new(layer.Name, times[0].Best, times[1].Best, Math.Round(times[1].Best / times[0].Best, 2), Math.Round(flops / times[0].Best / 1e6, 1), difference);
            }
            finally
            {
                File.Delete(path);
            }
        }
    }
}
