using Softmodel.Import.Families;
using Softmodel.Import.Onnx;
using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>Tokens that are fed to a decoder.</summary>
/// <param name="Sequence">The sequence that they go on.</param>
/// <param name="Tokens">The tokens, at least one.</param>
/// <param name="WantsAll">Whether what comes after every one of them is wanted, rather than after the last.</param>
readonly record struct Fed(int Sequence, ReadOnlyMemory<int> Tokens, bool WantsAll = false);

/// <summary>
/// A compiled decoder and what it has read: several sequences, fed in any order, some tokens or one at a time. An ONNX export reads
/// one sequence, whose tokens lie in the order in which they came.
/// </summary>
/// <param name="model">The model, which the decoder takes over.</param>
/// <param name="capacity">How many tokens all sequences together may have.</param>
/// <param name="whenFull">What is done when there is no room left.</param>
/// <param name="roundsByRun">Whether what is read in one run depends on all of it.</param>
sealed class Decoder(CompiledModel model, int capacity, WhenFull whenFull = WhenFull.Refuse, bool roundsByRun = false) : IDisposable
{
    // What makes room leaves the beginning of a text, which much attention goes to (arXiv 2309.17453).
    const int Kept = 4;

    readonly Dictionary<string, int> inputs = model.Inputs.Select((input, i) => (input.Name, i)).ToDictionary(p => p.Name, p => p.i, StringComparer.Ordinal);
    readonly TensorArgument[] arguments = new TensorArgument[model.Inputs.Count];
    readonly HashSet<int> begun = [];
    long[] tokens = [], positions = [], sequences = [], cells = [], wanted = [], kept = [], mask = [], cellPositions = [], cellSequences = [];

    /// <summary>What lies where.</summary>
    public Cells Cells { get; } = new(capacity);

    /// <summary>The compiled model.</summary>
    public CompiledModel Model => model;

    /// <summary>How many scores there are for each token that is wanted.</summary>
    public int Vocabulary { get; } = (int)model.Outputs[0].Sizes[^1];

    /// <summary>Whether it is an export, which is given a table of tokens and scores all of them.</summary>
    public bool IsExport { get; } = model.Inputs.Any(i => i.Name == TextInputs.Ids);

    /// <summary>
    /// Whether a sequence can be taken back to an earlier token: not where every token changes one state; and where what follows is
    /// to be as if it had been read anew, not where that depends on what is read together.
    /// </summary>
    public bool CanCut => !roundsByRun && !inputs.ContainsKey(Transformer.Kept);

    /// <summary>Whether a model's inputs are those of an export that is read here.</summary>
    public static bool IsExportOf(IReadOnlyList<TensorInfo> inputs) => inputs.Any(i => i.Name == TextInputs.Ids) && inputs.All(i => i.Type == ElementType.Int64 && i.Rank == 2 && i.Name is TextInputs.Ids or TextInputs.Mask or TextInputs.Places);

    /// <summary>Begins a sequence.</summary>
    /// <exception cref="SoftmodelException">There are as many as the decoder tells apart.</exception>
    public int Begin() => IsExport && Cells.IsTaken ? throw new SoftmodelException("an ONNX export reads one sequence at a time; end the one before") : Cells.Begin();

    /// <summary>Ends a sequence.</summary>
    public void End(int sequence)
    {
        Cells.End(sequence);
        begun.Remove(sequence);
    }

    /// <summary>Feeds tokens, and gives the scores of what comes after those that are wanted, in the order in which they were fed.</summary>
    /// <param name="feeds">What is fed; a sequence at most once.</param>
    /// <returns>[wanted, vocabulary]; valid until the next run.</returns>
    /// <exception cref="SoftmodelException">There is no room, or a token is none of the vocabulary: nothing has been fed.</exception>
    public ReadOnlySpan<float> Run(params ReadOnlySpan<Fed> feeds)
    {
        var (count, asked) = (0, 0);
        foreach (var feed in feeds)
        {
            foreach (var token in feed.Tokens.Span)
            {
                if ((uint)token >= (uint)Vocabulary)
                    throw new SoftmodelException($"there is no token {token}; the model knows 0 to {Vocabulary - 1}");
            }
            count += feed.Tokens.Length;
            asked += feed.WantsAll ? feed.Tokens.Length : 1;
        }
        MakeRoom(feeds, count);
        (tokens, positions, sequences, cells, wanted) = (Sized(tokens, count), Sized(positions, count), Sized(sequences, count), Sized(cells, count), Sized(wanted, asked));
        var (at, want) = (0, 0);
        foreach (var feed in feeds)
        {
            var span = feed.Tokens.Span;
            var start = Cells.Length(feed.Sequence);
            Cells.Take(feed.Sequence, cells.AsSpan(at, span.Length));
            for (var i = 0; i < span.Length; i++, at++)
            {
                (tokens[at], positions[at], sequences[at]) = (span[i], start + i, feed.Sequence);
                if (feed.WantsAll || i == span.Length - 1)
                    wanted[want++] = at;
            }
        }
        if (IsExport)
        {
            RunExport(feeds, count);
            var scores = model.Output(0).Span<float>();
            return feeds[0].WantsAll ? scores : scores[^Vocabulary..];
        }
        Set(Transformer.Tokens, tokens, count);
        Set(Transformer.Positions, positions, count);
        Set(Transformer.Sequences, sequences, count);
        Set(Transformer.Wanted, wanted, asked);
        if (inputs.ContainsKey(Transformer.Cells))
        {
            (cellPositions, cellSequences) = (Sized(cellPositions, Cells.Used), Sized(cellSequences, Cells.Used));
            Cells.Positions.CopyTo(cellPositions);
            Cells.Sequences.CopyTo(cellSequences);
            Set(Transformer.Cells, cells, count);
            Set(Transformer.CellPositions, cellPositions, Cells.Used);
            Set(Transformer.CellSequences, cellSequences, Cells.Used);
        }
        if (inputs.ContainsKey(Transformer.Kept))
        {
            kept = Sized(kept, Transformer.MostSequences);
            for (var i = 0; i < kept.Length; i++)
                kept[i] = begun.Contains(i) ? 1 : 0;
            Set(Transformer.Kept, kept, Transformer.MostSequences);
        }
        Compute(feeds);
        return model.Output(0).Span<float>();
    }

    void RunExport(ReadOnlySpan<Fed> feeds, int count)
    {
        mask = Sized(mask, Cells.Used);
        mask.AsSpan(0, Cells.Used).Fill(1);
        foreach (var (name, at) in inputs)
        {
            var (values, size) = name switch
            {
                TextInputs.Ids => (tokens, count),
                TextInputs.Places => (positions, count),
                _ => (mask, Cells.Used),
            };
            arguments[at] = TensorArgument.Of<long>(values.AsMemory(0, size), 1, size);
        }
        Compute(feeds);
    }

    void Compute(ReadOnlySpan<Fed> feeds)
    {
        try
        {
            model.Run(arguments);
        }
        catch
        {
            foreach (var feed in feeds)
                Cells.Cut(feed.Sequence, Cells.Length(feed.Sequence) - feed.Tokens.Length);
            throw;
        }
        foreach (var feed in feeds)
            begun.Add(feed.Sequence);
    }

    void MakeRoom(ReadOnlySpan<Fed> feeds, int count)
    {
        if (count <= Cells.Free)
            return;
        foreach (var feed in feeds)
        {
            if (whenFull == WhenFull.Forget && !IsExport && Cells.Forget(feed.Sequence, count, Kept))
                return;
        }
        throw new SoftmodelException($"{count} tokens are fed, and of the {Cells.Capacity} that this context has room for {Cells.Free} are free; make the context larger, or let it forget");
    }

    static long[] Sized(long[] array, int count) => array.Length >= count ? array : new long[Math.Max(count, array.Length * 2)];

    void Set(string name, long[] values, int count) => arguments[inputs[name]] = TensorArgument.Of<long>(values.AsMemory(0, count), count);

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();
}
