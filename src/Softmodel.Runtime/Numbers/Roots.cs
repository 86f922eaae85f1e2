using System.Numerics;

namespace Softmodel.Runtime.Numbers;

/// <summary>Roots of large integers.</summary>
static class Roots
{
    /// <summary>The greatest integer whose power is not greater than a number.</summary>
    /// <param name="number">Not negative.</param>
    /// <param name="index">At least 1.</param>
    public static BigInteger Floor(BigInteger number, int index)
    {
        if (index == 1 || number <= BigInteger.One)
            return number;
        var bits = number.GetBitLength();
        if (bits <= index)
            return BigInteger.One;
        // Newton's method from above, which falls until it is there. The first guess has the accuracy of a double.
        var exponent = BigInteger.Log(number, 2) / index;
        var shift = Math.Max(0, (int)exponent - 52);
        var root = (new BigInteger(Math.Pow(2, exponent - shift) * (1 + 1e-9)) + 1) << shift;
        while (true)
        {
            var next = (root * (index - 1) + number / BigInteger.Pow(root, index - 1)) / index;
            if (next >= root)
                return root;
            root = next;
        }
    }

    /// <summary>A root to a number of decimals beyond which it is not right: between them and the next one lies the irrational root.</summary>
    /// <param name="value">Negative only for an odd index.</param>
    /// <param name="index">At least 1.</param>
    /// <param name="decimals">How many decimals are right.</param>
    public static Rational Approximate(Rational value, int index, int decimals)
    {
        var floor = Floor(BigInteger.Abs(value.Numerator) * BigInteger.Pow(10, index * decimals) / value.Denominator, index);
        // Half a unit more: what is cut off is never nothing, so that no digit looks like the exact middle of two.
        var root = new Rational(2 * floor + 1, 2 * BigInteger.Pow(10, decimals));
        return value.Sign < 0 ? -root : root;
    }
}
