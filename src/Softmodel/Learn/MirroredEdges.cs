using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>Padding that mirrors an axis, written as what stands beside one another: gradients then go back through slices, and scatter nothing.</summary>
static class MirroredEdges
{
    /// <summary>The pieces in a row that stand for such a padding; null for other operations, and where a mirror image would be mirrored again.</summary>
    public static Term? Rule(GraphBuilder builder, Op op, Term[] inputs)
    {
        if (op is not Op.Pad { Mode: Padding.Reflect } pad)
            return null;
        var y = inputs[0];
        for (var axis = 0; axis < y.Rank; axis++)
        {
            if ((pad.Low[axis].Value, pad.High[axis].Value, y.Shape[axis].Value) is not ({ } low, { } high, { } size) || low < 0 || high < 0 || Math.Max(low, high) >= size)
                return null;
            // What stands at an end is not repeated.
            if (low > 0)
                y = y.Slice(axis, low, low, -1).Concat(axis, y);
            if (high > 0)
                y = y.Concat(axis, y.Slice(axis, low + size - 2, high, -1));
        }
        return y;
    }
}
