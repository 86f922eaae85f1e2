using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>The elements of values, as expressions of what is stored: virtual values are computed within the kernel that asks for them.</summary>
/// <param name="producers">What makes each value of the graph.</param>
/// <param name="buffers">What is stored.</param>
/// <param name="steps">Is given what has to be stored after all.</param>
sealed class VirtualValues(IReadOnlyDictionary<Value, Node> producers, BufferTable buffers, StepList steps)
{
    readonly Dictionary<Value, Buffer> stored = buffers.Stored;
    readonly Dictionary<(Value, EquatableArray<Index>), Expr> pulled = [];
    (Value Value, Index[] At, Expr Result)? accumulated;

    /// <summary>Begins another kernel.</summary>
    public void Begin() => pulled.Clear();

    /// <summary>The element of a node's result where a reduction that it is computed from has come to its own.</summary>
    /// <param name="root">The node.</param>
    /// <param name="at">The position.</param>
    /// <param name="reduction">The reduction.</param>
    /// <param name="position">Its position.</param>
    /// <param name="result">What it has come to.</param>
    public Expr After(Node root, Index[] at, Node reduction, Index[] position, Expr result)
    {
        steps.ComeUpon(reduction);
        accumulated = (reduction.Output, position, result);
        var value = root == reduction ? result : Element(root, at);
        accumulated = null;
        return value;
    }

    /// <summary>The element of a value at a position.</summary>
    public Expr Pull(Value value, Index[] at)
    {
        var key = (value, at.ToEquatable());
        if (pulled.TryGetValue(key, out var there))
            return there;
        return pulled[key] = accumulated is { } acc && acc.Value == value ? acc.Result
            : producers.TryGetValue(value, out var constant) && constant.Op.Known is { Count: 1 } scalar && scalar.Type.Size() > 0 ? new Expr.Number(scalar.Type, scalar.Float(0), scalar.Integer(0))
            : stored.TryGetValue(value, out var buffer) ? new Expr.Load(buffer, Views.Flat(value.Shape, at))
            : Element(producers[value], at);
    }

    /// <summary>The element of a node's result at a position.</summary>
    public Expr Element(Node node, Index[] at)
    {
        steps.ComeUpon(node);
        Value X(int i) => node.Inputs[i];
        switch (node.Op)
        {
            case Op.Map map:
                return new Expr.Apply(map.Function, [.. node.Inputs.Select(v => Pull(v, Views.Stretch(at, node.Output.Shape, v.Shape)))]) { Format = buffers.Formats.GetValueOrDefault(node.Output) };
            case Op.Cast cast:
                var value = Pull(X(0), at);
                return value.Type == cast.To ? value : new Expr.Convert(cast.To, value);
            case Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold:
                return Pull(X(0), Views.Before(node, at, Made)!);
            case Op.Reshape reshape:
                if (stored.TryGetValue(X(0), out var whole) && Views.Merges(X(0).Shape, reshape.Shape))
                    return new Expr.Load(whole, Views.Flat(reshape.Shape, at));
                if (Views.Before(node, at, Made) is { } before)
                    return Pull(X(0), before);
                Materialize(X(0));
                return new Expr.Load(stored[X(0)], Views.Flat(reshape.Shape, at));
            case Op.Iota:
                return new Expr.Position(at[0]);
            case Op.SizeTensor sizes:
                return Sizes(sizes, Views.Flat(sizes.Shape, at));
            case Op.Pad pad:
                return Pad(node, pad, at);
            case Op.Gather gather:
                {
                    var indices = X(1);
                    var chosen = Pull(indices, at[gather.Axis..(gather.Axis + indices.Rank)]);
                    return Pull(X(0), [.. at[..gather.Axis], Chosen(chosen, X(0).Shape[gather.Axis]), .. at[(gather.Axis + indices.Rank)..]]);
                }
            case Op.GatherElements gather:
                {
                    var chosen = Pull(X(1), at);
                    return Pull(X(0), [.. at.Select((a, i) => i == gather.Axis ? Chosen(chosen, X(0).Shape[i]) : a)]);
                }
            case Op.GatherND gather:
                {
                    var indices = X(1);
                    var depth = (int)indices.Shape[indices.Rank - 1].Value!.Value;
                    var lead = at[..(indices.Rank - 1)];
                    var chosen = Enumerable.Range(0, depth).Select(d => Chosen(Pull(indices, [.. lead, (Dim)d]), X(0).Shape[gather.BatchAxes + d]));
                    return Pull(X(0), [.. at[..gather.BatchAxes], .. chosen, .. at[(indices.Rank - 1)..]]);
                }
            case Op.Constant or Op.Parameter:
                return new Expr.Load(buffers.Weight(node.Op.Stored!, node.Output.Type.Element, node.Output.Name), Views.Flat(node.Output.Shape, at));
            default:
                throw new InvalidOperationException($"{node.Op.GetType().Name} is not computed element by element");
        }
    }

    Node? Made(Value value) => producers.GetValueOrDefault(value);

    /// <summary>Stores after all what was to be computed within the kernel that is being written, ahead of that kernel.</summary>
    void Materialize(Value value)
    {
        var (outer, inner) = (accumulated, pulled.ToArray());
        accumulated = null;
        var axes = Axis.Of(value.Shape);
        var at = axes.Select(a => (Index)a).ToArray();
        var element = Element(producers[value], at);
        steps.Add(new Step.Nest(StepNames.Of(producers[value]), axes, buffers.Store(value), Views.Flat(value.Shape, at), element, null));
        accumulated = outer;
        pulled.Clear();
        foreach (var (key, expr) in inner)
            pulled.Add(key, expr);
    }

    static Index Chosen(Expr index, Dim size) => index is Expr.Number number && number.Whole >= 0 && size.Value > number.Whole
        ? (Index)(Dim)number.Whole
        : Index.Of(new Expr.Checked(index.Type == ElementType.Int64 ? index : new Expr.Convert(ElementType.Int64, index), size));

    /// <summary>Elements that are sizes: a choice among them by position.</summary>
    static Expr Sizes(Op.SizeTensor sizes, Index at)
    {
        Expr result = new Expr.Position(sizes.Values[^1]);
        for (var i = sizes.Values.Count - 2; i >= 0; i--)
            result = Expr.Guard.Of(at, i + 1, new Expr.Position(sizes.Values[i]), result);
        return result;
    }

    Expr Pad(Node node, Op.Pad pad, Index[] at)
    {
        var shape = node.Inputs[0].Shape;
        var from = Views.Before(node, at, Made)!;
        if (pad.Mode != Padding.Constant)
        {
            return Pull(node.Inputs[0], [.. from.Select((a, i) => pad.Low[i].Value == 0 && pad.High[i].Value == 0 ? a
                : Index.Of(new Expr.Folded(pad.Mode, a, shape[i])))]);
        }
        var value = Pull(node.Inputs[0], from);
        var outside = Pull(node.Inputs[1], []);
        for (var i = shape.Rank - 1; i >= 0; i--)
        {
            if ((pad.Low[i].Value is not <= 0 || pad.High[i].Value is not <= 0) && (stored.ContainsKey(node.Inputs[0]) || !Views.IsZeroBeyond(node, i, from[i], Made)))
                value = Expr.Guard.Of(from[i], shape[i], value, outside);
        }
        return value;
    }
}
