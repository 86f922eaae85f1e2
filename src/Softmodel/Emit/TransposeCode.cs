using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>
/// Writes a copy whose rows lie along the columns of what it copies: squares of numbers are turned in registers, so that both
/// sides are read and written along their rows.
/// </summary>
static class TransposeCode
{
    // A task has so many rows, some lines of the cache in what is read.
    const int RowsOfTask = 64;

    /// <summary>The kernel of a copy.</summary>
    public static KernelCode Write(Transposition copy)
    {
        var (nest, load, row, column) = (copy.Nest, copy.Read, copy.Row, copy.Column);
        // Rows of a task are a block; loops around both are counted with blocks.
        var block = new Axis("block", Dim.CeilDiv(row.Extent, RowsOfTask));
        Axis[] blocks = [.. copy.Around, block];
        var writer = new KernelWriter(blocks.Append(row).ToDictionary(a => a, _ => 1), null, 1);
        var (from, to) = (writer.Pointer(load.Buffer), writer.Pointer(nest.Target));
        var body = new StringBuilder(NestCode.RowDecoding(writer, blocks));
        body.Append($"var {row.Name} = {(block.Extent.Value == 1 ? "0L" : $"{block.Name} * {RowsOfTask}")};\n");
        var (step, pitch) = (writer.Code(load.Index.Stride(column)), writer.Code(nest.At.Stride(row)));
        body.Append($"Maths.Transpose({from} + {writer.Code(load.Index.AtStart(column))} + column * {step}, {step}, {to} + {writer.Code(nest.At.AtStart(column))} + column, {pitch}, Math.Min({RowsOfTask}, {writer.Code(row.Extent)} - {row.Name}), columnEnd - column);\n");
        var count = Dim.Product(blocks.Select(a => a.Extent));
        var (rows, columns) = (writer.Code(count), writer.Code(column.Extent));
        var text = $"{writer.Taken()}{writer.Sizes}Split.Of({rows}, {columns}, {RowsOfTask}L, task, out var row, out var rowEnd, out var column, out var columnEnd);\nfor (; row < rowEnd; row++)\n{{\n{KernelWriter.Indent(body.ToString(), 1)}}}\n";
        return new(KernelWriter.Indent(text, 2), writer.Parameters, $"Split.Tasks({TileCode.Frame(count)}, {TileCode.Frame(column.Extent)}, {RowsOfTask}L)");
    }
}
