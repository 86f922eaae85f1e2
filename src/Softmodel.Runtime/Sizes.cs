using System.ComponentModel;

namespace Softmodel.Runtime;

/// <summary>Arithmetic on sizes in emitted code.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class Sizes
{
    /// <summary>Quotient rounded towards negative infinity.</summary>
    /// <exception cref="ModelException">The divisor is 0.</exception>
    public static long FloorDiv(long a, long b)
    {
        if (b == 0)
            throw new ModelException(ModelError.Shape, $"the size {a} is divided by 0");
        return a / b - (a % b != 0 && a % b < 0 != b < 0 ? 1 : 0);
    }

    /// <summary>The larger.</summary>
    public static long Max(long a, long b) => Math.Max(a, b);

    /// <summary>The size of an axis when operands of these sizes are broadcast: the other one where one is 1.</summary>
    /// <exception cref="ModelException">They differ and neither is 1.</exception>
    public static long Broadcast(long a, long b) =>
        a == b || b == 1 ? a : a == 1 ? b
        : throw new ModelException(ModelError.Shape, $"axes of {a} and {b} elements cannot be broadcast to one another");
}
