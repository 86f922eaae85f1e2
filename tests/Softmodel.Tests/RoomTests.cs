using Softmodel.Runtime;

namespace Softmodel.Tests;

public class RoomTests
{
    [Fact]
    public void Solution_has_a_runtime_without_dependencies() =>
        Assert.DoesNotContain(typeof(CompiledModel).Assembly.GetReferencedAssemblies(), a => !a.Name!.StartsWith("System", StringComparison.Ordinal));
}
