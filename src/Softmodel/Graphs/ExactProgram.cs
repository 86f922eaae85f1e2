using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>The types of an exact program's results.</summary>
/// <param name="operands">The types of its operands.</param>
/// <param name="arguments">The numbers of <see cref="Op.Call.Arguments"/>.</param>
/// <param name="sizes">The sizes that only a run finds, as many as <see cref="ExactProgram.FoundSizes"/>: each is an axis of a result.</param>
/// <exception cref="SoftmodelException">The program does not take them.</exception>
public delegate TensorType[] ResultTypes(IReadOnlyList<TensorType> operands, IReadOnlyList<long> arguments, IReadOnlyList<Dim> sizes);

/// <summary>What an exact program computes, written plainly: the evaluator's rule, and what compiled calls are compared with.</summary>
/// <param name="operands">Its operands.</param>
/// <param name="arguments">The numbers of <see cref="Op.Call.Arguments"/>.</param>
public delegate Tensor[] ReferenceProgram(IReadOnlyList<Tensor> operands, IReadOnlyList<long> arguments);

/// <summary>A program that a graph calls as an operation: all that is known of it. Its results depend on nothing but its operands and arguments.</summary>
/// <param name="Name">Its name in <see cref="Op.Call"/>: letters, digits and underscores.</param>
public sealed record ExactProgram(string Name)
{
    /// <summary>How many sizes of its results depend on the elements of its operands; at most 8.</summary>
    public int FoundSizes { get; init; }

    /// <summary>The types of its results.</summary>
    public required ResultTypes Types { get; init; }

    /// <summary>What it computes.</summary>
    public required ReferenceProgram Reference { get; init; }

    /// <summary>What a compiled model calls.</summary>
    public required Callee Callee { get; init; }

    /// <summary>The ONNX operator, without attributes, that is the same; null where there is none.</summary>
    public string? Onnx { get; init; }

    /// <summary>Between which numbers the elements of its results lie, for operands of known sizes; null where it is not known.</summary>
    public Func<IReadOnlyList<TensorType>, (double Low, double High)?>? Range { get; init; }
}

/// <summary>What a compiled model calls for an exact program.</summary>
public abstract record Callee
{
    private Callee() { }

    /// <summary>C# that is written into the model: also into a native library.</summary>
    /// <param name="Write">The statements of a call. What <c>Sizes</c> gives are those that set <see cref="CallCode.Sizes"/>; results have memory only after them. Null where there are none.</param>
    /// <param name="Declarations">Types with what the statements call, at the level of a namespace.</param>
    public sealed record Code(Func<CallCode, (string? Sizes, string Statement)> Write, string Declarations = "") : Callee;

    /// <summary>A static method of the runtime, which every compiled model has with it: also a native library.</summary>
    /// <param name="Name">Its full name.</param>
    /// <param name="Run">The method.</param>
    public sealed record Static(string Name, ExactMethod Run) : Callee;

    /// <summary>A method of this process.</summary>
    /// <param name="Run">What is called on the thread that runs the model.</param>
    public sealed record Method(ExactMethod Run) : Callee;

    /// <summary>A C function of this process; <see cref="ExactMethods.Of"/> has its parameters.</summary>
    /// <param name="Address">Where it is, for as long as the process runs.</param>
    public sealed record Function(nint Address) : Callee;
}

/// <summary>The C# of what a call works on.</summary>
/// <param name="Inputs">Its operands.</param>
/// <param name="Outputs">Its results.</param>
/// <param name="Sizes">The sizes that it finds: each can be set.</param>
/// <param name="Arguments">The numbers of <see cref="Op.Call.Arguments"/>.</param>
public sealed record CallCode(EquatableArray<TensorCode> Inputs, EquatableArray<TensorCode> Outputs, EquatableArray<string> Sizes, EquatableArray<long> Arguments);

/// <summary>The C# of a tensor.</summary>
/// <param name="Pointer">A pointer to its first element; truth values are bytes, 16-bit floats of the kind bfloat16 <c>ushort</c>.</param>
/// <param name="Sizes">The sizes of its axes.</param>
/// <param name="Count">The number of its elements.</param>
public sealed record TensorCode(string Pointer, EquatableArray<string> Sizes, string Count);
