using CsCheck;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Passes;

public class KvCachePassTests
{
    const int Heads = 2, Size = 3;

    static readonly Dim past = Dim.Symbol("past"), own = Dim.Symbol("n");

    /// <summary>What each head of a token, times those of all tokens so far, sums up to; the past is [1, heads, past, size].</summary>
    static Graph Sums(Func<Term, Term>? before = null)
    {
        var builder = new GraphBuilder("sums", Evaluator.FoldKeepingNarrow);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(1, own, Heads * Size))));
        builder.Input("mask", new(ElementType.Float32, new(1, past + own)));
        var was = new Term(builder, builder.Input("past_key_values.0.key", new(ElementType.Float32, new(1, Heads, past, Size))));
        var heads = x.Reshape(new(1, own, Heads, Size)).Transpose(0, 2, 1, 3);
        var all = (before?.Invoke(was) ?? was).Concat(2, heads);
        return builder.Build([all.Value, heads.Contract("bhid,bhjd->bih", all).Value], ["present.0.key", "sums"]);
    }

    static Tensor Numbers(Random random, params long[] dims) =>
        Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)random.NextDouble())], dims);

    [Fact]
    public void A_run_finds_what_the_runs_before_were_given_or_as_much_of_it_as_it_says()
    {
        var graph = Sums();
        var kept = KvCachePass.Apply(graph, Evaluator.FoldKeepingNarrow, "sums");
        kept.Validate();
        Assert.Equal(["x", "mask"], kept.Arguments.Select(v => v.Name));
        Assert.Equal(["sums"], kept.Results.Select(r => r.Name));
        using var compiled = Answers.Compile(kept, 256);
        Gen.Select(Gen.Int[0, 6], Gen.Int[1, 5]).Array[1, 8].Sample(steps =>
        {
            var random = new Random(steps.Length);
            var so = Tensor.Of<float>([], 1, Heads, 0, Size);
            foreach (var (back, count) in steps)
            {
                // Some runs go back to an earlier token.
                var length = Math.Max(0, so.Dims[2] - back);
                so = Part(so, length);
                var (x, mask) = (Numbers(random, 1, count, Heads * Size), Numbers(random, 1, length + count));
                var expected = Evaluator.Run(graph, [x, mask, so]);
                so = expected[0];
                var sums = compiled.Run((Tensor[])[x, mask])[0];
                Assert.Equal(expected[1].Dims.ToArray(), sums.Dims.ToArray());
                for (var i = 0L; i < sums.Count; i++)
                    Assert.Equal(expected[1].Float(i), sums.Float(i), 1e-4);
            }
        }, iter: 200, threads: 1);
    }

    static Tensor Part(Tensor x, long length)
    {
        var numbers = x.Values<float>().ToArray();
        return Tensor.Of<float>((float[])[.. Enumerable.Range(0, Heads).SelectMany(h => numbers.Skip((int)(h * x.Dims[2] * Size)).Take((int)length * Size))], 1, Heads, length, Size);
    }

    [Fact]
    public void Sums_of_sizes_are_told_apart_by_what_tells_the_rest()
    {
        using var compiled = Answers.Compile(Sums(), 256);
        Tensor[] Given(int before, int count, int length) => [Numbers(new(1), 1, count, Heads * Size), Numbers(new(2), 1, length), Numbers(new(3), 1, Heads, before, Size)];
        Assert.Equal([1, Heads, 7, Size], compiled.Run(Given(5, 2, 7))[0].Dims.ToArray());
        Assert.Contains("a size is 6 where 7 is needed", Assert.Throws<ModelException>(() => compiled.Run(Given(5, 2, 6))).Message, StringComparison.Ordinal);
        using var kept = Answers.Compile(KvCachePass.Apply(Sums(), Evaluator.FoldKeepingNarrow, "sums"), 256);
        Assert.Contains("past", Assert.Throws<ModelException>(() => kept.Run(Given(5, 2, 1)[..2])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_past_that_is_not_only_appended_to_is_refused()
    {
        var refused = Assert.Throws<SoftmodelException>(() => KvCachePass.Apply(Sums(was => was * 2), Evaluator.FoldKeepingNarrow, "sums"));
        Assert.Contains("'past_key_values.0.key'", refused.Message, StringComparison.Ordinal);
    }
}
