using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>
/// What a model that reads whole texts is given. One of our own architectures takes the tokens of several texts packed one after the
/// other; an ONNX export takes a batch in which all texts have the same length.
/// </summary>
/// <param name="inputs">What the model takes.</param>
sealed class TextInputs(IReadOnlyList<TensorInfo> inputs)
{
    readonly TensorArgument[] arguments = new TensorArgument[inputs.Count];
    readonly Dictionary<string, long[]> given = new(StringComparer.Ordinal);

    /// <summary>Whether all texts of a run have to be of one length.</summary>
    public bool NeedsOneLength { get; } = IsTable(inputs);

    /// <summary>Whether a model takes a batch of texts that have the same length.</summary>
    public static bool IsTable(IReadOnlyList<TensorInfo> inputs) => inputs.Any(i => i.Name == ExportInputs.Ids);

    /// <summary>Whether a model takes tokens, and what can be made of them.</summary>
    public static bool Are(IReadOnlyList<TensorInfo> inputs)
    {
        string[] known = IsTable(inputs) ? [ExportInputs.Ids, ExportInputs.Mask, ExportInputs.Types, ExportInputs.Places] : [SequenceInputs.Tokens, SequenceInputs.Positions, SequenceInputs.Sequences];
        return inputs.Count > 0 && inputs.All(i => known.Contains(i.Name) && i.Type == ElementType.Int64);
    }

    /// <summary>The tokens of a text as a model reads them, cut off where there are too many.</summary>
    public static int[] TokensOf(Tokenizer tokenizer, string text, int most)
    {
        var tokens = tokenizer.Encode(text, parsesSpecial: false).AsSpan();
        var (before, after) = (tokenizer.Before, tokenizer.After);
        return [.. before, .. tokens[..Math.Min(tokens.Length, Math.Max(0, most - before.Count - after.Count))], .. after];
    }

    /// <summary>What an input has for a token of a text.</summary>
    /// <param name="input">The name of the input.</param>
    /// <param name="token">The token.</param>
    /// <param name="text">The number of the text.</param>
    /// <param name="position">The token's place in it.</param>
    public static long ValueOf(string input, int token, int text, int position) => input switch
    {
        ExportInputs.Ids or SequenceInputs.Tokens => token,
        ExportInputs.Places or SequenceInputs.Positions => position,
        SequenceInputs.Sequences => text,
        ExportInputs.Mask => 1,
        _ => 0,
    };

    /// <summary>The arguments of a run on some texts, valid until they are asked for again.</summary>
    /// <param name="texts">The tokens of each text; see <see cref="NeedsOneLength"/>.</param>
    public TensorArgument[] Of(ReadOnlySpan<int[]> texts)
    {
        var count = 0;
        foreach (var text in texts)
            count += text.Length;
        for (var i = 0; i < arguments.Length; i++)
        {
            var name = inputs[i].Name;
            if (!given.TryGetValue(name, out var values) || values.Length < count)
                given[name] = values = new long[count];
            var at = 0;
            for (var t = 0; t < texts.Length; t++)
            {
                for (var p = 0; p < texts[t].Length; p++)
                    values[at++] = ValueOf(name, texts[t][p], t, p);
            }
            arguments[i] = NeedsOneLength ? TensorArgument.Of<long>(values.AsMemory(0, count), texts.Length, texts[0].Length) : TensorArgument.Of<long>(values.AsMemory(0, count), count);
        }
        return arguments;
    }
}
