using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Architectures;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

/// <summary>Embeddings that are the last matrix, too.</summary>
public class TiedWeightsTests
{
    const int Rows = 37, Columns = 24;

    static Graph Of(bool isGiven)
    {
        var builder = new GraphBuilder("tied", Evaluator.FoldKeepingStored);
        Term tokens = new(builder, builder.Input("tokens", new(ElementType.Int64, new(Dim.Symbol("n")))));
        Term table = new(builder, builder.Parameter("embeddings", Answers.Ramp(Rows, Columns)));
        var embedded = table.Gather(tokens, 0);
        // As in a language model: what is picked is normed, and then multiplied with the same table.
        var normed = embedded / ((embedded * embedded).Reduce(Reduction.Sum, [1], keep: true) + 1).Map(Functions.Sqrt);
        return builder.Build([Transformer.Times(normed, table).Value, embedded.Value, .. isGiven ? (Value[])[table.Value] : []]);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public void A_table_is_stored_once_unless_it_is_given_as_it_is(bool isGiven, int times)
    {
        var graph = Of(isGiven);
        foreach (var width in (int[])[128, 256])
        {
            var schedule = Schedule.Of(Lower.Program(graph), width);
            var code = ProgramCode.Write(schedule);
            Assert.Equal(times, code.Weights.Items.Count(i => i.Buffer.Count.Value >= Rows * Columns));
            // Its text says which nest picks rows from the panels.
            var text = ScheduleText.Write(schedule);
            Assert.Equal(!isGiven, text.Contains(" picks=[b_embeddings]", StringComparison.Ordinal));
            Assert.Equal(code.Source, ProgramCode.Write(ScheduleText.Read(text, ScheduleText.Weights(schedule).GetValueOrDefault)).Source);
            using var model = Answers.Compile(graph, width);
            foreach (var n in new[] { 1, 3, 40 })
            {
                Tensor[] inputs = [Tensor.Vector([.. Enumerable.Range(0, n).Select(i => (long)(i * 7 % Rows))])];
                var (expected, results) = (Evaluator.Run(graph, inputs), Answers.Run(model, inputs, 1, 2));
                for (var i = 0; i < expected.Length; i++)
                    Assert.All(expected[i].Values<float>().ToArray().Zip(results[i].Values<float>().ToArray()), p => Assert.Equal(p.First, p.Second, 1e-5f * Math.Max(1, Math.Abs(p.First))));
            }
            Assert.Throws<ModelException>(() => Answers.Run(model, [Tensor.Vector<long>(Rows)], 1));
        }
    }
}
