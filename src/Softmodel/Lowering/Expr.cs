using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>Where the elements of a tensor lie while a program runs.</summary>
enum Storage
{
    /// <summary>Given by the caller.</summary>
    Input,
    /// <summary>Numbers known at build time.</summary>
    Weight,
    /// <summary>In the arena.</summary>
    Arena,
    /// <summary>Kept from run to run.</summary>
    State,
}

/// <summary>Contiguous elements that kernels read and write.</summary>
sealed class Buffer(string name, Storage storage, ElementType type, Dim count)
{
    /// <summary>The name of the pointer to it in emitted code.</summary>
    public string Name { get; } = name;
    public Storage Storage { get; } = storage;
    /// <summary>The type of the elements.</summary>
    public ElementType Type { get; } = type;
    /// <summary>The number of elements.</summary>
    public Dim Count { get; } = count;
    /// <summary>The elements, for <see cref="Storage.Weight"/>; in the file they may be of a narrower type than <see cref="Type"/>.</summary>
    public Tensor? Constant { get; init; }

    public override string ToString() => $"{Name}: {Type}[{Count}]";
}

/// <summary>One loop of a kernel.</summary>
sealed class Axis(string name, Dim extent)
{
    public string Name { get; } = name;
    /// <summary>How many iterations.</summary>
    public Dim Extent { get; } = extent;
    public override string ToString() => $"{Name}<{Extent}";

    /// <summary>A loop over each axis of a shape.</summary>
    public static Axis[] Of(Shape shape) => [.. shape.Dims.Select((d, i) => new Axis($"i{i}", d))];
}

/// <summary>An element's position: a sum of loop variables times strides, and of numbers read at run time times strides.</summary>
sealed class Index : IEquatable<Index>
{
    public static readonly Index Zero = new(Dim.Zero, [], []);

    Index(Dim offset, EquatableArray<(Axis Axis, Dim Stride)> terms, EquatableArray<(Expr Value, Dim Stride)> dynamic) =>
        (Offset, Terms, Dynamic) = (offset, terms, dynamic);

    public Dim Offset { get; }
    public EquatableArray<(Axis Axis, Dim Stride)> Terms { get; }
    public EquatableArray<(Expr Value, Dim Stride)> Dynamic { get; }

    /// <summary>The position without what is read at run time.</summary>
    public Index Static => new(Offset, Terms, []);

    /// <summary>The position in the first iteration of some loops; what is read at run time stays as it is.</summary>
    public Index AtStart(params ReadOnlySpan<Axis> axes)
    {
        var terms = new List<(Axis, Dim)>();
        foreach (var term in Terms)
        {
            if (!axes.Contains(term.Axis))
                terms.Add(term);
        }
        return new(Offset, [.. terms], Dynamic);
    }

    public static implicit operator Index(Dim offset) => new(offset, [], []);
    public static implicit operator Index(Axis axis) => axis.Extent.Value == 1 ? Zero : new(Dim.Zero, [(axis, Dim.One)], []);
    public static Index Of(Expr value) => value is Expr.Number number ? (Dim)(long)number.Value
        : value is Expr.Position position ? position.Index : new(Dim.Zero, [], [(value, Dim.One)]);

    public static Index operator +(Index a, Index b)
    {
        var terms = a.Terms.ToList();
        foreach (var (axis, stride) in b.Terms)
        {
            var at = terms.FindIndex(t => t.Axis == axis);
            if (at < 0)
                terms.Add((axis, stride));
            else
                terms[at] = (axis, terms[at].Stride + stride);
        }
        return new(a.Offset + b.Offset, terms.Where(t => t.Stride.Value != 0).ToEquatable(), [.. a.Dynamic, .. b.Dynamic]);
    }

    public static Index operator *(Index a, Dim factor) => factor.Value == 0 ? Zero : new(a.Offset * factor,
        a.Terms.Select(t => (t.Axis, t.Stride * factor)).ToEquatable(), a.Dynamic.Select(t => (t.Value, t.Stride * factor)).ToEquatable());

    /// <summary>
    /// A quotient and what is left: this is quotient · divisor + rest for all positions of the loops. What is left need not be
    /// below the divisor. Null where numbers are read at run time.
    /// </summary>
    public (Index Quotient, Index Remainder)? Divide(Dim divisor)
    {
        if (Dynamic.Count > 0)
            return null;
        var (offset, rest) = Offset.Divide(divisor);
        var result = (Quotient: (Index)offset, Remainder: (Index)rest);
        foreach (var (axis, stride) in Terms)
        {
            var (whole, part) = stride.Divide(divisor);
            result = (result.Quotient + (Index)axis * whole, result.Remainder + (Index)axis * part);
        }
        return result;
    }

    /// <summary>By how many elements a step of a loop moves.</summary>
    public Dim Stride(Axis axis)
    {
        foreach (var (a, stride) in Terms)
        {
            if (a == axis)
                return stride;
        }
        return Dim.Zero;
    }

    /// <summary>Whether the position is provably from 0 to below a size whenever the loops run.</summary>
    public bool IsWithin(Dim size)
    {
        if (Dynamic.Count > 0)
            return false;
        // Where a size is 0 because a symbol is, a loop over it does not run; nor where a size can't be.
        var positive = Terms.SelectMany(t => t.Axis.Extent.Symbols.Where(s => t.Axis.Extent.Substitute(x => x == s ? Dim.Zero : null, impossible: Dim.Zero).Value <= 0)).ToHashSet(StringComparer.Ordinal);
        bool NotNegative(Dim dim) => dim.Raised(positive.Contains).IsNeverNegative;
        var (least, most) = (Offset, Offset);
        foreach (var (axis, stride) in Terms)
        {
            var reach = stride * (axis.Extent - 1);
            if (NotNegative(stride))
                most += reach;
            else if (NotNegative(stride * -1))
                least += reach;
            else
                return false;
        }
        return NotNegative(least) && NotNegative(size - 1 - most);
    }

    /// <summary>The loops on which the position depends.</summary>
    public IEnumerable<Axis> Axes => Terms.Select(t => t.Axis).Concat(Dynamic.SelectMany(d => d.Value.Axes));

    public bool Equals(Index? other) => other is not null && Offset.Equals(other.Offset)
        && Terms.Count == other.Terms.Count && Terms.All(other.Terms.Contains) && Dynamic == other.Dynamic;

    public override bool Equals(object? obj) => Equals(obj as Index);

    public override int GetHashCode() => HashCode.Combine(Offset, Terms.Count, Dynamic.Count);

    public override string ToString() => string.Join(" + ", Terms.Select(t => $"{t.Axis.Name}*{t.Stride}").Append(Offset.ToString()));
}

/// <summary>What a kernel computes for one element. Two expressions are the same only if they are one object.</summary>
abstract class Expr(ElementType type, IEnumerable<Axis> axes)
{
    /// <summary>The type of the result.</summary>
    public ElementType Type { get; } = type;

    /// <summary>The loops on which the result depends.</summary>
    public IReadOnlySet<Axis> Axes { get; } = axes.ToHashSet();

    /// <summary>The operands.</summary>
    public virtual IReadOnlyList<Expr> Operands => [];

    /// <summary>The buffers that are read for it, one for each load.</summary>
    public IEnumerable<Buffer> Loads
    {
        get
        {
            var (seen, found) = (new HashSet<Expr>(), new List<Buffer>());
            void Visit(Expr e)
            {
                if (!seen.Add(e))
                    return;
                if (e is Load load)
                    found.Add(load.Buffer);
                foreach (var operand in e.Operands)
                    Visit(operand);
            }
            Visit(this);
            return found;
        }
    }

    /// <summary>A number known at build time.</summary>
    public sealed class Number(ElementType type, double value, long whole) : Expr(type, [])
    {
        public double Value { get; } = value;
        public long Whole { get; } = whole;
    }

    /// <summary>An element of a buffer. Where Limit is set, the position's dynamic part is checked to lie below it.</summary>
    public sealed class Load(Buffer buffer, Index index) : Expr(buffer.Type, index.Axes)
    {
        public Buffer Buffer { get; } = buffer;
        public Index Index { get; } = index;
        public override IReadOnlyList<Expr> Operands => [.. Index.Dynamic.Select(d => d.Value)];
    }

    /// <summary>A position as an Int64.</summary>
    public sealed class Position(Index index) : Expr(ElementType.Int64, index.Axes)
    {
        public Index Index { get; } = index;
        public override IReadOnlyList<Expr> Operands => [.. Index.Dynamic.Select(d => d.Value)];
    }

    /// <summary>An integer that must be from 0 to below a size.</summary>
    public sealed class Checked(Expr value, Dim size) : Expr(ElementType.Int64, value.Axes)
    {
        public Expr Value { get; } = value;
        public Dim Size { get; } = size;
        public override IReadOnlyList<Expr> Operands { get; } = [value];

        /// <summary>Whether it has too few bits to be anything else.</summary>
        public bool IsSure => Value is Convert { Value: var narrow } && narrow switch
        {
            Apply { Operands: [_, Number { Whole: >= 0 } mask] } bits when bits.Function == Functions.BitAnd => Size.Value > mask.Whole,
            { Type: ElementType.UInt8 } => Size.Value > byte.MaxValue,
            _ => false,
        };
    }

    /// <summary>A position outside of an axis folded back into it.</summary>
    public sealed class Folded(Padding mode, Index index, Dim size) : Expr(ElementType.Int64, index.Axes)
    {
        public Padding Mode { get; } = mode;
        public Index Index { get; } = index;
        public Dim Size { get; } = size;
        public override IReadOnlyList<Expr> Operands => [.. Index.Dynamic.Select(d => d.Value)];
    }

    /// <summary>A scalar function.</summary>
    public sealed class Apply(Function function, Expr[] operands) :
        Expr(function.ResultType([.. operands.Select(o => o.Type)]), operands.SelectMany(o => o.Axes))
    {
        public Function Function { get; } = function;
        public override IReadOnlyList<Expr> Operands { get; } = operands;

        /// <summary>The format of the weight of which this is an element, decoded; null where it is none.</summary>
        public BlockFormat? Format { get; init; }
    }

    /// <summary>Conversion.</summary>
    public sealed class Convert(ElementType type, Expr value) : Expr(type, value.Axes)
    {
        public Expr Value { get; } = value;
        public override IReadOnlyList<Expr> Operands { get; } = [value];
    }

    /// <summary>One expression where a position is from 0 to below a size, else another; only that one is evaluated.</summary>
    public sealed class Guard(Index index, Dim size, Expr inside, Expr outside) :
        Expr(inside.Type, [.. index.Axes, .. inside.Axes, .. outside.Axes])
    {
        /// <summary>The guarded expression, or the one of the two that it always is.</summary>
        public static Expr Of(Index index, Dim size, Expr inside, Expr outside) => index.IsWithin(size) ? inside
            : index.Terms.Count == 0 && index.Dynamic.Count == 0 && index.Offset.Value is { } at && (at < 0 || at >= size.Value) ? outside
            : new Guard(index, size, inside, outside);

        /// <summary>The conditions around an expression outside of which it is one and the same number, outermost first, and what is within them.</summary>
        public static (Expr Inside, Guard[] Guards) Around(Expr e)
        {
            var guards = new List<Guard>();
            for (; e is Guard { Outside: Number number } guard && (guards.Count == 0 || ((Number)guards[0].Outside).Value.Equals(number.Value)); e = guard.Inside)
                guards.Add(guard);
            return (e, [.. guards]);
        }

        public Index Index { get; } = index;
        public Dim Size { get; } = size;
        public Expr Inside { get; } = inside;
        public Expr Outside { get; } = outside;
        public override IReadOnlyList<Expr> Operands { get; } = [inside, outside, .. index.Dynamic.Select(d => d.Value)];
    }

    /// <summary>What a kernel's reduction has come to.</summary>
    public sealed class Accumulated(ElementType type, IEnumerable<Axis> axes) : Expr(type, axes);
}
