using Softmodel.Cli.Verify;
using Softmodel.Cli.Workloads;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Tests.Cli;

/// <summary>Inputs that are made up from a graph, and what is judged by them.</summary>
public class GeneratedInputsTests
{
    readonly GraphBuilder builder = new("test", Evaluator.Fold);

    Term Input(string name, ElementType type, params Dim[] dims) => new(builder, builder.Input(name, new(type, new(dims))));

    Workload[] Of(params Term[] outputs) => [.. new GeneratedInputs(builder.Build(outputs.Select(o => o.Value))).Of(RunSizes.Varied)];

    Term Table(params long[] dims) => new(builder, builder.Constant(Tensor.Of(ElementType.Float32, dims, new double[Tensor.CountOf(dims)])));

    static (double Least, double Most) Bounds(Tensor tensor) => Enumerable.Range(0, (int)tensor.Count).Select(i => tensor.Float(i)).ToArray() is { Length: > 0 } all ? (all.Min(), all.Max()) : default;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Whole_numbers_are_below_what_they_index(int way)
    {
        var ids = Input("ids", ElementType.Int32, Dim.Symbol("batch"), Dim.Symbol("n"));
        var (table, at) = (Table(11, 2), ids.Cast(ElementType.Int64));
        // Counted from the end where negative, moved by what is added, or cut.
        at = way switch { 0 => (at < 0).Select(at + 11, at), 1 => at + 3, _ => at * 2 };
        foreach (var work in Of(table.Gather(at, 0)))
            Assert.InRange(Bounds(work.Inputs["ids"]).Most, 1, way switch { 0 => 10, 1 => 7, _ => 5 });
    }

    [Fact]
    public void Several_inputs_that_are_added_stay_below_it_together()
    {
        var (a, b) = (Input("a", ElementType.Int64, Dim.Symbol("n")), Input("b", ElementType.Int64, Dim.Symbol("n")));
        foreach (var work in Of(Table(9, 2).Gather(a + b, 0)))
            Assert.InRange(Bounds(work.Inputs["a"]).Most + Bounds(work.Inputs["b"]).Most, 1, 8);
    }

    [Fact]
    public void Sizes_stay_within_a_table_of_positions()
    {
        var size = Dim.Symbol("n");
        var ids = Input("ids", ElementType.Int64, 1, size);
        var positions = new Term(builder, builder.Apply(new Op.Iota(size)));
        var works = Of(Table(30, 2).Gather(ids, 0) + Table(20, 2).Gather(positions, 0));
        Assert.Equal([1, 7, 16], works.Select(w => w.Inputs["ids"].Dims[1]).Distinct().Order());
    }

    [Fact]
    public void A_length_is_as_many_as_the_positions_that_it_is_compared_with()
    {
        var size = Dim.Symbol("n");
        var (x, count) = (Input("x", ElementType.Float32, 1, size, 4), Input("count", ElementType.Int64, 1));
        var positions = new Term(builder, builder.Apply(new Op.Iota(size)));
        foreach (var work in Of((positions < count).Cast(ElementType.Float32), x))
            Assert.Equal(work.Inputs["x"].Dims[1], work.Inputs["count"].Integer(0));
    }

    [Fact]
    public void Pictures_are_pictures_and_sound_is_sound()
    {
        var picture = Input("data", ElementType.Float32, Dim.Symbol("a"), Dim.Symbol("b"), Dim.Symbol("c"), Dim.Symbol("d"));
        var sound = Input("signal", ElementType.Float32, Dim.Symbol("e"), Dim.Symbol("f"));
        var works = Of(picture.Apply(new Op.Convolve([1, 1], [1, 1], [0, 0], [0, 0], 1), Table(2, 3, 3, 3)),
            sound.Unsqueeze(1).Apply(new Op.Convolve([160], [1], [0], [0], 1), Table(2, 1, 400)));
        Assert.Contains(works, w => w.Inputs["data"].Dims.SequenceEqual([1L, 3, 48, 320]) && w.Inputs["signal"].Dims.SequenceEqual([1L, 16_000]));
        Assert.Contains(works, w => w.Inputs["data"].Dims.SequenceEqual([1L, 3, 640, 640]));
        Assert.Contains(works, w => w.Inputs["signal"].Dims.SequenceEqual([1L, 160_000]));
        foreach (var work in works)
        {
            var (pixels, samples) = (Bounds(work.Inputs["data"]), Bounds(work.Inputs["signal"]));
            Assert.True(pixels.Least >= 0 && pixels.Most <= 1, $"pixels from {pixels.Least} to {pixels.Most}");
            Assert.True(samples.Least is > -1 and < 0 && samples.Most < 1, $"samples from {samples.Least} to {samples.Most}");
        }
    }

    [Fact]
    public void A_sum_in_double_precision_loses_what_32_bits_lose()
    {
        var x = Input("x", ElementType.Float32, 3);
        var graph = builder.Build([(x + 1e8).Value, x.Reduce(Reduction.Sum, [0]).Value]);
        var wide = DoublePrecision.Of(graph);
        wide.Validate();
        var results = Evaluator.Run(wide, [DoublePrecision.Of(Tensor.Vector(0.5f, 1e8f, -1e8f))]);
        Assert.Equal((1e8 + 0.5, 0.5), (results[0].Float(0), results[1].Float(0)));
    }

    static Comparison Case(double snr, double? ours = null, double? its = null, string? fault = null) => new("", 1, snr, 0, fault, ExactSnrDb: ours, OracleExactSnrDb: its);

    [Fact]
    public void What_is_below_the_bar_passes_where_it_is_no_farther_than_the_oracle()
    {
        Assert.True(ModelVerification.AreRight([Case(60), Case(51)], 50));
        Assert.False(ModelVerification.AreRight([Case(60), Case(30)], 50));
        Assert.True(ModelVerification.AreRight([Case(30, 90, 30)], 50));
        Assert.False(ModelVerification.AreRight([Case(30, 30, 90)], 50));
        Assert.False(ModelVerification.AreRight([.. Enumerable.Range(0, 10).Select(i => Case(30, 30 + i % 2, 40 + i % 3))], 50));
        Assert.True(ModelVerification.AreRight([.. Enumerable.Range(0, 10).Select(i => Case(30, 30 + i % 3, 30 + i % 2))], 50));
        Assert.False(ModelVerification.AreRight([Case(90, 90, 90), Case(-200, fault: "a shape")], 50));
        // Of cases that are far apart chance explains anything.
        Assert.False(ModelVerification.AreRight([Case(-1, -1, 0), Case(-200, -200, -4, "a shape"), Case(-1, -2, -15)], 50));
        // What is as far from double precision as anything would be tells nothing.
        Assert.False(ModelVerification.AreRight([Case(1, 2, 1), Case(60)], 50));
        Assert.True(ModelVerification.AreRight([Case(7, 8, 7), .. Enumerable.Range(0, 4).Select(i => Case(30, 30 + i % 2, 30))], 50));
    }

    [Fact]
    public void A_sound_whose_phases_are_chance_passes_where_it_sounds_no_farther_than_the_oracle_s()
    {
        static Comparison Sound(double ours, double its, string? fault = null) => Case(fault is null ? 0 : -200, 1, 2, fault) with { ExactDistortionDb = ours, OracleExactDistortionDb = its };
        Assert.True(ModelVerification.AreRight([Sound(1, 2.7), Sound(0.8, 2.5, "longer by a frame"), Case(60)], 50));
        Assert.False(ModelVerification.AreRight([Sound(1, 2.7), Sound(3.2, 4)], 50));
        Assert.False(ModelVerification.AreRight([Sound(2.7, 1), Sound(2.2, 2.5)], 50));
        Assert.False(ModelVerification.AreRight([Sound(1, 2.7), Case(30, 20, 40)], 50));
    }
}
