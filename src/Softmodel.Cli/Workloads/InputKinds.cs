using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Workloads;

/// <summary>What an input is, as far as what is done with it tells.</summary>
enum InputKind
{
    /// <summary>Nothing that is known.</summary>
    Other,
    /// <summary>Pixels, from 0 to 1 or from 0 to 255.</summary>
    Picture,
    /// <summary>Samples of sound.</summary>
    Sound,
    /// <summary>Features of pieces of sound, one after the other.</summary>
    Frames,
    /// <summary>Integers that choose from a table.</summary>
    Tokens,
    /// <summary>Keys and values of what was read before.</summary>
    Past,
    /// <summary>Ones where something is meant.</summary>
    Mask,
}

/// <summary>What a symbolic size counts.</summary>
enum SizeKind
{
    Batch,
    Channels,
    Height,
    Width,
    Samples,
    Frames,
    Tokens,
    Past,
}

/// <summary>An input of a graph, and what is known of it.</summary>
/// <param name="Value">The input.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Channels">How many channels the first convolution takes that it reaches; null where it reaches none.</param>
/// <param name="HasChannelsLast">Whether a picture's channels are the last axis.</param>
sealed record GraphInput(Value Value, InputKind Kind, long? Channels, bool HasChannelsLast)
{
    const int MostChannels = 4;

    /// <summary>All inputs of a graph that a caller gives.</summary>
    public static GraphInput[] Of(Graph graph)
    {
        var uses = new Dictionary<Value, List<(Node Node, int Operand)>>();
        foreach (var node in graph.AllNodes())
        {
            for (var i = 0; i < node.Inputs.Count; i++)
            {
                if (!uses.TryGetValue(node.Inputs[i], out var all))
                    uses[node.Inputs[i]] = all = [];
                all.Add((node, i));
            }
        }
        return [.. graph.Arguments.Select(v => Of(v, uses))];
    }

    static GraphInput Of(Value input, Dictionary<Value, List<(Node Node, int Operand)>> uses)
    {
        bool Says(string word) => input.Name.Contains(word, StringComparison.OrdinalIgnoreCase);
        var (indexes, window) = (false, default((int Spatial, long? Channels)?));
        // Breadth first: the convolution that is nearest tells.
        var (next, seen) = (new Queue<Value>([input]), new HashSet<Value>([input]));
        void Go(Value value)
        {
            if (seen.Count < 4096 && seen.Add(value))
                next.Enqueue(value);
        }
        while (next.TryDequeue(out var value) && window is null)
        {
            foreach (var (node, operand) in uses.GetValueOrDefault(value) ?? [])
            {
                switch (node.Op)
                {
                    case Op.Gather or Op.GatherElements or Op.GatherND when operand == 1:
                        indexes |= input.Type.Element.IsInteger();
                        break;
                    case Op.Convolve convolve when operand == 0:
                        window ??= (convolve.Strides.Count, node.Inputs[1].Shape[1].Value * convolve.Groups);
                        break;
                    case Op.Map or Op.Cast or Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Pad or Op.Concat:
                        Go(node.Output);
                        break;
                    case Op.If branch:
                        Go(operand == 0 ? value : operand <= branch.Then.Inputs.Count ? branch.Then.Inputs[operand - 1] : branch.Else.Inputs[operand - 1 - branch.Then.Inputs.Count]);
                        break;
                    case Op.Loop loop when operand >= 2:
                        Go(loop.Body.Inputs[operand - 1]);
                        break;
                }
            }
        }
        var isPixels = input.Type.Element.IsFloat() || input.Type.Element == ElementType.UInt8;
        var shape = input.Shape;
        var kind = Says("past") || Says("cache_k") || Says("cache_v") ? InputKind.Past
            : Says("mask") ? InputKind.Mask
            : indexes ? InputKind.Tokens
            : !isPixels ? InputKind.Other
            : window is { Spatial: 2 } && shape.Rank is 3 or 4 ? InputKind.Picture
            : window is { Spatial: 1, Channels: <= 2 } ? InputKind.Sound
            : window is { Spatial: 1 } && shape.Rank == 3 ? InputKind.Frames
            : shape.Rank == 4 && shape.Dims.Any(d => d.Value is 1 or 3) ? InputKind.Picture
            : InputKind.Other;
        var isLast = kind == InputKind.Picture && shape[shape.Rank - 1].Value is <= MostChannels && !(shape.Rank == 4 && shape[1].Value is <= MostChannels);
        return new(input, kind, window?.Channels, isLast);
    }

    /// <summary>What an axis counts.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="symbol">The name of its size.</param>
    /// <param name="hasTokens">Whether the model takes tokens.</param>
    public SizeKind SizeOf(int axis, string symbol, bool hasTokens)
    {
        bool Says(params string[] words) => words.Any(w => symbol.Contains(w, StringComparison.OrdinalIgnoreCase));
        var rank = Value.Rank;
        if (Says("batch") || (axis == 0 && rank > 1 && !(rank == 3 && Kind == InputKind.Picture)))
            return SizeKind.Batch;
        switch (Kind)
        {
            case InputKind.Picture:
                var spatial = HasChannelsLast ? axis - (rank - 3) : axis - (rank - 2);
                return spatial switch { 0 => SizeKind.Height, 1 => SizeKind.Width, _ => SizeKind.Channels };
            case InputKind.Past:
                return Says("encoder") ? SizeKind.Frames : SizeKind.Past;
            case InputKind.Sound:
                return axis == rank - 1 ? SizeKind.Samples : SizeKind.Channels;
            case InputKind.Frames:
                var channels = Enumerable.Range(1, rank - 1).FirstOrDefault(i => Value.Shape[i].Value == Channels, 1);
                return axis == channels ? SizeKind.Channels : SizeKind.Frames;
        }
        return Says("height") ? SizeKind.Height
            : Says("width") ? SizeKind.Width
            : Says("past") ? SizeKind.Past
            : Says("encoder", "frame", "time") ? SizeKind.Frames
            : Says("sample", "audio") ? SizeKind.Samples
            : hasTokens || Kind == InputKind.Tokens || !Value.Type.Element.IsFloat() ? SizeKind.Tokens
            : rank <= 2 ? SizeKind.Samples : SizeKind.Frames;
    }
}
