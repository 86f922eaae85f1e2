using Softmodel.Tests.Common;

namespace Softmodel.Tests.Generated;

/// <summary>
/// Nothing is read or written beyond a buffer, and what sizes make impossible is refused by name: random graphs in processes of their own.
/// </summary>
public class GuardPageTests
{
    [Theory]
    [InlineData("after")]
    [InlineData("before")]
    public void Nothing_beyond_a_buffer_is_touched(string side)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "guard pages need Linux");
        var (from, to) = Seeds.Range(12);
        var (found, agreed) = GuardedProcess.Run(side, new GuardedRuns().Graphs, from, to);
        Assert.True(found.Count == 0, $"{agreed} runs agreed; {found.Count} did not:\n{string.Join("\n", found)}");
        Assert.True(agreed > 3 * (to - from), $"only {agreed} runs");
    }
}
