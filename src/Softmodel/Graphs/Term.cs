using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>A value in a graph that is being built, written as arithmetic: <c>x * (y + 1).Exp()</c> adds the nodes for it.</summary>
/// <param name="Builder">The graph.</param>
/// <param name="Value">The value.</param>
public readonly record struct Term(GraphBuilder Builder, Value Value)
{
    /// <summary>Element type and shape.</summary>
    public TensorType Type => Value.Type;
    /// <summary>The type of the elements.</summary>
    public ElementType Element => Value.Type.Element;
    /// <summary>The shape.</summary>
    public Shape Shape => Value.Shape;
    /// <summary>The number of axes.</summary>
    public int Rank => Value.Rank;

    /// <summary>The tensor that this is at build time, else null.</summary>
    public Tensor? Known => Builder.Known(Value);

    /// <summary>The elements as sizes, where sizes known at build time or from the inputs' shapes; else null.</summary>
    public IReadOnlyList<Dim>? Contents => Builder.Contents(Value);

    /// <summary>Adds an operation with this as first operand.</summary>
    public Term Apply(Op op, params ReadOnlySpan<Term> others)
    {
        var operands = new Value[others.Length + 1];
        operands[0] = Value;
        for (var i = 0; i < others.Length; i++)
            operands[i + 1] = others[i].Value;
        return new(Builder, Builder.Apply(op, operands));
    }

    /// <summary>A scalar of this term's element type.</summary>
    /// <exception cref="SoftmodelException">The type holds integers, and this is none of them.</exception>
    public Term Scalar(double value) => Element.IsFloat() || IsWhole(value, Element) ? new(Builder, Builder.Constant(Tensor.Scalar(Element, value)))
        : throw new SoftmodelException($"{value:R} is no number of type {Element}");

    static bool IsWhole(double value, ElementType type)
    {
        var most = type == ElementType.Bool ? 2 : Math.Pow(2, 8 * type.Size() - (type.IsSigned() ? 1 : 0));
        return value == Math.Floor(value) && value < most && value >= (type.IsSigned() ? -most : 0);
    }

    /// <summary>A constant in the same graph.</summary>
    public Term Constant(Tensor tensor) => new(Builder, Builder.Constant(tensor));

    /// <summary>A function of this term alone.</summary>
    public Term Map(Function function) => Apply(new Op.Map(function));

    /// <summary>A function of this and another term, broadcast to one another.</summary>
    public Term Map(Function function, Term other) => Apply(new Op.Map(function), other);

    /// <summary>Sum.</summary>
    public static Term operator +(Term a, Term b) => a.Map(Functions.Plus, b);
    /// <summary>Sum.</summary>
    public static Term operator +(Term a, double b) => a + a.Scalar(b);
    /// <summary>Sum.</summary>
    public static Term operator +(double a, Term b) => b.Scalar(a) + b;
    /// <summary>Difference.</summary>
    public static Term operator -(Term a, Term b) => a.Map(Functions.Subtract, b);
    /// <summary>Difference.</summary>
    public static Term operator -(Term a, double b) => a - a.Scalar(b);
    /// <summary>Difference.</summary>
    public static Term operator -(double a, Term b) => b.Scalar(a) - b;
    /// <summary>Negative.</summary>
    public static Term operator -(Term a) => a.Map(Functions.Negate);
    /// <summary>Product.</summary>
    public static Term operator *(Term a, Term b) => a.Map(Functions.Multiply, b);
    /// <summary>Product.</summary>
    public static Term operator *(Term a, double b) => a * a.Scalar(b);
    /// <summary>Product.</summary>
    public static Term operator *(double a, Term b) => b.Scalar(a) * b;
    /// <summary>Quotient; truncated for integers.</summary>
    public static Term operator /(Term a, Term b) => a.Map(Functions.Divide, b);
    /// <summary>Quotient.</summary>
    public static Term operator /(Term a, double b) => a / a.Scalar(b);
    /// <summary>Quotient.</summary>
    public static Term operator /(double a, Term b) => b.Scalar(a) / b;
    /// <summary>Truth of a &lt; b.</summary>
    public static Term operator <(Term a, Term b) => a.Map(Functions.Less, b);
    /// <summary>Truth of a &gt; b.</summary>
    public static Term operator >(Term a, Term b) => b.Map(Functions.Less, a);
    /// <summary>Truth of a ≤ b.</summary>
    public static Term operator <=(Term a, Term b) => a.Map(Functions.LessOrEqual, b);
    /// <summary>Truth of a ≥ b.</summary>
    public static Term operator >=(Term a, Term b) => b.Map(Functions.LessOrEqual, a);
    /// <summary>Truth of a &lt; b.</summary>
    public static Term operator <(Term a, double b) => a < a.Scalar(b);
    /// <summary>Truth of a &gt; b.</summary>
    public static Term operator >(Term a, double b) => a > a.Scalar(b);
    /// <summary>Truth of a ≤ b.</summary>
    public static Term operator <=(Term a, double b) => a <= a.Scalar(b);
    /// <summary>Truth of a ≥ b.</summary>
    public static Term operator >=(Term a, double b) => a >= a.Scalar(b);
    /// <summary>Logical and.</summary>
    public static Term operator &(Term a, Term b) => a.Map(Functions.And, b);
    /// <summary>Logical or.</summary>
    public static Term operator |(Term a, Term b) => a.Map(Functions.Or, b);
    /// <summary>Logical not.</summary>
    public static Term operator !(Term a) => a.Map(Functions.Not);

    /// <summary>Truth of this = other, element by element.</summary>
    public Term EqualTo(Term other) => Map(Functions.Equal, other);
    /// <summary>Truth of this = other.</summary>
    public Term EqualTo(double other) => EqualTo(Scalar(other));
    /// <summary>Where this, a truth value, holds the first, else the second.</summary>
    public Term Select(Term yes, Term no) => Apply(new Op.Map(Functions.Select), yes, no);
    /// <summary>The larger.</summary>
    public Term Max(Term other) => Map(Functions.Maximum, other);
    /// <summary>The larger.</summary>
    public Term Max(double other) => Max(Scalar(other));
    /// <summary>The smaller.</summary>
    public Term Min(Term other) => Map(Functions.Minimum, other);
    /// <summary>The smaller.</summary>
    public Term Min(double other) => Min(Scalar(other));

    /// <summary>Conversion; this itself where the type is the same.</summary>
    public Term Cast(ElementType type) => type == Element ? this : Apply(new Op.Cast(type));

    /// <summary>The sizes of the axes as an Int64 vector.</summary>
    public Term Sizes() => new(Builder, Builder.Sizes(Shape.Dims, new Shape(Rank)));

    /// <summary>The same elements under another shape; this itself where it is the same.</summary>
    public Term Reshape(Shape shape) => shape == Shape ? this : Apply(new Op.Reshape(shape));

    /// <summary>Axis i of the result is axis order[i] of this.</summary>
    public Term Transpose(params ReadOnlySpan<int> order)
    {
        for (var i = 0; i < order.Length; i++)
        {
            if (order[i] != i)
                return Apply(new Op.Transpose(order.ToArray()));
        }
        return order.Length == Rank ? this : Apply(new Op.Transpose(order.ToArray()));
    }

    /// <summary>Stretched to a shape; this itself where it has it.</summary>
    public Term Broadcast(Shape shape) => shape == Shape ? this : Apply(new Op.Broadcast(shape));

    /// <summary>New axes of size 1 at these places of the result.</summary>
    public Term Unsqueeze(params ReadOnlySpan<int> axes)
    {
        var dims = Shape.Dims.ToList();
        var at = axes.ToArray();
        Array.Sort(at);
        foreach (var axis in at)
        {
            if (axis < 0 || axis > dims.Count)
                throw new SoftmodelException($"an axis cannot be put at {axis} of {Shape}");
            dims.Insert(axis, 1);
        }
        return Reshape(new(dims.ToEquatable()));
    }

    /// <summary>Without these axes, whose size is 1.</summary>
    public Term Squeeze(params ReadOnlySpan<int> axes)
    {
        foreach (var axis in axes)
        {
            if (axis < 0 || axis >= Rank || Shape[axis].Value is not (1 or null))
                throw new SoftmodelException($"axis {axis} of {Shape} cannot be left out: its size is not 1");
        }
        return Reshape(Shape.Without(axes.ToArray()));
    }

    /// <summary>Reduction; the axes vanish, or stay with size 1.</summary>
    public Term Reduce(Reduction kind, ReadOnlySpan<int> axes, bool keep = false)
    {
        EquatableArray<int> over = axes.ToArray();
        if (over.Count == 0)
            return this;
        var reduced = Apply(new Op.Reduce(kind, over));
        return keep ? reduced.Reshape(new(Shape.Dims.Select((d, i) => over.Contains(i) ? Dim.One : d).ToEquatable())) : reduced;
    }

    /// <summary>Part of an axis: size elements from start on.</summary>
    public Term Slice(int axis, Dim start, Dim size, int step = 1) => start.Value == 0 && size.Equals(Shape[axis]) && step == 1 ? this
        : Apply(new Op.Slice(
            Shape.Dims.Select((_, i) => i == axis ? start : Dim.Zero).ToEquatable(),
            Shape.Dims.Select((d, i) => i == axis ? size : d).ToEquatable(),
            Shape.Dims.Select((_, i) => i == axis ? step : 1).ToEquatable()));

    /// <summary>A contraction with another term in Einstein's notation, such as <c>bij,bjk->bik</c>.</summary>
    public Term Contract(string equation, Term other) => Apply(new Op.Contract(equation), other);

    /// <summary>Slices along an axis chosen by indices.</summary>
    public Term Gather(Term indices, int axis) => Apply(new Op.Gather(axis), indices);

    /// <summary>This and others one after the other along an axis.</summary>
    public Term Concat(int axis, params ReadOnlySpan<Term> others) => others.Length == 0 ? this : Apply(new Op.Concat(axis), others);

    /// <summary>Elements of one value around this one.</summary>
    public Term Pad(EquatableArray<Dim> low, EquatableArray<Dim> high, double value = 0) =>
        low.Concat(high).All(d => d.Value == 0) ? this : Apply(new Op.Pad(Padding.Constant, low, high), Scalar(value));

    /// <summary>
    /// The elements, integers, as sizes. Where they depend on data they get names, and what is computed from
    /// then on can have them as sizes.
    /// </summary>
    public EquatableArray<Dim> AsSizes()
    {
        if (Contents is { } known)
            return known.ToEquatable();
        if (Shape.KnownCount is not { } count || count > 64)
            throw new SoftmodelException($"{Value} is used as sizes, but how many there are is not known");
        var builder = Builder;
        // Those that are known stay known beside others.
        return Rank == 1 && builder.Producer(Value) is { Op: Op.Concat, Inputs: var parts }
            ? parts.SelectMany(v => new Term(builder, v).AsSizes()).ToEquatable()
            : builder.Name(Cast(ElementType.Int64).Value, (int)count);
    }
}
