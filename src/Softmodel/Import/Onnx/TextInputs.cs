namespace Softmodel.Import.Onnx;

/// <summary>The names that exporters of transformers' models give to what is made of a text.</summary>
static class TextInputs
{
    /// <summary>The tokens, [texts, tokens].</summary>
    public const string Ids = "input_ids";

    /// <summary>1 for each token that is seen, those of the past first.</summary>
    public const string Mask = "attention_mask";

    /// <summary>Which of two texts a token is of.</summary>
    public const string Types = "token_type_ids";

    /// <summary>Which token of its text it is.</summary>
    public const string Places = "position_ids";

    /// <summary>Sizes with that of the axis of texts, which is 1.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sizes">Numbers for symbolic sizes.</param>
    public static IReadOnlyDictionary<string, long> OfOneText(OnnxModel model, IReadOnlyDictionary<string, long> sizes)
    {
        var texts = model.Graph.Inputs.FirstOrDefault(i => i.Name == Ids)?.Type?.Dims is [{ Symbol: { Length: > 0 } symbol }, ..] ? symbol : null;
        return texts is null || sizes.ContainsKey(texts) ? sizes : new Dictionary<string, long>(sizes, StringComparer.Ordinal) { [texts] = 1 };
    }
}
