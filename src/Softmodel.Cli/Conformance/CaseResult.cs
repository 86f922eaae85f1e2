namespace Softmodel.Cli.Conformance;

/// <summary>How a case came out.</summary>
internal enum Verdict
{
    /// <summary>It was compiled and every output is as expected.</summary>
    Passed,

    /// <summary>It was refused, crashed, took too long, or an output is not as expected.</summary>
    Failed,

    /// <summary>It uses operators or types that the importer says it does not know.</summary>
    Unsupported,
}

/// <summary>How a case came out, and why.</summary>
/// <param name="Name">The case.</param>
/// <param name="Verdict">How it came out.</param>
/// <param name="Stage">What was being done: <c>read</c>, <c>import</c>, <c>compile</c>, <c>run</c> or <c>compare</c>.</param>
/// <param name="Reason">Why it did not pass; empty where it did.</param>
/// <param name="Operators">The operators in the model, as <c>Conv</c> or <c>ai.onnx.ml.Scaler</c>, in order of appearance.</param>
/// <param name="Blamed">The operators that could not be imported.</param>
/// <param name="Known">Inputs that had to be known at build time, such as the axes of a sum, or of which the sizes had to be; the model was compiled for them.</param>
/// <param name="OnlySizes">Whether only types and sizes are as expected, the values being random.</param>
/// <param name="Milliseconds">What it took.</param>
internal sealed record CaseResult(string Name, Verdict Verdict, string Stage, string Reason, string[] Operators, string[] Blamed, string[] Known, bool OnlySizes, double Milliseconds);
