using Softmodel.Graphs;

namespace Softmodel.Tests.Graphs;

public class DimTests
{
    [Fact]
    public void A_quotient_by_0_is_an_error_that_names_the_size()
    {
        Assert.Contains("the size T is divided by 0", Assert.Throws<SoftmodelException>(() => Dim.FloorDiv(Dim.Symbol("T"), 0)).Message, StringComparison.Ordinal);
        var size = Dim.FloorDiv(3, Dim.Symbol("T"));
        Assert.Throws<SoftmodelException>(() => size.Substitute(_ => Dim.Zero));
        Assert.Equal(0, size.Substitute(_ => Dim.Zero, overZero: Dim.Zero).Value);
        Assert.Equal(1, size.Substitute(_ => (Dim)2, overZero: Dim.Zero).Value);
    }
}
