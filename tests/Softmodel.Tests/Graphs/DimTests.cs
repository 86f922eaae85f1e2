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
        Assert.Equal(0, size.Substitute(_ => Dim.Zero, impossible: Dim.Zero).Value);
        Assert.Equal(1, size.Substitute(_ => (Dim)2, impossible: Dim.Zero).Value);
    }

    [Fact]
    public void A_broadcast_of_sizes_that_do_not_fit_is_an_error_or_what_is_asked_for()
    {
        var size = Dim.Broadcast(Dim.Symbol("S"), Dim.Symbol("S") + 2);
        Assert.Throws<SoftmodelException>(() => size.Substitute(_ => Dim.Zero));
        Assert.Equal(0, size.Substitute(_ => Dim.Zero, impossible: Dim.Zero).Value);
        Assert.Equal(3, size.Substitute(_ => Dim.One, impossible: Dim.Zero).Value);
    }
}
