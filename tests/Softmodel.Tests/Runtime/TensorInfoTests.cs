using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public class TensorInfoTests
{
    [Fact]
    public void Sizes_are_numbers_up_to_the_largest()
    {
        var info = new TensorInfo("x", ElementType.Float32, "0", "9223372036854775807", "T", "2*T+3");
        Assert.Equal([0, long.MaxValue, -1, -1], info.Sizes.ToArray());
    }
}
