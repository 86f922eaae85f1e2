using Softmodel.Import.Onnx;

namespace Softmodel.Bench.Differential;

/// <summary>How models of an operator, or of a chain of several, are drawn.</summary>
/// <param name="Name">The operator, or what the chain is called.</param>
/// <param name="Draw">Draws one.</param>
sealed record Row(string Name, Action<Draft> Draw)
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        .. ElementwiseRows.All, .. ReductionRows.All, .. ShapeRows.All, .. IndexRows.All, .. WindowRows.All, .. ProductRows.All, .. NormalizationRows.All,
        .. QuantizationRows.All, .. SamplingRows.All, .. SequenceRows.All, .. ControlRows.All, .. TrainingRows.All, .. ChainRows.All,
    ];

    /// <summary>Why an operator has no row; null where it has to have one.</summary>
    public static string? ReasonFor(OnnxOperator absent) => absent switch
    {
        { Domain: "com.microsoft" } => "MicrosoftOperatorTests compares each with ONNX Runtime",
        { Domain: "ai.onnx.preview", Name: "FlexAttention" } => "ONNX Runtime does not know it",
        _ => null,
    };
}
