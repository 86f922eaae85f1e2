using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>The positions of the elements that are not 0, in order: an Int64 row for each axis of the operand.</summary>
static class NonZero
{
    public static readonly ExactProgram Program = new("NonZero")
    {
        FoundSizes = 1,
        Types = (operands, _, sizes) => [new(ElementType.Int64, new(operands[0].Shape.Rank, sizes[0]))],
        Reference = (operands, _) => [Positions(operands[0])],
        Callee = new Callee.Code(c =>
            ($"{c.Sizes[0]} = NonZero.Count({c.Inputs[0].Pointer}, {c.Inputs[0].Count});",
            $"NonZero.Find({c.Inputs[0].Pointer}, {c.Outputs[0].Pointer}, [{string.Join(", ", c.Inputs[0].Sizes)}], {c.Inputs[0].Count}, {c.Sizes[0]});"), Code),
        Onnx = "NonZero",
        Range = operands => operands[0].Shape.Known is { Length: > 0 } sizes ? (0, Math.Max(0, sizes.Max() - 1)) : null,
    };

    const string Code = """
        static unsafe class NonZero
        {
            public static long Count<T>(T* x, long count) where T : unmanaged, INumber<T>
            {
                long found = 0;
                for (long i = 0; i < count; i++)
                    found += T.IsZero(x[i]) ? 0 : 1;
                return found;
            }

            public static void Find<T>(T* x, long* positions, ReadOnlySpan<long> dims, long count, long found) where T : unmanaged, INumber<T>
            {
                long at = 0;
                for (long i = 0; i < count; i++)
                {
                    if (T.IsZero(x[i]))
                        continue;
                    var rest = i;
                    for (var d = dims.Length - 1; d >= 0; d--)
                    {
                        positions[d * found + at] = rest % dims[d];
                        rest /= dims[d];
                    }
                    at++;
                }
            }
        }

        """;

    static Tensor Positions(Tensor x)
    {
        var found = Enumerable.Range(0, (int)x.Count).Where(i => x.Float(i) != 0).ToArray();
        var positions = new long[x.Rank * found.Length];
        for (var i = 0; i < found.Length; i++)
        {
            long rest = found[i];
            for (var axis = x.Rank - 1; axis >= 0; axis--)
            {
                positions[axis * found.Length + i] = rest % x.Dims[axis];
                rest /= x.Dims[axis];
            }
        }
        return Tensor.Of<long>(positions, x.Rank, found.Length);
    }
}
