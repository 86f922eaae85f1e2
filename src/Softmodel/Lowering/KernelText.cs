using System.Globalization;
using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>A kernel as text: a few words, and what was decided of it as attributes.</summary>
/// <param name="Words">What kernel it is.</param>
/// <param name="Attributes">Each as <c>key=value</c>, one after the other.</param>
sealed record KernelText(string Words, string Attributes)
{
    /// <summary>How a kernel is written.</summary>
    public static KernelText Of(NestKernel kernel) => kernel switch
    {
        NestKernel.Plain plain => new("loops", Along(plain.Loops)),
        NestKernel.Tiled { Tile: var tile } tiled => Of(tile) is var text && tiled is { Fast: { } fast }
            ? text with { Attributes = $"{text.Attributes} packed=true toom_cook={fast.Algorithm.Taps}{(fast.Shortest is { } least ? $" from={least}" : "")}" }
            : tiled.IsPacked ? text with { Attributes = $"{text.Attributes} packed=true" } : text,
        NestKernel.Panelled { Panel: var panel } => new($"{(panel.Map is null ? "" : "gathered ")}panels{(panel.HasPairs ? " int16" : "")}", $"columns={panel.Column.Name}{(panel.Row is { } row ? $" rows={row.Name}" : "")}"),
        NestKernel.Windowed { Window: var window } => new("window", Along(window.After)),
        NestKernel.Transposed => new("transpose", ""),
        NestKernel.Padded => new("padding", ""),
        _ => throw new InvalidOperationException(kernel.GetType().Name),
    };

    /// <summary>How a register tile is written.</summary>
    public static KernelText Of(Tile tile) => new($"{(tile.Gather is null ? "" : "gathered ")}tile {tile.Height}x{tile.Step}", $"rows={tile.Row.Name} columns={tile.Column.Name}");

    /// <summary>How it is written which loop is the innermost.</summary>
    public static string Along(Loops loops) => loops.Inner is { } inner ? $"{(loops.IsVector ? "vectors" : "inner")}={inner.Name}" : "";

    /// <summary>The kernel of a nest that is written so.</summary>
    /// <param name="words">What kernel it is.</param>
    /// <param name="attributes">What was decided of it.</param>
    /// <param name="nest">The nest, as it is read where others compute it with panels.</param>
    /// <param name="target">What kernels are chosen for.</param>
    /// <exception cref="FormatException">There is no such kernel, or none of this nest.</exception>
    public static NestKernel Read(string words, IReadOnlyDictionary<string, string> attributes, Step.Nest nest, Target target)
    {
        NestKernel? kernel = words.Split(' ') switch
        {
            ["loops"] => new NestKernel.Plain(Along(Loops.Of(nest), attributes)),
            [.., "tile", _] => Tiled(TileOf(words, attributes, nest, target), attributes, nest, target),
            [.., "panels"] or ["panels", "int16"] => Panel.Of(nest, target) is { } panel ? new NestKernel.Panelled(panel) : null,
            ["window"] => Window.Of(nest) is { } window ? new NestKernel.Windowed(window with { After = Along(window.After, attributes) }) : null,
            ["transpose"] => Transposition.Of(nest) is { } copy ? new NestKernel.Transposed(copy) : null,
            ["padding"] => PaddedCopy.Of(nest) is { } padding ? new NestKernel.Padded(padding) : null,
            _ => throw new FormatException($"there is no kernel '{words}'"),
        };
        if (kernel is null)
            throw new FormatException($"'{words}' can't compute what follows");
        var there = Of(kernel);
        return there.Words == words && Names.Attributes(there.Attributes) is var told && told.Count == attributes.Count && told.All(a => attributes.GetValueOrDefault(a.Key) == a.Value) ? kernel
            : throw new FormatException($"what follows can be computed by '{there.Words} {there.Attributes}', but not by '{words} {string.Join(" ", attributes.Select(a => $"{a.Key}={a.Value}"))}'");
    }

    /// <summary>The register tile that is written so.</summary>
    /// <inheritdoc cref="Read"/>
    public static Tile TileOf(string words, IReadOnlyDictionary<string, string> attributes, Step.Nest nest, Target target)
    {
        var (rows, columns) = (attributes.GetValueOrDefault("rows"), attributes.GetValueOrDefault("columns"));
        var (tiles, parts) = (words.StartsWith("gathered ", StringComparison.Ordinal) ? Tile.OfGathered(nest, target) : Tile.OfPlaced(nest, target), words.Split(' ')[^1].Split('x'));
        if (parts is not [var height, var step] || Whole(step) % target.Lanes != 0)
            throw new FormatException($"a tile is written as 'tile 4x24', with columns in whole vectors of {target.Lanes}");
        return (tiles.FirstOrDefault(t => t.Row.Name == rows && t.Column.Name == columns) ?? throw new FormatException($"'{words}' with rows {rows} and columns {columns} can't compute what follows"))
            .Sized((int)Whole(height), (int)Whole(step) / target.Lanes);
    }

    static NestKernel.Tiled Tiled(Tile tile, IReadOnlyDictionary<string, string> attributes, Step.Nest nest, Target target)
    {
        if (!attributes.ContainsKey("packed"))
            return new(tile, false, null);
        if (tile.Packable is null)
            throw new FormatException("no factor of what follows can be packed");
        return new(tile, true, !attributes.ContainsKey("toom_cook") ? null
            : (ToomCook.Of(nest, target) ?? throw new FormatException("what follows can't be computed by Toom-Cook")).From(attributes.TryGetValue("from", out var from) ? Whole(from) : null));
    }

    /// <summary>The loops with the innermost that is written.</summary>
    /// <exception cref="FormatException">There is no such loop, or it can't take vectors.</exception>
    public static Loops Along(Loops loops, IReadOnlyDictionary<string, string> attributes)
    {
        if (attributes.TryGetValue("vectors", out var name))
        {
            var (side, sum) = Vectorization.Possible(loops.Nest);
            return loops with { IsVector = true, Inner = side?.Name == name ? side : sum?.Name == name ? sum : throw new FormatException($"the loop {name} can't take vectors") };
        }
        return loops with
        {
            IsVector = false,
            Inner = !attributes.TryGetValue("inner", out var inner) ? null : loops.Nest.Axes.FirstOrDefault(a => a.Name == inner) ?? throw new FormatException($"there is no loop {inner}"),
        };
    }

    static long Whole(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
