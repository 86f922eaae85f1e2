using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that make tensors of numbers or sizes.</summary>
static class Creation
{
    [Operator("Constant")]
    static Term Constant(OnnxCall call) => (call.Node.Attributes.Values.ToArray() is [var only] ? only : throw new SoftmodelException($"it has {call.Node.Attributes.Count} values instead of one")) switch
    {
        { Kind: OnnxAttributeKind.Tensor } a => call.Literal(a.Tensor!.ToTensor()),
        { Kind: OnnxAttributeKind.Float } a => call.Constant(Tensor.Scalar(a.Float)),
        { Kind: OnnxAttributeKind.Int } a => call.Constant(Tensor.Scalar(a.Int)),
        { Kind: OnnxAttributeKind.Floats } a => call.Literal(Tensor.Vector<float>([.. a.Floats])),
        { Kind: OnnxAttributeKind.Ints } a => call.Constant(Tensor.Vector<long>([.. a.Ints])),
        { Kind: OnnxAttributeKind.SparseTensor } a => call.Literal(a.SparseTensor!.ToDense().ToTensor()),
        var a => throw new SoftmodelException($"a constant of kind {a.Kind} is not supported"),
    };

    [Operator("ConstantOfShape", since: 9)]
    static Term ConstantOfShape(OnnxCall call, Term shape, Tensor? value = null) =>
        call.Constant(value ?? Tensor.Vector(0f)).Reshape(Shape.Scalar).Broadcast(new(shape.AsSizes()));

    [Operator("Shape")]
    static Term ShapeOf(OnnxCall call, Term x, long start = 0, long? end = null)
    {
        long Clamp(long at) => Math.Clamp(at < 0 ? at + x.Rank : at, 0, x.Rank);
        var (from, to) = (Clamp(start), Clamp(end ?? x.Rank));
        return call.Sizes([.. x.Shape.Dims.Skip((int)from).Take((int)Math.Max(0, to - from))]);
    }

    [Operator("Size")]
    static Term Size(OnnxCall call, Term x) => call.Size(x.Shape.Count);

    [Operator("Range", since: 11)]
    static Term Range(OnnxCall call, Term start, Term limit, Term delta)
    {
        var (begin, step) = (Single(start), Single(delta));
        var (fromZero, byOne) = (start.Known?.IsAll(0) == true, delta.Known?.IsAll(1) == true);
        // In 64 bits, as in 32 a float may round to the whole one that it is a little more than.
        Term Exact(Term x) => start.Element.IsFloat() ? x.Cast(ElementType.Float64) : x;
        var distance = fromZero ? Exact(Single(limit)) : Exact(Single(limit)) - Exact(begin);
        var count = start.Element.IsFloat()
            ? (byOne ? distance : distance / Exact(step)).Map(Functions.Ceiling).Cast(ElementType.Int64)
            : byOne ? distance.Cast(ElementType.Int64) : CeilingQuotient(distance.Cast(ElementType.Int64), step.Cast(ElementType.Int64));
        var size = count.Max(0).Reshape(new(Dim.One)).AsSizes()[0];
        var index = call.Source(new Op.Iota(size)).Cast(start.Element);
        var steps = byOne ? index : index * step;
        return fromZero ? steps : steps + begin;
    }

    static Term Single(Term x) => x.Reshape(Shape.Scalar);

    static Term CeilingQuotient(Term a, Term b) => -(-a).Map(Functions.Subtract, (-a).Map(Functions.Modulo, b)) / b;

    [Operator("EyeLike", since: 9)]
    static Term EyeLike(OnnxCall call, Term x, ElementType? dtype = null, long k = 0)
    {
        var (row, column) = (call.Source(new Op.Iota(x.Shape[0])).Unsqueeze(1), call.Source(new Op.Iota(x.Shape[1])));
        return Elementwise.To(column.EqualTo(row + k), dtype ?? x.Element);
    }
}
