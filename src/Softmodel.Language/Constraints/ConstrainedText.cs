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
    JsonKeys? keys = constraint.HasOpenKeys ? JsonKeys.Start : null;
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
            return tree.Tokenizer.IsText(token) && After(token) is { } next && Fits(next, keys?.Next(tree.Tokenizer.BytesOf(token)));
        }
    }

    // Where the end can't be reached any more the text goes on as it may, and is cut off.
    bool Fits(Term next, JsonKeys? after) => (keys is null || after is not null) && Shortest(next, after) is var end && (end < left || (end != Terms.Never && Shortest(state, keys) > left));

    int Shortest(Term term, JsonKeys? at) => at?.Shortest(terms, term) ?? terms.Shortest(term);

    Term? After(int token)
    {
        var bytes = tree.Tokenizer.BytesOf(token);
        return bytes.IsEmpty ? null : terms.Next(state, bytes);
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
            if (!(mask.Farthest < left || Shortest(state, keys) > left))
                mask = Find(left - 1);
            return keys?.IsAny == true ? WithoutUsedKeys(mask.Allowed) : mask.Allowed;
        }
    }

    // What is allowed depends on the keys that there are only where a token is part of a key, or ends or begins one.
    ulong[] WithoutUsedKeys(ulong[] allowed)
    {
        var own = allowed.ToArray();
        void Clear(int token)
        {
            if ((own[token >> 6] >> token & 1) != 0 && !Fits(After(token)!, keys!.Next(tree.Tokenizer.BytesOf(token))))
                own[token >> 6] &= ~(1UL << token);
        }
        foreach (var token in tree.Quoted)
            Clear(token);
        var starts = keys!.Rests().Where(r => r.Length > 0).Select(r => (byte)r[0]).ToHashSet();
        for (var token = 0; starts.Count > 0 && token < tree.Tokenizer.Count; token++)
        {
            if ((own[token >> 6] >> token & 1) != 0 && tree.Tokenizer.BytesOf(token) is [var first, ..] && starts.Contains(first))
                Clear(token);
        }
        return own;
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

    /// <summary>Whether tokens may come one after the other.</summary>
    public bool Allows(ReadOnlySpan<int> tokens)
    {
        var before = (state, keys, left);
        try
        {
            foreach (var token in tokens)
            {
                if (!Allows(token))
                    return false;
                Accept(token);
            }
            return true;
        }
        finally
        {
            (state, keys, left) = before;
        }
    }

    /// <summary>Tells of a token that has come.</summary>
    public void Accept(int token)
    {
        lock (terms)
            (state, keys) = (After(token) ?? state, keys?.Next(tree.Tokenizer.BytesOf(token)) ?? keys);
        left--;
    }

    /// <summary>The tokens that must come next, whatever the model scores: as far as they stay the same whatever comes after them.</summary>
    public int[] FastForward()
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
            end = terms.Next(end, tree.Tokenizer.BytesOf(token));
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
