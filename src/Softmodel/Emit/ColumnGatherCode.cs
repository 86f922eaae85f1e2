using System.Text;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>Writes what gathers the columns of a convolution in the thread's scratch: see <see cref="ColumnGather"/>.</summary>
sealed class ColumnGatherCode(ColumnGather gather)
{
    readonly Expr.Load source = gather.Read;
    readonly Expr.Guard[] guards = gather.Guards;
    readonly Axis[] columns = gather.Columns, folds = gather.Folds;

    /// <summary>The statements that make room for a block of columns, and for the sums of a sum that is taken in parts.</summary>
    /// <param name="writer">The kernel.</param>
    /// <param name="size">The C# of the number of columns.</param>
    /// <param name="step">The columns of a tile.</param>
    public string Begin(KernelWriter writer, string size, int step)
    {
        var code = new StringBuilder("// A block's columns, and those of the last tile, which begins further left.\n");
        code.Append($"var gathered = Math.Max(0, Math.Min(start, {size} - {step}));\n");
        code.Append($"var count = Math.Min({size}, (blockEnd + {step - 1}) / {step} * {step}) - gathered;\n");
        var room = gather.Held * gather.Pitch(step) + step;
        code.Append($"var scratch = Scratch.Floats({room}{(gather.IsParted ? $" + (firstEnd - first) * {gather.Pitch(step)}" : "")});\n");
        if (gather.IsParted)
            code.Append($"var parts = scratch + {room};\nnew Span<float>(parts, (int)(firstEnd - first) * {gather.Pitch(step)}).Clear();\n");
        return code.Append($"var {writer.Pointer(gather.Within)} = scratch - gathered;\n").ToString();
    }

    /// <summary>The C# of where the sums of a tile lie between the parts: each tile has its own room, since the last one begins further left.</summary>
    /// <param name="row">Its first row.</param>
    /// <param name="column">Its first column of the block.</param>
    /// <param name="step">The columns of a tile.</param>
    public string Sums(string row, string column, int step) => $"parts + ({row} - first) * {gather.Pitch(step)} + {column}";

    /// <summary>The statements that gather columns, and what is done with them: once, or for each part of the sum.</summary>
    /// <param name="writer">The kernel.</param>
    /// <param name="step">The columns of a tile.</param>
    /// <param name="then">What is done with them.</param>
    public string Write(KernelWriter writer, int step, string then)
    {
        var (row, column) = (columns.Length > 1 ? columns[0] : null, columns[^1]);
        (string At, string Step, string Size) Inside(Axis? axis) => guards.FirstOrDefault(g => axis is not null && g.Index.Stride(axis).Value != 0) is { } guard
            ? (writer.Code(guard.Index.AtStart(axis!)), writer.Code(guard.Index.Stride(axis!)), writer.Code(guard.Size)) : ("0", "0", "long.MaxValue");
        var ((y, yStep, rows), (x, xStep, most)) = (Inside(row), Inside(column));
        var others = guards.Where(g => !columns.Any(c => g.Index.Stride(c).Value != 0)).Select(g => $"(ulong)({writer.Code(g.Index)}) < (ulong){writer.Code(g.Size)}").ToArray();
        if (others.Length > 0)
            rows = $"{string.Join(" && ", others)} ? {rows} : 0";
        var text = $"Columns.Gather({writer.Pointer(source.Buffer)} + {writer.Code(source.Index.AtStart(columns))}, to, gathered, count, {(row is null ? "long.MaxValue" : writer.Code(column.Extent))}, {(row is null ? "0" : writer.Code(source.Index.Stride(row)))}, {writer.Code(source.Index.Stride(column))}, {y}, {yStep}, {rows}, {x}, {xStep}, {most}, 0);\nto += {gather.Pitch(step)};\n";
        foreach (var axis in folds.Reverse())
        {
            var (from, to) = gather.IsParted && axis == folds[0] ? ("part", "partEnd") : ("0", writer.Code(axis.Extent));
            text = $"for (long {axis.Name} = {from}; {axis.Name} < {to}; {axis.Name}++)\n{{\n{KernelWriter.Indent(text, 1)}}}\n";
        }
        text = $"{{\n    var to = scratch;\n{KernelWriter.Indent(text, 1)}}}\n{then}";
        return gather.IsParted ? $"for (long part = 0; part < {gather.Outermost}; part += {gather.Part})\n{{\n    var partEnd = Math.Min({gather.Outermost}, part + {gather.Part});\n{KernelWriter.Indent(text, 1)}}}\n" : text;
    }
}
