using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Workloads;

/// <summary>Sizes that a model is run at.</summary>
/// <param name="Height">Of a picture.</param>
/// <param name="Width">Of a picture.</param>
/// <param name="Samples">Of sound, at 16 kHz.</param>
/// <param name="Frames">Of features of sound, 100 in a second.</param>
/// <param name="Tokens">Of text.</param>
/// <param name="Past">Of text that was read before.</param>
/// <param name="Batch">How many at once.</param>
sealed record RunSizes(long Height, long Width, long Samples, long Frames, long Tokens, long Past, long Batch = 1)
{
    // A line of text, a picture of a classifier, one of a detector; seconds of sound; sentences and pages.
    static readonly RunSizes line = new(48, 320, 16_000, 100, 32, 16), small = new(224, 224, 160_000, 1000, 512, 0), large = new(640, 640, 12_345, 37, 1, 5);

    /// <summary>What is timed.</summary>
    public static readonly RunSizes[] Usual = [line, small with { Past = 16 }, large with { Samples = 160_000, Frames = 1000, Tokens = 512, Past = 16 }];

    /// <summary>What is compared: the usual, and what is left over where vectors and tiles end.</summary>
    public static readonly RunSizes[] Varied = [line, small, large, new(64, 96, 8_000, 50, 7, 31), line with { Batch = 2 }];

    /// <summary>The size of one kind.</summary>
    public long this[SizeKind kind] => kind switch
    {
        SizeKind.Height => Height,
        SizeKind.Width => Width,
        SizeKind.Samples => Samples,
        SizeKind.Frames => Frames,
        SizeKind.Tokens => Tokens,
        SizeKind.Past => Past,
        _ => Batch,
    };
}

/// <summary>
/// Inputs that a model can take, made up from its graph: integers are below what they index, masks are 1, lengths agree
/// with what they speak of, pixels lie between 0 and 1, and symbolic sizes are those of the model's kind.
/// </summary>
/// <param name="graph">The graph.</param>
sealed class GeneratedInputs(Graph graph)
{
    readonly GraphInput[] inputs = GraphInput.Of(graph);
    readonly Ranges ranges = new(graph);

    // A model that is not for sound of 16 kHz takes about as much of it.
    const double Rate = 16_000;

    /// <summary>What the model is run on, the same every time.</summary>
    /// <param name="sizes">The sizes to run it at; those that its tables of positions are too small for are halved until they fit.</param>
    public IEnumerable<Workload> Of(IEnumerable<RunSizes> sizes) => Distinct(sizes.Select(s =>
    {
        var symbols = Symbols(s);
        var found = ranges.Of(symbols);
        while (!found.Fits && (s.Tokens > 1 || s.Frames > 1))
        {
            s = s with { Tokens = Math.Max(1, s.Tokens / 2), Frames = Math.Max(1, s.Frames / 2) };
            found = ranges.Of(symbols = Symbols(s));
        }
        return Of(symbols, found, Name(s));
    }));

    /// <summary>What the model is run on where its inputs have certain shapes.</summary>
    /// <param name="shapes">Shapes by the names of inputs; all others follow from them, or are the usual ones.</param>
    public IEnumerable<Workload> Of(IReadOnlyList<IReadOnlyDictionary<string, long[]>> shapes) => shapes.Select(given =>
    {
        var symbols = Symbols(RunSizes.Usual[0]);
        foreach (var (i, axis, symbol, less) in Graph.SizeBindings([.. inputs.Select(i => i.Value)]))
        {
            if (given.TryGetValue(inputs[i].Value.Name, out var dims) && axis < dims.Length)
                symbols[symbol] = dims[axis] - less.Evaluate(s => symbols[s]);
        }
        return Of(symbols, ranges.Of(symbols), string.Join(", ", inputs.Where(i => i.Kind != InputKind.Past && given.ContainsKey(i.Value.Name)).Select(i => Name(i, given[i.Value.Name]))));
    });

    static string Name(GraphInput input, long[] dims) => input.Kind == InputKind.Tokens ? Count(dims[^1], "token") : string.Join("×", dims.SkipWhile(n => n == 1).DefaultIfEmpty(1));

    static string Count(long count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";

    // Sizes that follow from others make some of the runs alike.
    static IEnumerable<Workload> Distinct(IEnumerable<Workload> works) => works.DistinctBy(w => string.Join(";", w.Inputs.Select(i => i.Value.TensorType)));

    Dictionary<string, SizeKind> Kinds()
    {
        var kinds = new Dictionary<string, SizeKind>(StringComparer.Ordinal);
        var hasTokens = inputs.Any(i => i.Kind == InputKind.Tokens);
        // What is surest first: the same size may stand in several inputs.
        foreach (var input in inputs.OrderBy(i => i.Kind is InputKind.Other or InputKind.Mask ? 1 : 0))
        {
            for (var axis = 0; axis < input.Value.Rank; axis++)
            {
                if (input.Value.Shape[axis].SymbolName is { } symbol)
                    kinds.TryAdd(symbol, input.SizeOf(axis, symbol, hasTokens));
            }
        }
        return kinds;
    }

    Dictionary<string, long> Symbols(RunSizes sizes)
    {
        var kinds = Kinds();
        var channels = inputs.Select(i => i.Channels).FirstOrDefault(c => c is not null) ?? 3;
        var batch = Batch(sizes, kinds);
        var symbols = kinds.ToDictionary(k => k.Key, k => k.Value == SizeKind.Channels ? channels : k.Value == SizeKind.Batch ? batch : sizes[k.Value], StringComparer.Ordinal);
        foreach (var symbol in inputs.SelectMany(i => i.Value.Shape.Dims).SelectMany(d => d.Symbols))
            symbols.TryAdd(symbol, sizes.Tokens);
        return symbols;
    }

    // Where nothing else is open, the batch is what there is to vary, as far as its inputs are small.
    long Batch(RunSizes sizes, Dictionary<string, SizeKind> kinds)
    {
        if (!kinds.Values.All(k => k == SizeKind.Batch))
            return sizes.Batch;
        var one = inputs.Sum(i => i.Value.Shape.Dims.Aggregate(1L, (n, d) => n * (d.Value ?? 1)));
        return Math.Min(sizes.Tokens, Math.Clamp(MostElements / Math.Max(1, one), 1, MostBatch));
    }

    const long MostBatch = 64, MostElements = 1 << 20;

    string Name(RunSizes sizes)
    {
        var batch = Batch(sizes, Kinds());
        var kinds = Kinds().Values.ToHashSet();
        List<string> parts = [];
        if (inputs.FirstOrDefault(i => i.Kind == InputKind.Picture) is { } picture && (kinds.Contains(SizeKind.Height) || kinds.Contains(SizeKind.Width)))
        {
            var symbols = Symbols(sizes);
            var first = picture.Value.Rank - (picture.HasChannelsLast ? 3 : 2);
            parts.Add($"{picture.Value.Shape[first].Evaluate(s => symbols[s])}×{picture.Value.Shape[first + 1].Evaluate(s => symbols[s])}");
        }
        if (kinds.Contains(SizeKind.Samples))
            parts.Add($"{sizes.Samples / Rate:0.##} s");
        if (kinds.Contains(SizeKind.Tokens))
            parts.Add(Count(sizes.Tokens, "token"));
        if (kinds.Contains(SizeKind.Frames))
            parts.Add(Count(sizes.Frames, "frame"));
        if (kinds.Contains(SizeKind.Past))
            parts.Add($"after {sizes.Past}");
        if (kinds.Contains(SizeKind.Batch) && (batch > 1 || kinds.Count == 1))
            parts.Add($"batch of {batch}");
        return parts.Count > 0 ? string.Join(", ", parts) : "its own sizes";
    }

    Workload Of(Dictionary<string, long> symbols, Ranges.Found found, string name, int seed = 0)
    {
        var random = new Random(1 + 7919 * seed + symbols.Values.Sum(v => (int)v));
        return new(seed == 0 ? name : $"{name}, other numbers {seed}", inputs.Select((input, i) => (input.Value.Name, Tensor: Of(input, i, symbols, found, random))).ToDictionary(p => p.Name, p => p.Tensor))
        {
            Again = again => Of(symbols, found, name, again),
        };
    }

    static Tensor Of(GraphInput input, int index, Dictionary<string, long> symbols, Ranges.Found found, Random random)
    {
        long[] dims = [.. input.Value.Shape.Dims.Select(d => Math.Max(0, d.Evaluate(s => symbols[s])))];
        var (type, count) = (input.Value.Type.Element, checked((int)Tensor.CountOf(dims)));
        bool Says(string word) => input.Value.Name.Contains(word, StringComparison.OrdinalIgnoreCase);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        var (low, high) = (Rate / (60 + 60 * random.NextDouble()), Rate / (900 + 900 * random.NextDouble()));
        Func<int, double> number = input.Kind switch
        {
            InputKind.Mask => _ => Says("padding") && type == ElementType.Bool ? 0 : 1,
            InputKind.Picture => type == ElementType.UInt8 ? _ => random.Next(256) : _ => random.NextDouble(),
            // Two tones and some noise.
            InputKind.Sound => i => 0.3 * Math.Sin(i * 2 * Math.PI / low) + 0.2 * Math.Sin(i * 2 * Math.PI / high) + 0.05 * Normal(),
            _ when type == ElementType.Bool => _ => random.Next(2),
            // A speed, a scale, a temperature.
            // A speaker's style; with one far from all speakers', a voice draws out its sounds.
            _ when type.IsFloat() && Says("style") => _ => 0.2 * Normal(),
            _ when type.IsFloat() => count <= 4 && input.Value.Rank <= 1 ? _ => 1 : _ => Normal(),
            _ when found.Lengths.TryGetValue(index, out var length) => _ => length,
            _ when Says("type") || Says("sequences") => _ => 0,
            _ when Says("position") => i => Math.Min(i % Math.Max(1, dims[^1]), found.Largest.GetValueOrDefault(index, long.MaxValue)),
            _ when found.Largest.TryGetValue(index, out var largest) => _ => random.NextInt64(Math.Min(1, largest), largest + 1),
            _ when found.Sizes.Contains(index) || Says("len") => _ => symbols.Values.DefaultIfEmpty(1).Max(),
            _ => _ => random.Next(1, 100),
        };
        var values = new double[count];
        for (var i = 0; i < count; i++)
            values[i] = number(i);
        return Tensor.Of(type, dims, values);
    }
}
