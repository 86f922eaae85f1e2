using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>Writes what moves a small window over each map for itself: see <see cref="Window"/>.</summary>
/// <param name="window">The window.</param>
/// <param name="lanes">How many floats a vector holds.</param>
sealed class WindowCode(Window window, int lanes)
{
    readonly Fold fold = window.Fold;
    readonly Expr.Load source = window.Read;
    readonly Expr.Load? weights = window.Weights;
    readonly double outside = window.Outside;
    readonly Expr.Guard? inRow = window.InRow, inColumn = window.InColumn;
    readonly Axis[] planes = window.Planes;
    readonly Axis? row = window.Row;
    readonly Axis column = window.Column;
    readonly Window.Taps? down = window.Down;
    readonly Window.Taps across = window.Across;

    // In floats: what of a core's caches the rows of a map take, and the operations that are worth an element's copy there and back.
    const int Cache = 1 << 14, Copies = 4;

    /// <summary>The kernel.</summary>
    public KernelCode Write()
    {
        var parameters = new List<Lowering.Buffer>();
        var writer = new KernelWriter(planes.ToDictionary(a => a, _ => 1), null, 1, parameters);
        var map = planes.Select((a, i) => (Axis: a, Map: new Axis($"{RowsPart.Outer}{i}", a.Extent))).ToDictionary(p => p.Axis, p => p.Map);
        Index Placed(Index index)
        {
            Index placed = index.Offset;
            foreach (var (axis, stride) in index.Terms.Where(t => map.ContainsKey(t.Axis)))
                placed += (Index)map[axis] * stride;
            return placed;
        }
        var own = window.Own;
        var (width, size) = (writer.Code(column.Extent), writer.Code(own.Extent));
        // Places that the windows of a row read.
        var places = row is null ? $"({RowsPart.Count} - 1) * {across.Stride} + {across.Reach + 1}" : $"({width} - 1) * {across.Stride} + {across.Reach + 1}";
        var (x, sums) = (writer.Pointer(source.Buffer), window.Sums);
        var body = new StringBuilder();
        for (var i = planes.Length - 1; i >= 0; i--)
            body.Append(i > 0 ? $"var {RowsPart.Outer}{i} = plane % {writer.Code(planes[i].Extent)};\nplane /= {writer.Code(planes[i].Extent)};\n" : $"var {RowsPart.Outer}0 = plane;\n");
        body.Append($"long columns = {(row is null ? RowsPart.Count : width)}, places = {places};\n");
        var rows = down is null ? "1" : $"(({RowsPart.Count} - 1) * {down.Stride} + {down.Reach + 1})";
        var elements = row is null ? RowsPart.Count : $"{RowsPart.Count} * {width}";
        body.Append($"var map = Scratch.Floats({rows} * places + places + {elements} + {lanes * (2 * across.Stride + 3)});\n");
        body.Append($"var line = map + {rows} * places + {lanes * across.Stride};\nvar sums = line + places + {lanes};\n");
        var (y, yStep, height) = inRow is null ? ("0", "0", "long.MaxValue") : (writer.Code(inRow.Index.Offset), writer.Code(inRow.Index.Stride(row!).Value!.Value / down!.Stride), writer.Code(inRow.Size));
        var (place, placeStep, most) = inColumn is null ? ("0", "0", "long.MaxValue") : (writer.Code(inColumn.Index.Offset), writer.Code(inColumn.Index.Stride(column).Value!.Value / across.Stride), writer.Code(inColumn.Size));
        body.Append(row is null
            ? $"Columns.Gather({x} + {writer.Code(Placed(source.Index))} + {RowsPart.From} * {writer.Code(across.Unit * across.Stride)}, map, 0, places, long.MaxValue, 0, {writer.Code(across.Unit)}, 0, 0, long.MaxValue, {place}{(inColumn is null ? "" : $" + {RowsPart.From} * {across.Stride} * {placeStep}")}, {placeStep}, {most}, {KernelWriter.Literal(outside)});\n"
            : $"Columns.Gather({x} + {writer.Code(Placed(source.Index))}, map, {RowsPart.From} * {down!.Stride} * places, {rows} * places, places, {writer.Code(down.Unit)}, {writer.Code(across.Unit)}, {y}, {yStep}, {height}, {place}, {placeStep}, {most}, {KernelWriter.Literal(outside)});\n");
        body.Append(weights is null ? Extremes() : Products(writer, Placed));
        // What becomes of the sums.
        var text = NestCode.Whole(window.After, parameters, "after_");
        body.Append($"var {writer.Pointer(sums)} = sums - {RowsPart.From}{(row is null ? "" : $" * {width}")};\n{{\n{KernelWriter.Indent(text, 1)}}}\n");
        var count = Dim.Product(planes.Select(a => a.Extent));
        var cost = (long)(weights is null ? across.Count + (down?.Count ?? 1) : across.Count * (down?.Count ?? 1)) + Copies + Cost.Of(window.After.Nest);
        var given = parameters.Where(b => b != sums).ToList();
        string Sizes(Func<Dim, string> code) => row is null ? $"{code(count)}, {code(column.Extent)}, {cost}" : $"{code(count)} * {code(row.Extent)}, 1, {code(column.Extent)} * {cost}";
        var loop = row is null
            ? $"for (; at < atEnd; at++)\n{{\n    long plane = at, {RowsPart.From} = begin, {RowsPart.Count} = end - begin;\n{KernelWriter.Indent(body.ToString(), 1)}}}\n"
            : $"var most = Math.Max(1, {Cache} / Math.Max(1, {down!.Stride * across.Stride} * {width}));\nwhile (at < atEnd)\n{{\n    long plane = at / {size}, {RowsPart.From} = at - plane * {size}, {RowsPart.Count} = Math.Min(most, Math.Min({size} - {RowsPart.From}, atEnd - at));\n    at += {RowsPart.Count};\n{KernelWriter.Indent(body.ToString(), 1)}}}\n";
        var sizes = Sizes(writer.Code);
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}Split.Of({sizes}, task, out var at, out var atEnd, out var begin, out var end);\n{loop}", 2), given, $"Split.Tasks({(row is null || column.Extent.Value > 0 ? "" : $"({TileCode.Frame(column.Extent)}) <= 0 ? 0 : ")}{Sizes(size => size.IsKnown ? TileCode.Frame(size) : $"({TileCode.Frame(size)})")})");
    }

    string Load(string at) => across.Stride == 1 ? $"VX.Load({at})" : $"Maths.Gather({at}, {across.Stride})";

    string Rows(string text) => row is null
        ? $"{{\n    float* rows = map, to = sums;\n{KernelWriter.Indent(text, 1)}}}\n"
        : $"for (var y = 0L; y < {RowsPart.Count}; y++)\n{{\n    float* rows = map + y * {down!.Stride} * places, to = sums + y * columns;\n{KernelWriter.Indent(text, 1)}}}\n";

    /// <summary>The taps of a window times weights.</summary>
    string Products(KernelWriter writer, Func<Index, Index> placed)
    {
        var text = new StringBuilder();
        var w = writer.Pointer(weights!.Buffer);
        text.Append($"var w = {w} + {writer.Code(placed(weights.Index))};\n");
        var taps = (from ky in Enumerable.Range(0, down?.Count ?? 1) from kx in Enumerable.Range(0, across.Count) select (ky, kx)).ToArray();
        for (var t = 0; t < taps.Length; t++)
        {
            Dim Stride(Axis? axis) => axis is null ? Dim.Zero : weights.Index.Stride(axis);
            text.Append($"var w{t} = VX.Create(w[{writer.Code(Stride(down?.Axis) * taps[t].ky + Stride(across.Axis) * taps[t].kx)}]);\n");
        }
        var inner = new StringBuilder();
        for (var ky = 0; ky < (down?.Count ?? 1); ky++)
            inner.Append($"var row{ky} = rows{(ky > 0 ? $" + {ky * down!.Dilation} * places" : "")};\n");
        inner.Append($"for (var x = 0L; x < columns; x += {lanes})\n{{\n");
        for (var t = 0; t < taps.Length; t++)
        {
            var (ky, kx) = taps[t];
            var at = $"row{ky} + x{(across.Stride > 1 ? $" * {across.Stride}" : "")}{(kx > 0 ? $" + {kx * across.Dilation}" : "")}";
            // Added to 0, since a product of 0 may be -0, which no sum of integers is.
            inner.Append(t == 0 ? $"    var sum = VX.FusedMultiplyAdd(w0, {Load(at)}, V.Zero);\n" : $"    sum = VX.FusedMultiplyAdd(w{t}, {Load(at)}, sum);\n");
        }
        inner.Append("    VX.Store(sum, to + x);\n}\n");
        return text.Append(Rows(inner.ToString())).ToString();
    }

    /// <summary>The sum or extreme of a window, along its columns and then along its rows.</summary>
    string Extremes()
    {
        string Combined(string a, string b) => fold.Kind == Reduction.Sum ? $"{a} + {b}" : $"VX.{fold.Kind}({a}, {b})";
        var inner = new StringBuilder();
        var from = "rows";
        if (down is { Count: > 1 })
        {
            for (var ky = 1; ky < down.Count; ky++)
                inner.Append($"var row{ky} = rows + {ky * down.Dilation} * places;\n");
            inner.Append($"for (var x = 0L; x < places; x += {lanes})\n{{\n    var found = VX.Load(rows + x);\n");
            for (var ky = 1; ky < down.Count; ky++)
                inner.Append($"    found = {Combined("found", $"VX.Load(row{ky} + x)")};\n");
            inner.Append("    VX.Store(found, line + x);\n}\n");
            from = "line";
        }
        inner.Append($"for (var x = 0L; x < columns; x += {lanes})\n{{\n");
        var at = $"{from} + x{(across.Stride > 1 ? $" * {across.Stride}" : "")}";
        inner.Append($"    var found = {Load(at)};\n");
        for (var kx = 1; kx < across.Count; kx++)
            inner.Append($"    found = {Combined("found", Load($"{at} + {kx * across.Dilation}"))};\n");
        inner.Append("    VX.Store(found, to + x);\n}\n");
        return Rows(inner.ToString());
    }
}
