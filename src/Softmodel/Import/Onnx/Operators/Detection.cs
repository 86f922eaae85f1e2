using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators on boxes that may hold what is looked for.</summary>
static class Detection
{
    /// <summary>In each round the best box that is left is chosen in every class of every image, and those that overlap it leave.</summary>
    [Operator("NonMaxSuppression", since: 10)]
    static Term NonMaxSuppression(OnnxCall call, Term boxes, Term scores, Term? maxOutputBoxesPerClass, Term? iouThreshold, Term? scoreThreshold, bool centerPointBox = false)
    {
        var (images, classes, count) = (scores.Shape[0], scores.Shape[1], scores.Shape[2]);
        var most = maxOutputBoxesPerClass is { } given ? given.Reshape(new(Dim.One)).Cast(ElementType.Int64).AsSizes()[0] : Dim.Zero;
        var rounds = Dim.Min(most, count);
        var overlaps = Overlap(boxes, centerPointBox) > (iouThreshold?.Reshape(Shape.Scalar) ?? boxes.Scalar(0));
        var least = scoreThreshold?.Reshape(Shape.Scalar) ?? scores.Scalar(double.NegativeInfinity);

        var inner = new GraphBuilder("round", call.Folding, call.Builder);
        Term Seen(Term outer) => new(inner, inner.Capture(outer.Value));
        inner.Input("iteration", new(ElementType.Int64, Shape.Scalar));
        var left = new Term(inner, inner.Input("left", scores.Type));
        var best = left.Apply(new Op.ArgReduce(true, 2, false));
        var isFound = left.Reduce(Reduction.Max, [2]) > Seen(least);
        var isNear = Seen(overlaps).Apply(new Op.GatherND(1), best.Unsqueeze(2)) | new Term(inner, inner.Apply(new Op.Iota(count))).EqualTo(best.Unsqueeze(2));
        var next = isNear.Select(left.Scalar(double.NegativeInfinity), left).Reshape(left.Shape);
        var body = inner.Build([left.Constant(Tensor.Scalar(ElementType.Bool, 1)).Value, next.Value, best.Value, isFound.Value]);

        var stacks = call.Builder.ApplyAll(new Op.Loop(body, 1, rounds),
            [call.Size(rounds).Value, call.Constant(Tensor.Scalar(ElementType.Bool, 1)).Value, scores.Value, .. inner.Captures]);
        Term ByClass(int i) => new Term(call.Builder, stacks[i]).Transpose(1, 2, 0);
        var found = Indexing.NonZero(call, ByClass(2));
        var box = ByClass(1).Apply(new Op.GatherND(0), found.Transpose(1, 0));
        return found.Slice(0, 0, 2).Transpose(1, 0).Concat(1, box.Unsqueeze(1));
    }

    /// <summary>For every two boxes of an image, the area that they share as part of the area that they cover.</summary>
    static Term Overlap(Term boxes, bool fromCentre)
    {
        Term Part(int i) => boxes.Slice(2, i, 1);
        var (top, left, bottom, right) = fromCentre
            ? (Part(1) - Part(3) / 2, Part(0) - Part(2) / 2, Part(1) + Part(3) / 2, Part(0) + Part(2) / 2)
            : (Part(0).Min(Part(2)), Part(1).Min(Part(3)), Part(0).Max(Part(2)), Part(1).Max(Part(3)));
        static Term Shared(Term low, Term high) => (high.Min(high.Transpose(0, 2, 1)) - low.Max(low.Transpose(0, 2, 1))).Max(0);
        var (area, shared) = ((bottom - top) * (right - left), Shared(top, bottom) * Shared(left, right));
        return shared / (area + area.Transpose(0, 2, 1) - shared);
    }
}
