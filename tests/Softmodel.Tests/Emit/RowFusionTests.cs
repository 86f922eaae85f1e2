using Softmodel.Cli.Conformance;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Tests.Emit;

public class RowFusionTests
{
    // Attention with relative positions in a window of 9, as VITS has it: positions are padded to all distances, then each row
    // is shifted by one by a reshape; the other way round for the values.
    const string Attention = """
        graph g
          input q: Float32[2,t,4]
          input k: Float32[2,t,4]
          input v: Float32[2,t,4]
          input table: Float32[9,4]
          zero: Float32[] = constant {0}
          positions: Float32[2*t-1,4] = pad(table, zero) mode=constant low=[t-5,0] high=[t-5,0]
          plain: Float32[2,t,t] = contract(q, k) equation="bik,bjk->bij"
          relative: Float32[2,t,2*t-1] = contract(q, positions) equation="bik,jk->bij"
          wide: Float32[2,t,2*t] = pad(relative, zero) mode=constant low=[0,0,0] high=[0,0,1]
          flat: Float32[2,2*t*t] = reshape(wide) shape=[2,2*t*t]
          longer: Float32[2,2*t*t+t-1] = pad(flat, zero) mode=constant low=[0,0] high=[0,t-1]
          skewed: Float32[2,t+1,2*t-1] = reshape(longer) shape=[2,t+1,2*t-1]
          absolute: Float32[2,t,t] = slice(skewed) starts=[0,0,t-1] sizes=[2,t,t] steps=[1,1,1]
          logits: Float32[2,t,t] = add(plain, absolute)
          most: Float32[2,t] = reduce(logits) kind=max axes=[2]
          most1: Float32[2,t,1] = reshape(most) shape=[2,t,1]
          less: Float32[2,t,t] = subtract(logits, most1)
          exps: Float32[2,t,t] = exp(less)
          sum: Float32[2,t] = reduce(exps) kind=sum axes=[2]
          sum1: Float32[2,t,1] = reshape(sum) shape=[2,t,1]
          weights: Float32[2,t,t] = divide(exps, sum1)
          mixed: Float32[2,t,4] = contract(weights, v) equation="bij,bjk->bik"
          padded: Float32[2,t,2*t-1] = pad(weights, zero) mode=constant low=[0,0,0] high=[0,0,t-1]
          row: Float32[2,2*t*t-t] = reshape(padded) shape=[2,2*t*t-t]
          later: Float32[2,2*t*t] = pad(row, zero) mode=constant low=[0,t] high=[0,0]
          back: Float32[2,t,2*t] = reshape(later) shape=[2,t,2*t]
          distances: Float32[2,t,2*t-1] = slice(back) starts=[0,0,1] sizes=[2,t,2*t-1] steps=[1,1,1]
          near: Float32[2,t,4] = contract(distances, positions) equation="bij,jk->bik"
          result: Float32[2,t,4] = add(mixed, near)
          output result = result
        end
        """;

    static LoweredProgram Lowered(string text) => Lower.Program(Pipeline.Exact(GraphText.Read(text), Evaluator.Fold));

    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Attention_in_one_kernel_is_what_it_was_in_many(int width)
    {
        if (width > InProcess.Width)
            return;
        var graph = GraphText.Read(Attention);
        using var model = InProcess.Compile(Lowered(Attention), width);
        foreach (var t in (long[])[1, 2, 4, 5, 6, 7, 12, 13, 24, 25, 40, 200])
        {
            Tensor[] inputs = [Numbers(1, 2, t, 4), Numbers(2, 2, t, 4), Numbers(3, 2, t, 4), Numbers(4, 9, 4)];
            var expected = Evaluator.Run(graph, inputs)[0];
            foreach (var threads in (int[])[1, 2])
            {
                model.Threads = threads;
                Assert.True(new Tolerance(1e-4, 1e-5).Difference(expected, model.Run(inputs)[0]) is not { } difference, $"{t} elements, {threads} threads");
            }
        }
    }

    [Fact]
    public void Attention_needs_no_square_of_the_length()
    {
        var program = Lowered(Attention);
        var fused = Assert.Single(program.Steps.OfType<Step.Fused>(), s => s.Members.Length > 3);
        Assert.True(fused.Members.Length >= 9, $"{fused.Members.Length} nests are computed together");
        var stored = program.AllSteps().Where(s => s is not Step.Nest).SelectMany(s => s.Buffers)
            .Concat(program.Steps.OfType<Step.Nest>().SelectMany(s => s.Buffers)).Distinct();
        Assert.DoesNotContain(stored, b => b.Count.Evaluate(_ => 1000) > 500_000);
    }

    static Tensor Numbers(int seed, params long[] dims)
    {
        var random = new Random(seed);
        return Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => random.NextSingle() * 2 - 1)], dims);
    }
}
