using System.Runtime.CompilerServices;
using System.Text;

namespace Softmodel.Language.Constraints;

/// <summary>A text that is being written under a constraint.</summary>
/// <param name="constraint">What it has to become.</param>
/// <param name="tree">The tokens of which it is made.</param>
/// <param name="most">How many tokens there may be: as they run short only those are allowed with which the text can be brought to its end.</param>
sealed class ConstrainedText(Constraint constraint, TokenTree tree, int most)
{
    // A mask of a vocabulary of 49,000 is 6 KB.
    const int MostMasks = 1024;

    sealed record Mask(ulong[] Allowed, int Farthest);

    // What a constraint allows in a state depends on the tokens alone.
    static readonly ConditionalWeakTable<TokenTree, ConditionalWeakTable<Constraint, Dictionary<Term, Mask>>> known = [];

    readonly Terms terms = constraint.Terms;
    readonly Dictionary<Term, Mask> masks = known.GetOrCreateValue(tree).GetOrCreateValue(constraint);
    Term state = constraint.Start;
    int left = most;

    /// <summary>Whether the text is whole and nothing can be added.</summary>
    public bool IsDone
    {
        get
        {
            lock (terms)
                return state.IsNullable && !Enumerable.Range(0, 256).Any(b => IsAlive(terms.Next(state, (byte)b)));
        }
    }

    bool IsAlive(Term term) => terms.Shortest(term) != Terms.Never;

    /// <summary>Whether a token may come.</summary>
    public bool Allows(int token)
    {
        lock (terms)
        {
            if (tree.Tokenizer.Ends.Contains(token))
                return state.IsNullable;
            return tree.Tokenizer.IsText(token) && After(token) is { } next && Fits(next);
        }
    }

    // Where the end can't be reached any more the text goes on as it may, and is cut off.
    bool Fits(Term next) => terms.Shortest(next) is var end && (end < left || (end != Terms.Never && terms.Shortest(state) > left));

    Term? After(int token)
    {
        var next = state;
        var bytes = tree.Tokenizer.BytesOf(token);
        foreach (var value in bytes)
            next = terms.Next(next, value);
        return bytes.IsEmpty ? null : next;
    }

    /// <summary>The tokens that may come, as bits; none where nothing can.</summary>
    public ReadOnlySpan<ulong> Allowed()
    {
        lock (terms)
        {
            if (!masks.TryGetValue(state, out var mask))
            {
                if (masks.Count >= MostMasks)
                    masks.Clear();
                masks[state] = mask = Find(Terms.Never - 1);
            }
            return (mask.Farthest < left || terms.Shortest(state) > left ? mask : Find(left - 1)).Allowed;
        }
    }

    Mask Find(int end)
    {
        var allowed = new ulong[(tree.Tokenizer.Count + 63) / 64];
        var farthest = tree.Find(terms, state, end, allowed);
        if (state.IsNullable)
        {
            foreach (var token in tree.Tokenizer.Ends)
                allowed[token >> 6] |= 1UL << token;
        }
        return new(allowed, farthest);
    }

    /// <summary>Tells of a token that has come.</summary>
    public void Accept(int token)
    {
        lock (terms)
            state = After(token) ?? state;
        left--;
    }

    /// <summary>The tokens that must come next, whatever the model scores: as far as they stay the same whatever comes after them.</summary>
    public int[] Forced()
    {
        lock (terms)
        {
            var (text, end) = (new List<byte>(), state);
            while (!end.IsNullable && Only(end) is { } value)
            {
                text.Add(value);
                end = terms.Next(end, value);
            }
            if (text.Count == 0)
                return [];
            // A character that is only begun is left to the model.
            var bytes = text.ToArray().AsSpan();
            var length = bytes.Length;
            while (length > 0 && Rune.DecodeLastFromUtf8(bytes[..length], out _, out _) != System.Buffers.OperationStatus.Done)
                length--;
            var tokens = tree.Tokenizer.EncodeMore(Encoding.UTF8.GetString(bytes[..length])).ToList();
            // Not where a tokenizer makes another text of it.
            if (!bytes[..length].SequenceEqual(tokens.SelectMany(t => tree.Tokenizer.BytesOf(t).ToArray()).ToArray()))
                return [];
            if (length < bytes.Length || !(end.IsNullable && IsOnlyEnd(end)))
            {
                // The last tokens may be the beginnings of others, which the model is to choose from.
                while (tokens is [.., var last] && tree.GoesOn(terms, tree.Tokenizer.BytesOf(last), Behind(tokens)))
                    tokens.RemoveAt(tokens.Count - 1);
            }
            return [.. tokens.Take(left)];
        }
    }

    bool IsOnlyEnd(Term end) => !Enumerable.Range(0, 256).Any(b => IsAlive(terms.Next(end, (byte)b)));

    Term Behind(List<int> tokens)
    {
        var end = state;
        foreach (var token in tokens)
        {
            foreach (var value in tree.Tokenizer.BytesOf(token))
                end = terms.Next(end, value);
        }
        return end;
    }

    /// <summary>The one byte that can come; null where there are several.</summary>
    byte? Only(Term term)
    {
        byte? only = null;
        for (var b = 0; b < 256; b++)
        {
            if (!IsAlive(terms.Next(term, (byte)b)))
                continue;
            if (only is not null)
                return null;
            only = (byte)b;
        }
        return only;
    }
}
