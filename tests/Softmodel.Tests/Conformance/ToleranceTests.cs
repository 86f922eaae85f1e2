using Softmodel.Cli.Conformance;
using Softmodel.Graphs;

namespace Softmodel.Tests.Conformance;

public class ToleranceTests
{
    [Theory]
    [InlineData(1000f, 1000.9f, true)]
    [InlineData(1000f, 1001.1f, false)]
    [InlineData(0f, 0.9e-7f, true)]
    [InlineData(0f, 1.1e-6f, false)]
    [InlineData(float.NaN, float.NaN, true)]
    [InlineData(float.NaN, 0f, false)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity, true)]
    [InlineData(float.PositiveInfinity, float.NegativeInfinity, false)]
    [InlineData(float.PositiveInfinity, float.MaxValue, false)]
    [InlineData(1f, float.NaN, false)]
    public void Onnx_allows_a_thousandth_of_each_element(float expected, float actual, bool close) =>
        Assert.Equal(close, Tolerance.Onnx.Difference(Tensor.Vector(expected), Tensor.Vector(actual)) is null);

    [Fact]
    public void Whole_numbers_are_equal_or_wrong() =>
        Assert.Contains("element 1: 100001 instead of 100000", Tolerance.Onnx.Difference(Tensor.Vector(7, 100000), Tensor.Vector(7, 100001)));

    [Fact]
    public void Networks_are_measured_by_their_largest_element()
    {
        Assert.Null(Tolerance.Network.Difference(Tensor.Vector(0f, 100f), Tensor.Vector(0.19f, 100f)));
        Assert.Contains("element 0", Tolerance.Network.Difference(Tensor.Vector(0f, 100f), Tensor.Vector(0.21f, 100f)));
    }

    [Fact]
    public void Type_and_sizes_must_be_the_same()
    {
        Assert.NotNull(Tolerance.Onnx.Difference(Tensor.Vector(1f), Tensor.Vector(1.0)));
        Assert.NotNull(Tolerance.Onnx.Difference(Tensor.Vector(1f), Tensor.Scalar(1f)));
    }
}
