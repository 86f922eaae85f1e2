using Softmodel.Bench.Differential;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Differential;

/// <summary>Drawn models of every operator, in ONNX Runtime and here.</summary>
public class DifferentialTests
{
    [Fact]
    public void Every_operator_of_the_importer_is_drawn_or_has_a_reason_not_to_be()
    {
        var drawn = new HashSet<(string Domain, string Name)>();
        foreach (var row in Row.All)
        {
            for (var seed = 0; seed < 8; seed++)
            {
                var draft = new Draft(seed);
                row.Draw(draft);
                drawn.UnionWith(draft.Operators);
            }
        }
        Assert.DoesNotContain(Decompositions.All.Select(r => r.Operator), o => !drawn.Contains((o.Domain, o.Name)) && Row.ReasonFor(o) is null);
    }

    [Fact]
    public void No_operator_is_decomposed_twice_in_one_version() => Assert.All(Decompositions.All, row => Assert.Equal(row.Since.Distinct(), row.Since));

    [Fact]
    public void Explanations_are_of_rows_that_there_are()
    {
        Assert.NotEmpty(Explanation.All);
        Assert.Empty(Explanation.All.SelectMany(e => e.Operator == "*" ? [] : e.Operator.Split(", ")).Except(Row.All.Select(r => r.Name)));
    }

    [Fact]
    public void The_same_seed_gives_the_same_models()
    {
        byte[] Model(int seed, long index) => new DifferentialOptions(1000, seed, []).Draw(index).Draft.Model();
        Assert.Equal(Model(1, 7), Model(1, 7));
        Assert.NotEqual(Model(1, 7), Model(2, 7));
    }

    [Fact]
    public async Task Drawn_models_agree()
    {
        var options = new DifferentialOptions(Row.All.Length, 3, [], CompileEvery: 16);
        var report = await DifferentialRun.Run(options, workers: 2, (_, _) => { }, TestContext.Current.CancellationToken);
        Assert.Equal(options.Count, report.Count);
        Assert.True(report.Outcomes["Agree"] > options.Count * 0.7);
        Assert.DoesNotContain(report.Disagreements, d => d.Explained is null);
    }

    // What was found wrong, as small as it could be made: each is compiled and agrees with ONNX Runtime.
    static readonly Dictionary<string, Action<Draft>> found = new(StringComparer.Ordinal)
    {
        ["a range whose length is a little more in 64 bits"] = d => d.Node("Range", [Scalar(d, -1.3f), Scalar(d, 2.9f), Scalar(d, 0.7f)], ElementType.Float32),
        ["a range whose end rounds onto a step"] = d => d.Node("Range", [Scalar(d, 0f), Scalar(d, 0.3f), Scalar(d, 0.1f)], ElementType.Float32),
        ["a scale that is a little more in 32 bits"] = d => Resized(d, ElementType.Float32, 10, 0.7f, "nearest"),
        ["a place that rounds to the next element"] = d => Resized(d, ElementType.Float32, 10, 0.6f, "nearest"),
        ["lines between bytes"] = d => Resized(d, ElementType.UInt8, 5, 2, "linear"),
        ["lines between integers"] = d => Resized(d, ElementType.Int32, 5, 4, "linear"),
        ["integers shrunk by halves"] = d => d.Node("Shrink", [d.Input(Tensor.Vector<byte>(0, 1, 2, 3))], ElementType.UInt8, ("bias", 0.5), ("lambd", 1.5)),
        ["a signal whose last axis is open"] = d => d.Node("STFT", [Open(d, [1, 12, 1]), Scalar(d, 2L), null, Scalar(d, 4L)], ElementType.Float32),
        ["the same padding of an open size"] = d => d.Node("Conv", [Open(d, [1, 2, 7, 8]), d.Constant(d.Tensor(ElementType.Float32, [3, 2, 3, 3]))], ElementType.Float32, ("strides", new[] { 2, 3 }), ("auto_pad", "SAME_UPPER")),
        ["the same padding of open windows"] = d => d.Node("MaxPool", [Open(d, [1, 2, 7, 8])], ElementType.Float32, ("kernel_shape", new[] { 3, 2 }), ("strides", new[] { 2, 3 }), ("auto_pad", "SAME_LOWER")),
        ["windows that stick out of an open size"] = d => d.Node("AveragePool", [Open(d, [1, 2, 7, 8])], ElementType.Float32, ("kernel_shape", new[] { 2, 3 }), ("strides", new[] { 3, 3 }), ("ceil_mode", 1)),
        ["infinities clipped where only one bound is given"] = d =>
        {
            d.Since(7);
            d.Node("Clip", [d.Input(Tensor.Vector(float.PositiveInfinity, 1, float.NegativeInfinity))], ElementType.Float32, ("min", -2f));
        },
        ["infinities clipped where no bound is given"] = d =>
        {
            d.Since(13);
            d.Node("Clip", [d.Input(Tensor.Vector(double.PositiveInfinity, 1, double.NegativeInfinity))], ElementType.Float64);
        },
        ["zeros quantised by their own range"] = d => d.Node("DynamicQuantizeLinear", [d.Input(Tensor.Vector(0f, 0, 0))], [ElementType.UInt8, ElementType.Float32, ElementType.UInt8]),
        ["zeros quantised and multiplied"] = d => d.Node("com.microsoft:DynamicQuantizeMatMul", [d.Input(Tensor.Of<float>(new float[4], 2, 2)), d.Constant(Tensor.Of<sbyte>([1, 2, 3, 4], 2, 2)), d.Constant(Tensor.Scalar(0.5f)), null, null], ElementType.Float32),
        ["a body that stretches an open size"] = Carried,
    };

    public static TheoryData<string> Found => [.. found.Keys];

    [Theory]
    [MemberData(nameof(Found))]
    public void What_was_found_agrees(string what)
    {
        var draft = new Draft(1);
        found[what](draft);
        var folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
        try
        {
            Assert.Equal((Outcome.Agree, ""), DifferentialCase.Run(draft, Path.Combine(folder, "model.onnx"), true, _ => { }));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static string Scalar<T>(Draft d, T value) where T : unmanaged => d.Constant(Tensor.Scalar(value));

    static string Open(Draft d, long[] dims) => d.Input(d.Tensor(ElementType.Float32, dims), Openness.Own);

    static void Resized(Draft d, ElementType type, long size, float scale, string mode) =>
        d.Node("Resize", [d.Data(type, [1, 1, 3, size]), null, d.Constant(Tensor.Vector(1f, 1, 1, scale))], type, ("mode", mode), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", mode == "nearest" ? "floor" : null));

    static void Carried(Draft d)
    {
        var (x, y) = (Open(d, [3]), Open(d, [3]));
        var body = d.Body();
        var (_, _, state) = (body.Parameter(ElementType.Int64, 0), body.Parameter(ElementType.Bool, 0), body.Parameter(ElementType.Float32, 1));
        body.Gives(body.Constant(Tensor.Scalar(true)), ElementType.Bool);
        body.Gives(body.Node("Add", [state, y], ElementType.Float32), ElementType.Float32);
        d.Node("Loop", [Scalar(d, 3L), null, x], [ElementType.Float32], ("body", body));
    }
}
