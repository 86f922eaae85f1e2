using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Writes a copy with one number around it, row by row: what lies outside is known for a row at once, not for each element.</summary>
static class PaddingCode
{
    /// <summary>The kernel of a nest; null where it is no such copy.</summary>
    public static KernelCode? Write(Step.Nest original)
    {
        var nest = Collapse.Axes(original);
        if (nest is not { Fold: null, Target.Type: ElementType.Float32 } || nest.At.Dynamic.Count > 0 || Expr.Guard.Around(nest.Value) is not (Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } source, { Length: 1 or 2 } guards))
            return null;
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        if (axes is not [.., var column] || nest.At.Stride(column).Value != 1 || source.Index.Stride(column).Value != 1)
            return null;
        var row = axes.Length > 1 && nest.At.Stride(axes[^2]).Equals(column.Extent) ? axes[^2] : null;
        bool Follows(Expr.Guard guard, Axis axis) => guard.Index.Dynamic.Count == 0 && guard.Index.Terms.All(t => t.Axis == axis) && guard.Index.Stride(axis).Value > 0;
        var inColumn = guards.FirstOrDefault(g => Follows(g, column));
        var inRow = row is null ? null : guards.FirstOrDefault(g => Follows(g, row));
        if (guards.Any(g => g != inColumn && g != inRow))
            return null;
        Axis[] planes = [.. axes.Where(a => a != row && a != column)], within = row is null ? [column] : [row, column];
        var writer = new KernelWriter(planes.ToDictionary(a => a, _ => 1), null, 1);
        var (from, to) = (writer.Pointer(source.Buffer), writer.Pointer(nest.Target));
        var (height, width) = (row is null ? "1L" : writer.Code(row.Extent), writer.Code(column.Extent));
        string Place(Expr.Guard? guard, Axis? axis) => guard is null ? "0, 0, long.MaxValue" : $"{writer.Code(guard.Index.Offset)}, {writer.Code(guard.Index.Stride(axis!))}, {writer.Code(guard.Size)}";
        var copy = $"Columns.Gather({from} + {writer.Code(source.Index.AtStart(within))}, {to} + {writer.Code(nest.At.AtStart(within))} + first, first, count * {width} - {width} + end - begin, {width}, "
            + $"{(row is null ? "0" : writer.Code(source.Index.Stride(row)))}, 1, {Place(inRow, row)}, {Place(inColumn, column)}, {KernelWriter.Literal(((Expr.Number)guards[0].Outside).Value)});\n";
        var loop = $"while (at < atEnd)\n{{\n    long row = at / {height}, line = at - row * {height}, count = Math.Min({height} - line, atEnd - at), first = line * {width} + begin;\n    at += count;\n{KernelWriter.Indent(NestCode.RowDecoding(writer, planes) + copy, 1)}}}\n";
        var rows = writer.Code(Dim.Product(axes[..^1].Select(a => a.Extent)));
        return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}Split.Of({rows}, {width}, 1, task, out var at, out var atEnd, out var begin, out var end);\n{loop}", 2), writer.Parameters, $"Split.Tasks({writer.InFrame(rows)}, {writer.InFrame(width)}, 1)");
    }
}
