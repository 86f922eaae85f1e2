namespace Softmodel.Import.Onnx;

/// <summary>
/// Marks a static method as what an ONNX operator is in core operations. Its parameters are the operands in order (<see
/// cref="Graphs.Term"/>, nullable where optional, an array for all the rest) and the attributes by name, with their
/// defaults; underscores and case do not matter. An <see cref="OnnxCall"/> gives everything else.
/// </summary>
/// <param name="name">The operator's name.</param>
/// <param name="since">The first version of the operator set in which it means this.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class OperatorAttribute(string name, int since = 1) : Attribute
{
    /// <summary>The operator's name.</summary>
    public string Name => name;

    /// <summary>The first version of the operator set in which it means this.</summary>
    public int Since => since;

    /// <summary>The operator set; empty for the standard one.</summary>
    public string Domain { get; init; } = "";
}
