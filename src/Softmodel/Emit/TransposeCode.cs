using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

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
        // Rows of a task are a block; loops around both are counted with blocks.
        var block = new Axis("block", Dim.CeilDiv(row.Extent, RowsOfTask));
        Axis[] blocks = [.. axes.Where(a => a != row && a != column), block];
        var writer = new KernelWriter(blocks.Append(row).ToDictionary(a => a, _ => 1), null, 1);
        var (from, to) = (writer.Pointer(load.Buffer), writer.Pointer(nest.Target));
        var body = new StringBuilder(NestCode.RowDecoding(writer, blocks));
        body.Append($"var {row.Name} = {(block.Extent.Value == 1 ? "0L" : $"{block.Name} * {RowsOfTask}")};\n");
        var (step, pitch) = (writer.Code(load.Index.Stride(column)), writer.Code(nest.At.Stride(row)));
        body.Append($"Maths.Transpose({from} + {writer.Code(load.Index.AtStart(column))} + column * {step}, {step}, {to} + {writer.Code(nest.At.AtStart(column))} + column, {pitch}, Math.Min({RowsOfTask}, {writer.Code(row.Extent)} - {row.Name}), columnEnd - column);\n");
        var (rows, columns) = (writer.Code(Dim.Product(blocks.Select(a => a.Extent))), writer.Code(column.Extent));
        var text = $"{writer.Taken()}{writer.Sizes}Split.Of({rows}, {columns}, {RowsOfTask}L, task, out var row, out var rowEnd, out var column, out var columnEnd);\nfor (; row < rowEnd; row++)\n{{\n{KernelWriter.Indent(body.ToString(), 1)}}}\n";
        return new(KernelWriter.Indent(text, 2), writer.Parameters, $"Split.Tasks({writer.InFrame(rows)}, {writer.InFrame(columns)}, {RowsOfTask}L)");
    }
}
