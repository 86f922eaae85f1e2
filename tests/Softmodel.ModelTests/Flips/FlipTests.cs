using Softmodel.Bench.Flips;

namespace Softmodel.ModelTests.Flips;

public class FlipTests
{
    [Fact]
    public void Damage_of_each_kind_of_file_is_noticed()
    {
        var count = Shared.AreAllCases ? 1000 : 40;
        var report = FlipRun.Run(count, 3, null, [], TestContext.Current.CancellationToken);
        Assert.Empty(report.Faults);
        Assert.All(report.Kinds, k =>
        {
            Assert.Equal(0, k.Used);
            Assert.Equal(count, k.Healed + k.Refused + k.Ignored);
        });
        // What can be made again is, and only weights that have no cache behind them are refused.
        Assert.Equal(["weights of a native library"], report.Kinds.Where(k => k.Refused > 0).Select(k => k.Kind));
    }
}
