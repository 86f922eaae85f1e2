using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>The gradient of each core operation: what reaches its operands from what has reached its results. One row for each.</summary>
static class GradientRules
{
    /// <summary>What reaches each operand; null where nothing does, or nobody asks.</summary>
    /// <exception cref="SoftmodelException">The operation is an exact program, which has no gradient.</exception>
    public static Term?[] Of(BackwardStep step)
    {
        var x = step.X;
        var none = new Term?[x.Length];
        return step.Node.Op switch
        {
            Op.Constant or Op.Parameter or Op.SizeTensor or Op.Iota or Op.Random or Op.Bind or Op.ArgReduce => none,
            Op.Map map => [.. Derivatives.Of(map.Function, step.Jumps)(x, step.Y[0], step.D).Zip(x, (d, operand) => d is { } reached ? Adjoints.OfBroadcast(reached, operand.Shape) : (Term?)null)],
            Op.Cast cast => x[0].Element.IsFloat() ? [step.D.Cast(x[0].Element)] : step.Jumps == Jumps.StraightThrough ? [step.D] : none,
            Op.Reduce reduce => [Reduce(reduce, x[0], step.Y[0], step.D)],
            Op.Contract contract => Contract(contract.Equation, step),
            Op.Convolve convolve => Convolutions.Gradients(convolve, step),
            Op.ConvolveTransposed convolve => Convolutions.Gradients(convolve, step),
            Op.Reshape => [step.D.Reshape(x[0].Shape)],
            Op.Transpose transpose => [step.D.Transpose([.. Enumerable.Range(0, x[0].Rank).Select(i => transpose.Order.ToList().IndexOf(i))])],
            Op.Broadcast => [Adjoints.OfBroadcast(step.D, x[0].Shape)],
            Op.Slice slice => [Adjoints.OfSlice(step.D, slice, x[0].Shape)],
            Op.Pad pad => Adjoints.OfPad(step.D, pad, x[0].Shape, step.IsWanted.ElementAtOrDefault(1)),
            Op.Unfold unfold => [Adjoints.OfUnfold(step.D, unfold, x[0].Shape)],
            Op.Concat concat => Concat(concat.Axis, x, step.D),
            Op.Gather gather => [Adjoints.OfGather(step.D, x[0].Shape, gather.Axis, x[1]), null],
            Op.GatherElements gather => [Adjoints.Zeros(x[0]).Apply(new Op.ScatterElements(gather.Axis, Combination.Sum), x[1], step.D), null],
            Op.GatherND gather => [Adjoints.Zeros(x[0]).Apply(new Op.ScatterND(Combination.Sum), Positions(x[1], gather.BatchAxes), step.D), null],
            Op.ScatterElements scatter => Scatter(scatter.Combine, step,
                (data, how, updates) => data.Apply(new Op.ScatterElements(scatter.Axis, how), x[1], updates), data => data.Apply(new Op.GatherElements(scatter.Axis), x[1])),
            Op.ScatterND scatter => Scatter(scatter.Combine, step,
                (data, how, updates) => data.Apply(new Op.ScatterND(how), x[1], updates), data => data.Apply(new Op.GatherND(0), x[1])),
            Op.Accumulate accumulate => [Accumulate(accumulate, x[0], step.Y[0], step.D)],
            Op.TopK top => [step.Dy[0] is { } d ? Adjoints.Zeros(x[0]).Apply(new Op.ScatterElements(top.Axis, Combination.Sum), step.Y[1], d) : null],
            Op.If branch => ControlFlowGradients.If(branch, step),
            Op.Loop loop => ControlFlowGradients.Loop(loop, step),
            Op.Call call => throw new SoftmodelException($"{(step.Node.Source.Length > 0 ? step.Node.Source : call.Program)}: the program '{call.Program}' has no gradient, and what is to be learned lies behind it"),
            _ => throw new InvalidOperationException($"no gradient for {step.Node.Op.GetType().Name}"),
        };
    }

    static Term Reduce(Op.Reduce reduce, Term x, Term y, Term d)
    {
        var kept = new Shape(x.Shape.Dims.Select((size, i) => reduce.Axes.Contains(i) ? Dim.One : size).ToEquatable());
        switch (reduce.Kind)
        {
            case Reduction.Sum:
                return d.Reshape(kept).Broadcast(x.Shape);
            case Reduction.Product:
                return d.Reshape(kept) * ProductOfOthers(x, reduce.Axes);
            default:
                var isBest = x.EqualTo(y.Reshape(kept));
                var share = d.Reshape(kept) / isBest.Cast(x.Element).Reduce(Reduction.Sum, [.. reduce.Axes], keep: true);
                return isBest.Select(share, Adjoints.Zeros(share));
        }
    }

    /// <summary>For each element the product of all others along some axes, where any of them may be 0.</summary>
    static Term ProductOfOthers(Term x, EquatableArray<int> axes)
    {
        int[] order = [.. Enumerable.Range(0, x.Rank).Where(i => !axes.Contains(i)), .. axes];
        var lines = x.Transpose(order);
        var at = x.Rank - axes.Count;
        var flat = lines.Reshape(new([.. lines.Shape.Dims.Take(at), Dim.Product(lines.Shape.Dims.Skip(at))]));
        Term Before(bool reverse) => flat.Apply(new Op.Accumulate(Reduction.Product, at, Exclusive: true, reverse));
        return (Before(false) * Before(true)).Reshape(lines.Shape).Transpose([.. Enumerable.Range(0, x.Rank).Select(i => Array.IndexOf(order, i))]);
    }

    static Term?[] Contract(string equation, BackwardStep step)
    {
        var (left, right, result) = Einsum.Split(equation);
        return [step.IsWanted[0] ? Operand(left, right, step.X[1], step.X[0].Shape) : null, step.IsWanted[1] ? Operand(right, left, step.X[0], step.X[1].Shape) : null];

        Term Operand(string own, string others, Term other, Shape shape)
        {
            // What only this operand has is summed over alone: each of its elements is reached by the same.
            var there = string.Concat(own.Where(c => result.Contains(c) || others.Contains(c)));
            var reached = step.D.Contract($"{result},{others}->{there}", other);
            return there.Length == own.Length ? reached : reached.Unsqueeze([.. Enumerable.Range(0, own.Length).Where(i => !there.Contains(own[i]))]).Broadcast(shape);
        }
    }

    static Term?[] Concat(int axis, Term[] x, Term d)
    {
        var (parts, at) = (new Term?[x.Length], Dim.Zero);
        for (var i = 0; i < x.Length; i++)
        {
            parts[i] = d.Slice(axis, at, x[i].Shape[axis]);
            at += x[i].Shape[axis];
        }
        return parts;
    }

    /// <summary>Positions with the numbers of common axes before them, so that no axis is common any more.</summary>
    static Term Positions(Term indices, int batchAxes)
    {
        var lists = indices.Shape.With(indices.Rank - 1, 1);
        Term[] numbers = [.. Enumerable.Range(0, batchAxes).Select(axis => Adjoints.Iota(indices.Builder, indices.Shape[axis])
            .Reshape(new(Enumerable.Range(0, indices.Rank).Select(i => i == axis ? indices.Shape[i] : Dim.One).ToEquatable())).Broadcast(lists).Cast(indices.Element))];
        return batchAxes == 0 ? indices : numbers[0].Concat(indices.Rank - 1, [.. numbers[1..], indices]);
    }

    /// <param name="how">How the updates are combined with what is there.</param>
    /// <param name="step">The node.</param>
    /// <param name="put">Combines updates with data, at the node's indices.</param>
    /// <param name="pick">The data at the node's indices.</param>
    static Term?[] Scatter(Combination how, BackwardStep step, Func<Term, Combination, Term, Term> put, Func<Term, Term> pick)
    {
        var (data, updates, y, d) = (step.X[0], step.X[2], step.Y[0], step.D);
        switch (how)
        {
            case Combination.Sum:
                return [d, null, pick(d)];
            case Combination.Replace:
                // Of several that replace one element the last is there, and is reached.
                var number = Adjoints.Iota(step.Builder, updates.Shape.Count).Reshape(updates.Shape);
                var isThere = pick(put(Adjoints.Zeros(number, data.Shape), Combination.Replace, number)).EqualTo(number);
                return [put(d, Combination.Replace, Adjoints.Zeros(updates)), null, isThere.Select(pick(d), Adjoints.Zeros(updates))];
            case Combination.Product:
                // The product of all others, where any of them may be 0: that of those that are not, unless another one is.
                var isZero = updates.EqualTo(0);
                var product = put(data.Scalar(1).Broadcast(data.Shape), Combination.Product, updates);
                var ofNonZero = put(data, Combination.Product, isZero.Select(updates.Scalar(1), updates));
                var zeros = put(Adjoints.Zeros(data), Combination.Sum, isZero.Cast(data.Element));
                var isAnotherZero = pick(zeros) - isZero.Cast(data.Element) > 0.5;
                return [d * product, null, isAnotherZero.Select(Adjoints.Zeros(updates), pick(d * ofNonZero) / isZero.Select(updates.Scalar(1), updates))];
            default:
                var (wasBest, isBest) = (data.EqualTo(y).Cast(data.Element), updates.EqualTo(pick(y)).Cast(data.Element));
                var shares = d / put(wasBest, Combination.Sum, isBest);
                return [wasBest.EqualTo(0).Select(Adjoints.Zeros(data), shares), null, isBest * pick(shares)];
        }
    }

    static Term Accumulate(Op.Accumulate accumulate, Term x, Term y, Term d)
    {
        if (accumulate.Kind == Reduction.Sum)
            return d.Apply(accumulate with { Reverse = !accumulate.Reverse });
        // Which elements each result has seen, as a matrix: its rows are the elements, its columns the results.
        var (axis, size) = (accumulate.Axis, x.Shape[accumulate.Axis]);
        int[] last = [.. Enumerable.Range(0, x.Rank).Where(i => i != axis), axis];
        var (lines, reached) = (x.Transpose(last), d.Transpose(last).Unsqueeze(x.Rank - 1));
        var (row, column) = (Adjoints.Iota(x.Builder, size).Unsqueeze(1), Adjoints.Iota(x.Builder, size));
        var isSeen = (accumulate.Exclusive, accumulate.Reverse) switch
        {
            (false, false) => row <= column,
            (true, false) => row < column,
            (false, true) => column <= row,
            (true, true) => column < row,
        };
        Term each;
        if (accumulate.Kind == Reduction.Product)
        {
            // The product of what a result has seen but for one element.
            var others = (row.EqualTo(column)).Select(lines.Scalar(1), lines.Unsqueeze(x.Rank - 1));
            each = others.Apply(new Op.Accumulate(Reduction.Product, x.Rank, accumulate.Exclusive, accumulate.Reverse));
            each = isSeen.Select(each, each.Scalar(0));
        }
        else
        {
            var isBest = (isSeen & lines.Unsqueeze(x.Rank).EqualTo(y.Transpose(last).Unsqueeze(x.Rank - 1))).Cast(x.Element);
            each = isBest / isBest.Reduce(Reduction.Sum, [x.Rank - 1], keep: true).Max(1);
        }
        return (each * reached).Reduce(Reduction.Sum, [x.Rank]).Transpose([.. Enumerable.Range(0, x.Rank).Select(i => Array.IndexOf(last, i))]);
    }
}
