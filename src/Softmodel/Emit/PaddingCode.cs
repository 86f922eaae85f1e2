using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>Writes a copy with one number around it, row by row: what lies outside is known for a row at once, not for each element.</summary>
static class PaddingCode
{
    /// <summary>The kernel of a copy.</summary>
    public static KernelCode Write(PaddedCopy padded)
    {
        var (nest, source, planes, row, column) = (padded.Nest, padded.Read, padded.Planes, padded.Row, padded.Column);
        Axis[] within = row is null ? [column] : [row, column];
        var writer = new KernelWriter(planes.ToDictionary(a => a, _ => 1), null, 1);
        var (from, to) = (writer.Pointer(source.Buffer), writer.Pointer(nest.Target));
        var (height, width) = (row is null ? "1L" : writer.Code(row.Extent), writer.Code(column.Extent));
        string Place(Expr.Guard? guard, Axis? axis) => guard is null ? "0, 0, long.MaxValue" : $"{writer.Code(guard.Index.Offset)}, {writer.Code(guard.Index.Stride(axis!))}, {writer.Code(guard.Size)}";
        var copy = $"Columns.Gather({from} + {writer.Code(source.Index.AtStart(within))}, {to} + {writer.Code(nest.At.AtStart(within))} + first, first, count * {width} - {width} + end - begin, {width}, "
            + $"{(row is null ? "0" : writer.Code(source.Index.Stride(row)))}, 1, {Place(padded.InRow, row)}, {Place(padded.InColumn, column)}, {KernelWriter.Literal(padded.Outside)});\n";
        var loop = $"while (at < atEnd)\n{{\n    long row = at / {height}, line = at - row * {height}, count = Math.Min({height} - line, atEnd - at), first = line * {width} + begin;\n    at += count;\n{KernelWriter.Indent(NestCode.RowDecoding(writer, planes) + copy, 1)}}}\n";
        var count = Dim.Product(planes.Concat(within[..^1]).Select(a => a.Extent));
        var rows = writer.Code(count);
        return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}Split.Of({rows}, {width}, 1, task, out var at, out var atEnd, out var begin, out var end);\n{loop}", 2), writer.Parameters, $"Split.Tasks({TileCode.Frame(count)}, {TileCode.Frame(column.Extent)}, 1)");
    }
}
