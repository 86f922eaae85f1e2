using System.Collections.Concurrent;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Import;

/// <summary>Sizes that are known only at run time, computed with as models do it: beside ONNX Runtime.</summary>
public class SymbolicSizeTests
{
    [Fact]
    public void Random_arithmetic_on_sizes_means_what_ONNX_Runtime_takes_it_to_mean()
    {
        var (wrong, refused, tally) = (new ConcurrentBag<string>(), new ConcurrentBag<string>(), new ConcurrentDictionary<string, int>());
        Parallel.ForEach(Seeds.Of(48), seed =>
        {
            var made = SizeModels.Make(seed);
            foreach (var inputs in made.Inputs)
            {
                var (expected, why) = OnnxModels.Expected(made.File, [.. made.Names.Zip(inputs)]);
                foreach (var open in (bool[])[true, false])
                {
                    var what = $"seed {seed}, {(open ? "open" : "known")} sizes, {string.Join(" ", inputs.Select(i => i.TensorType))}: ";
                    try
                    {
                        var shapes = open ? null : made.Names.Zip(inputs).ToDictionary(p => p.First, p => p.Second.Dims.ToArray());
                        var actual = OnnxModels.Imported(made.File, graph => (seed % 16 == 0 && open ? Answers.Compiled(graph, inputs, 512, 1) : Evaluator.Run(graph, inputs)).Select(t => new Tensor(t.Type, t.Dims, t.Bytes.ToArray())).ToArray(), shapes: shapes);
                        var difference = expected is null ? "" : OnnxModels.Difference(expected, actual);
                        tally.AddOrUpdate(expected is null ? "ran where ONNX Runtime refuses" : difference.Length > 0 ? "wrong" : "same", 1, (_, n) => n + 1);
                        if (difference.Length > 0)
                            wrong.Add($"{what}{difference}\n{made.Text}");
                    }
                    catch (Exception e)
                    {
                        var isEmpty = e.Message.Contains("is 0", StringComparison.Ordinal) || e.Message.Contains("at least 1", StringComparison.Ordinal);
                        tally.AddOrUpdate(expected is null ? "refused, both" : isEmpty ? "empty axes refused" : "refused", 1, (_, n) => n + 1);
                        if (expected is not null && !isEmpty)
                            refused.Add($"{what}{e.GetType().Name} {e.Message}\n{made.Text}");
                    }
                }
            }
        });
        Assert.True(wrong.IsEmpty && refused.IsEmpty, $"{string.Join(", ", tally.Select(t => $"{t.Value} {t.Key}"))}\n{string.Join("\n\n", wrong.OrderBy(t => t.Length).Concat(refused.OrderBy(t => t.Length)).Take(20))}");
        Assert.True(tally.GetValueOrDefault("same") > 0);
    }
}
