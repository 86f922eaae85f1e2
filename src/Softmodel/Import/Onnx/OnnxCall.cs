using Softmodel.Graphs;
using Softmodel.Runtime;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Import.Onnx;

/// <summary>A node that is being decomposed.</summary>
/// <param name="scope">Where it stands.</param>
/// <param name="node">The node.</param>
/// <param name="operands">Its operands; null where left out.</param>
/// <param name="version">The version of its operator set.</param>
internal sealed class OnnxCall(OnnxScope scope, OnnxNode node, Term?[] operands, long version)
{
    /// <summary>The node.</summary>
    public OnnxNode Node => node;

    /// <summary>The version of the operator set.</summary>
    public long Version => version;

    /// <summary>The graph that is being built.</summary>
    public GraphBuilder Builder => scope.Builder;

    /// <summary>What computes constants, for graphs within this one.</summary>
    public ConstantFolding Folding => scope.Folding;

    /// <summary>The number of operands, with those left out before the last.</summary>
    public int Count => operands.Length;

    /// <summary>The number of results.</summary>
    public int Results => node.Outputs.Count;

    /// <summary>Whether anyone can read a result.</summary>
    public bool Wants(int result) => result < node.Outputs.Count && node.Outputs[result].Length > 0;

    /// <summary>An operand; null where it is left out.</summary>
    public Term? this[int index] => index < operands.Length ? operands[index] : null;

    /// <summary>An operand.</summary>
    /// <exception cref="SoftmodelException">It is left out.</exception>
    public Term Required(int index) => this[index] ?? throw new SoftmodelException($"operand {index} is missing");

    /// <summary>A constant.</summary>
    public Term Constant(Tensor tensor) => OnnxScope.Widen(new(Builder, Builder.Constant(tensor)));

    // Fewer are numbers of an algorithm.
    const long LeastWeights = 16;

    /// <summary>A constant node's tensor: a weight where it has many elements, as some exporters write all of them so.</summary>
    public Term Literal(Tensor tensor) => tensor.Count < LeastWeights ? Constant(tensor) : OnnxScope.Widen(new(Builder, Builder.Parameter(node.Outputs[0], tensor)));

    /// <summary>Sizes as an Int64 vector.</summary>
    public Term Sizes(params Dim[] dims) => new(Builder, Builder.Sizes(dims, new Shape(dims.Length)));

    /// <summary>A size as an Int64 scalar.</summary>
    public Term Size(Dim dim) => new(Builder, Builder.Sizes((Dim[])[dim], Shape.Scalar));

    /// <summary>An operation without operands.</summary>
    public Term Source(Op op) => new(Builder, Builder.Apply(op));

    /// <summary>An attribute by the name of a parameter; null where it is left out.</summary>
    public OnnxAttribute? Attribute(string name) => node.Attributes.GetValueOrDefault(name)
        ?? node.Attributes.FirstOrDefault(a => Decompositions.Same(name, a.Key)).Value;

    /// <summary>The element type that a number in a file stands for.</summary>
    /// <exception cref="SoftmodelException">The compiler does not compute with it.</exception>
    public static ElementType ElementType(long number) => OnnxTensor.ElementOf((DataType)number)
        ?? throw new SoftmodelException($"element type {(DataType)number} is not supported");

    /// <summary>Opens the body of a control-flow node. Without a builder of its own it adds to this graph.</summary>
    public OnnxScope Open(OnnxGraph body, GraphBuilder? builder = null) => scope.Open(body, builder);
}
