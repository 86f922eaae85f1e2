using Softmodel.Language;

namespace Softmodel.Import.Onnx;

/// <summary>What is known of the inputs of exported models of text.</summary>
static class TextInputs
{
    /// <summary>Sizes with that of the axis of texts, which is 1.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sizes">Numbers for symbolic sizes.</param>
    public static IReadOnlyDictionary<string, long> OfOneText(OnnxModel model, IReadOnlyDictionary<string, long> sizes)
    {
        var texts = model.Graph.Inputs.FirstOrDefault(i => i.Name == ExportInputs.Ids)?.Type?.Dims is [{ Symbol: { Length: > 0 } symbol }, ..] ? symbol : null;
        return texts is null || sizes.ContainsKey(texts) ? sizes : new Dictionary<string, long>(sizes, StringComparer.Ordinal) { [texts] = 1 };
    }
}
