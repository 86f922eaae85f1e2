using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes a copy whose rows lie along the columns of what it copies: squares of numbers are turned in registers, so that both
/// sides are read and written along their rows.
/// </summary>
static class TransposeCode
{
    // A task has so many rows, some lines of the cache in what is read; and fewer rows or columns are no square.
    const int RowsOfTask = 64, Least = 4;

    /// <summary>The kernel of a nest; null where it is no such copy.</summary>
    public static KernelCode? Write(Step.Nest original)
    {
        var nest = Collapse.Axes(original);
        if (nest is not { Fold: null, Target.Type: ElementType.Float32, Value: Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } load } || nest.At.Dynamic.Count > 0)
            return null;
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        var column = axes.FirstOrDefault(a => nest.At.Stride(a).Value == 1 && load.Index.Stride(a).Value is not (0 or 1));
        var row = axes.FirstOrDefault(a => load.Index.Stride(a).Value == 1 && nest.At.Stride(a).Value is not (0 or 1));
        if (column is null || row is null || column.Extent.Value < Least || row.Extent.Value < Least)
            return null;
        Axis[] outer = [.. axes.Where(a => a != row && a != column)];
        var writer = new KernelWriter(outer.Append(row).ToDictionary(a => a, _ => 1), null, 1);
        Index Without(Index index, params ReadOnlySpan<Axis> moved)
        {
            foreach (var axis in moved)
                index += (Index)axis * (index.Stride(axis) * -1);
            return index;
        }
        var (from, to) = (writer.Pointer(load.Buffer), writer.Pointer(nest.Target));
        var blocks = Dim.CeilDiv(row.Extent, RowsOfTask);
        var decoding = new StringBuilder();
        if (outer.Length > 0)
        {
            decoding.Append($"var rest = row / {writer.Code(blocks)};\n");
            for (var i = outer.Length - 1; i >= 0; i--)
            {
                decoding.Append(i == 0 ? $"var {outer[i].Name} = rest;\n" : $"var {outer[i].Name} = rest % {writer.Code(outer[i].Extent)};\n");
                decoding.Append(i == 0 ? "" : $"rest /= {writer.Code(outer[i].Extent)};\n");
            }
        }
        decoding.Append($"var {row.Name} = {(outer.Length > 0 ? $"row % {writer.Code(blocks)}" : "row")} * {RowsOfTask};\n");
        var (step, pitch) = (writer.Code(load.Index.Stride(column)), writer.Code(nest.At.Stride(row)));
        decoding.Append($"Maths.Transpose({from} + {writer.Code(Without(load.Index, column))} + column * {step}, {step}, {to} + {writer.Code(Without(nest.At, column))} + column, {pitch}, Math.Min({RowsOfTask}, {writer.Code(row.Extent)} - {row.Name}), columnEnd - column);\n");
        var (rows, columns) = (writer.Code(outer.Aggregate(blocks, (n, a) => n * a.Extent)), writer.Code(column.Extent));
        var text = $"{writer.Taken()}{writer.Sizes}Split.Of({rows}, {columns}, {RowsOfTask}L, task, out var row, out var rowEnd, out var column, out var columnEnd);\nfor (; row < rowEnd; row++)\n{{\n{KernelWriter.Indent(decoding.ToString(), 1)}}}\n";
        return new(KernelWriter.Indent(text, 2), writer.Parameters, $"Split.Tasks({writer.InFrame(rows)}, {writer.InFrame(columns)}, {RowsOfTask}L)");
    }
}
