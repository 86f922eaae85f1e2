namespace Softmodel.Language;

/// <summary>Keeps what follows a number that a program wrote from going on with it: no digit comes next, nor after a point or comma that does.</summary>
/// <param name="tokenizer">The tokenizer.</param>
sealed class WrittenNumber(Tokenizer tokenizer)
{
    // Below every logit, and a number to compute with.
    const float Least = -1e30f;

    readonly int[] digits = [.. Enumerable.Range(0, tokenizer.Count).Where(t => tokenizer.BytesOf(t) is [>= (byte)'0' and <= (byte)'9', ..])];

    /// <summary>Whether the text goes on right behind the number.</summary>
    /// <param name="isBehind">Whether it did before the token.</param>
    /// <param name="token">The token.</param>
    /// <param name="isWritten">Whether a program wrote it.</param>
    public bool IsBehind(bool isBehind, int token, bool isWritten) => tokenizer.BytesOf(token) is var bytes && (isWritten ? bytes is [.., >= (byte)'0' and <= (byte)'9'] : isBehind && bytes is [(byte)'.' or (byte)',']);

    /// <summary>Logits behind a number.</summary>
    public float[] Apply(ReadOnlySpan<float> logits)
    {
        var changed = logits.ToArray();
        foreach (var token in digits)
            changed[token] = Least;
        return changed;
    }
}
