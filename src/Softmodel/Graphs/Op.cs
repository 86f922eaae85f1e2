using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// A core operation. The set is closed: importers decompose everything else into these, and every later stage is a
/// table over them. An operation is data; its operands and results are in the <see cref="Node"/>.
/// </summary>
public abstract record Op
{
    private Op() { }

    /// <summary>The tensor that the operation is, or that its elements are stored in: a constant's or a parameter's; null for others.</summary>
    public Tensor? Stored => this switch { Constant constant => constant.Value, Parameter parameter => parameter.Value, _ => null };

    /// <summary>The tensor with which others may be computed at build time: <see cref="Stored"/>, but for a parameter that may change or is stored in blocks.</summary>
    public Tensor? Known => this is Parameter { IsFrozen: false } or Parameter { Format: not null } ? null : Stored;

    /// <summary>A tensor known at build time. No operands.</summary>
    public sealed record Constant(Tensor Value) : Op
    {
        /// <inheritdoc/>
        public bool Equals(Constant? other) => other is not null && Value.SameAs(other.Value);

        /// <inheritdoc/>
        public override int GetHashCode() => Tensor.Same.GetHashCode(Value);
    }

    /// <summary>A weight of the model. No operands.</summary>
    /// <param name="Name">Its name in the model's file; what is computed from it at build time is called after it, as <c>encoder.3.weight/transpose</c>.</param>
    /// <param name="Value">Its elements, or where it has a format, its blocks: UInt8 of [rows, blocks, bytes of a block].</param>
    /// <param name="IsFrozen">Whether it stays as it is, so that others can be computed from it at build time.</param>
    /// <param name="Format">How its elements are stored in blocks; null where each is an element of <paramref name="Value"/>.</param>
    public sealed record Parameter(string Name, Tensor Value, bool IsFrozen = true, BlockFormat? Format = null) : Op
    {
        /// <summary>The type of what it stands for: of blocks, Float32 of [rows, blocks, ...] with the axes of the format's layout.</summary>
        public TensorType Type => Format is null ? Value.TensorType : new(ElementType.Float32, Shape.Of([.. Value.Dims[..^1], .. Format.Layout]));

        /// <inheritdoc/>
        public bool Equals(Parameter? other) => other is not null && Name == other.Name && IsFrozen == other.IsFrozen && Format == other.Format && Value.SameAs(other.Value);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(Name, Value.Type, Value.Count);
    }

    /// <summary>Sizes as an <see cref="ElementType.Int64"/> tensor; row-major elements of a shape. No operands.</summary>
    public sealed record SizeTensor(EquatableArray<Dim> Values, Shape Shape) : Op;

    /// <summary>0, 1, ..., size - 1 as <see cref="ElementType.Int64"/>. No operands.</summary>
    public sealed record Iota(Dim Size) : Op;

    /// <summary>Random <see cref="ElementType.Float32"/>: an element depends on the seed, the stream and its flat index. No operands.</summary>
    public sealed record Random(Distribution Distribution, Shape Shape, int Stream) : Op;

    /// <summary>A function of single elements of operands that are broadcast to one another as numpy does.</summary>
    public sealed record Map(Function Function) : Op;

    /// <summary>Conversion of every element: floats become integers by truncation, and numbers truth values by comparison with 0.</summary>
    public sealed record Cast(ElementType To) : Op;

    /// <summary>All elements along some axes become one; the axes vanish.</summary>
    public sealed record Reduce(Reduction Kind, EquatableArray<int> Axes) : Op;

    /// <summary>The index of the largest or smallest element along an axis, which vanishes; the first or the last of equals.</summary>
    public sealed record ArgReduce(bool Largest, int Axis, bool Last) : Op;

    /// <summary>A contraction of two operands in Einstein's notation, such as <c>bij,bjk->bik</c>; one letter per axis.</summary>
    public sealed record Contract(string Equation) : Op;

    /// <summary>Convolution of x [N,C,...] with weights [M,C/groups,...]; spatial axes as many as strides.</summary>
    public sealed record Convolve(EquatableArray<int> Strides, EquatableArray<int> Dilations, EquatableArray<int> Low, EquatableArray<int> High, int Groups) : Op;

    /// <summary>
    /// Transposed convolution of x [N,C,...] with weights [C,M/groups,...]. An axis of the result has
    /// (size - 1) * stride + (kernel - 1) * dilation + 1 + extra - low - high elements.
    /// </summary>
    public sealed record ConvolveTransposed(EquatableArray<int> Strides, EquatableArray<int> Dilations, EquatableArray<int> Low, EquatableArray<int> High, EquatableArray<int> Extra, int Groups) : Op;

    /// <summary>The same elements in the same order under other sizes. Several are axes of the operand that do not have size 1: else the model would mean other axes.</summary>
    public sealed record Reshape(Shape Shape, EquatableArray<int> Several = default) : Op;

    /// <summary>Axis i of the result is axis Order[i] of the operand.</summary>
    public sealed record Transpose(EquatableArray<int> Order) : Op;

    /// <summary>Stretched to exactly this shape, axes aligned at the last.</summary>
    public sealed record Broadcast(Shape Shape) : Op;

    /// <summary>Along each axis, Sizes[i] elements from Starts[i] on in steps of Steps[i], which may be negative.</summary>
    public sealed record Slice(EquatableArray<Dim> Starts, EquatableArray<Dim> Sizes, EquatableArray<int> Steps) : Op;

    /// <summary>Low[i] elements before and High[i] after along each axis. The second operand is the scalar used for <see cref="Padding.Constant"/>.</summary>
    public sealed record Pad(Padding Mode, EquatableArray<Dim> Low, EquatableArray<Dim> High) : Op;

    /// <summary>
    /// Sliding windows along an axis: element [..., i, ..., j] is element [..., i * Stride + j * Dilation, ...] of the
    /// operand; j, from 0 to Size - 1, is a new last axis.
    /// </summary>
    public sealed record Unfold(int Axis, int Size, int Stride, int Dilation) : Op;

    /// <summary>Operands of the same rank one after the other along an axis.</summary>
    public sealed record Concat(int Axis) : Op;

    /// <summary>Slices of the first operand along an axis, chosen by integers from 0 up; their axes replace the axis.</summary>
    public sealed record Gather(int Axis) : Op;

    /// <summary>Element i of the result is the operand's at i with the axis' index replaced by the second operand's element at i.</summary>
    public sealed record GatherElements(int Axis) : Op;

    /// <summary>Slices of the first operand at the positions that the last axis of the second operand lists, after BatchAxes common axes.</summary>
    public sealed record GatherND(int BatchAxes) : Op;

    /// <summary>The first operand with elements replaced by, or combined with, those of the third at the indices of the second.</summary>
    public sealed record ScatterElements(int Axis, Combination Combine) : Op;

    /// <summary>The first operand with slices replaced by, or combined with, those of the third at the positions of the second.</summary>
    public sealed record ScatterND(Combination Combine) : Op;

    /// <summary>Running sum, product, maximum or minimum along an axis.</summary>
    public sealed record Accumulate(Reduction Kind, int Axis, bool Exclusive, bool Reverse) : Op;

    /// <summary>The Count largest or smallest elements along an axis in order, and their indices; the lower index first among equals.</summary>
    public sealed record TopK(Dim Count, int Axis, bool Largest) : Op;

    /// <summary>Gives names to the elements of an <see cref="ElementType.Int64"/> operand, known only at run time, as sizes; no results.</summary>
    public sealed record Bind(EquatableArray<string> Symbols) : Op;

    /// <summary>Operands: a truth value, what Then takes, what Else takes. Results: those of the branch.</summary>
    public sealed record If(Graph Then, Graph Else) : Op;

    /// <summary>
    /// Operands: the largest number of iterations, whether to begin, Carried values, and what else the body takes.
    /// The body takes the iteration, the carried values and the rest, and gives whether to go on, the carried values and
    /// elements that are stacked. Results: the carried values and the stacks, as many elements as iterations ran.
    /// </summary>
    /// <param name="Body">One iteration.</param>
    /// <param name="Carried">How many values go from one iteration to the next.</param>
    /// <param name="Iterations">How many run: a symbol that the node defines where only the body decides.</param>
    public sealed record Loop(Graph Body, int Carried, Dim Iterations) : Op;

    /// <summary>An exact program.</summary>
    /// <param name="Program">Its name in <see cref="ExactPrograms"/>.</param>
    /// <param name="Arguments">Numbers that it is called with beside its operands.</param>
    /// <param name="Sizes">What the sizes that it finds are called: symbols that the node defines.</param>
    public sealed record Call(string Program, EquatableArray<long> Arguments = default, EquatableArray<string> Sizes = default) : Op;
}

/// <summary>How <see cref="Op.Reduce"/> and <see cref="Op.Accumulate"/> combine elements.</summary>
public enum Reduction
{
    /// <summary>Sum, 0 for none.</summary>
    Sum,
    /// <summary>Product, 1 for none.</summary>
    Product,
    /// <summary>Largest; the type's lowest value for none; NaN where one is.</summary>
    Max,
    /// <summary>Smallest; the type's highest value for none; NaN where one is.</summary>
    Min,
}

/// <summary>What scattering does with an element that is there.</summary>
public enum Combination
{
    /// <summary>The new one replaces it; the last of several wins.</summary>
    Replace,
    /// <summary>Sum.</summary>
    Sum,
    /// <summary>Product.</summary>
    Product,
    /// <summary>The larger.</summary>
    Max,
    /// <summary>The smaller.</summary>
    Min,
}

/// <summary>What lies outside of a padded tensor.</summary>
public enum Padding
{
    /// <summary>One value.</summary>
    Constant,
    /// <summary>The elements mirrored, the outermost not repeated.</summary>
    Reflect,
    /// <summary>The outermost element.</summary>
    Edge,
    /// <summary>The elements from the other end.</summary>
    Wrap,
}

/// <summary>How random numbers are distributed.</summary>
public enum Distribution
{
    /// <summary>From 0 to below 1.</summary>
    Uniform,
    /// <summary>Mean 0, variance 1.</summary>
    Normal,
}
