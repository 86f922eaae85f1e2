namespace Softmodel.Language.Constraints;

/// <summary>The tokens that are text, as a tree of their bytes, each node before what is below it.</summary>
sealed class TokenTree
{
    readonly record struct Node(byte Value, ushort Depth, int Tokens, int End);

    readonly List<Node> nodes = [];
    readonly int[] tokens;

    /// <summary>Makes the tree.</summary>
    public TokenTree(Tokenizer tokenizer)
    {
        Tokenizer = tokenizer;
        // Longer tokens than a depth can say are none that a text is made of.
        tokens = [.. Enumerable.Range(0, tokenizer.Count).Where(t => tokenizer.IsText(t) && tokenizer.BytesOf(t).Length is > 0 and < ushort.MaxValue)];
        Array.Sort(tokens, (x, y) => tokenizer.BytesOf(x).SequenceCompareTo(tokenizer.BytesOf(y)));
        var open = new Stack<int>();
        var before = ReadOnlySpan<byte>.Empty;
        void Close(int depth)
        {
            while (open.Count > depth)
            {
                var node = open.Pop();
                nodes[node] = nodes[node] with { End = nodes.Count };
            }
        }
        for (var i = 0; i < tokens.Length; i++)
        {
            var bytes = tokenizer.BytesOf(tokens[i]);
            var same = bytes.CommonPrefixLength(before);
            Close(same);
            for (var d = same; d < bytes.Length; d++)
            {
                open.Push(nodes.Count);
                // The tokens of a node are those of its own bytes: none but at the last one.
                nodes.Add(new(bytes[d], (ushort)(d + 1), i, 0));
            }
            Depth = Math.Max(Depth, bytes.Length);
            before = bytes;
        }
        Close(0);
        Quoted = [.. tokens.Where(t => tokenizer.BytesOf(t).Contains((byte)'"'))];
    }

    /// <summary>Whose tokens they are.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The tokens in which a quote stands.</summary>
    public IReadOnlyList<int> Quoted { get; }

    /// <summary>How many bytes the longest token has.</summary>
    int Depth { get; }

    /// <summary>Finds the tokens that may come.</summary>
    /// <param name="terms">Where states follow one another.</param>
    /// <param name="state">The state before them.</param>
    /// <param name="left">How many bytes there may be to the end after a token.</param>
    /// <param name="allowed">Is given their bits.</param>
    /// <returns>How far the end is after the token that leads farthest from it; -1 where none may come.</returns>
    public int Find(Terms terms, Term state, int left, Span<ulong> allowed)
    {
        allowed.Clear();
        var states = new Term[Depth + 1];
        states[0] = state;
        var farthest = -1;
        for (var at = 0; at < nodes.Count;)
        {
            var node = nodes[at];
            var next = terms.Next(states[node.Depth - 1], node.Value);
            var end = terms.Shortest(next);
            if (end == Terms.Never)
            {
                at = node.End;
                continue;
            }
            states[node.Depth] = next;
            if (end <= left)
            {
                for (var t = node.Tokens; t < tokens.Length && Tokenizer.BytesOf(tokens[t]).Length == node.Depth && (t == node.Tokens || Tokenizer.BytesOf(tokens[t]).SequenceEqual(Tokenizer.BytesOf(tokens[t - 1]))); t++)
                {
                    allowed[tokens[t] >> 6] |= 1UL << tokens[t];
                    farthest = Math.Max(farthest, end);
                }
            }
            at++;
        }
        return farthest;
    }

    /// <summary>Whether a token goes on with some bytes so that the text may still become what is demanded.</summary>
    /// <param name="terms">Where states follow one another.</param>
    /// <param name="bytes">The bytes that it begins with.</param>
    /// <param name="state">The state after them.</param>
    public bool GoesOn(Terms terms, ReadOnlySpan<byte> bytes, Term state)
    {
        var (at, end) = (0, nodes.Count);
        for (var d = 0; d < bytes.Length; d++)
        {
            while (at < end && nodes[at].Value != bytes[d])
                at = nodes[at].End;
            if (at >= end)
                return false;
            (at, end) = (at + 1, nodes[at].End);
        }
        for (; at < end; at = nodes[at].End)
        {
            if (terms.Shortest(terms.Next(state, nodes[at].Value)) != Terms.Never)
                return true;
        }
        return false;
    }
}
