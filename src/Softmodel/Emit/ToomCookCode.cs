using System.Text;
using Softmodel.Lowering;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>Writes a long convolution by a fast algorithm: see <see cref="ToomCook"/>.</summary>
sealed class ToomCookCode(ToomCook convolution)
{
    readonly Step.Nest nest = convolution.Nest;
    readonly Axis row = convolution.Row, column = convolution.Column;
    readonly Axis? mapRow = convolution.MapRow;
    readonly Axis[] summed = convolution.Summed;
    readonly Expr.Load input = convolution.Input, weights = convolution.Factor;
    readonly ToomCookTile tile = convolution.Algorithm;
    readonly Index start = convolution.Start;
    readonly int dilation = convolution.Dilation, rows = convolution.Rows, channels = convolution.Channels, lanes = convolution.Lanes;

    /// <summary>The C# statements that evaluate the weights, which lie in panels, where they are kept.</summary>
    public string Evaluate(string from, string to)
    {
        var (whole, rest) = (rows / Tile.Panel, rows % Tile.Panel);
        var text = whole > 0 ? $"for (long panel = 0; panel < {whole}; panel++)\n    {One("panel * ", Tile.Panel)}" : "";
        return text + (rest > 0 ? One($"{whole} * ", rest) : "");

        string One(string panel, int count) =>
            $"{tile.WeightsName()}({from} + {panel}{(long)Tile.Panel * channels * tile.Kernel}L, {count}, {channels}, {to} + {panel}{convolution.PanelSize(Tile.Panel)}L, {convolution.PointSize(count)});\n";
    }

    /// <summary>The register tiles that it calls.</summary>
    public HashSet<Tiles.Kernel> Used { get; } = [];

    // In floats: what of a core's level 2 cache a block's inputs at all points take.
    const int Cache = 80_000;

    /// <summary>The kernel.</summary>
    /// <param name="taken">The nest that computes the operand, if the kernel does (see <see cref="ToomCook.CanTake"/>).</param>
    public KernelCode Write(Operand? taken)
    {
        var (points, chunks) = (tile.Points, tile.Chunks);
        var reach = (points - 1) / ToomCookTile.Outputs + chunks - 1;
        var most = Math.Clamp(Cache / (points * channels) / 8 * 8, mapRow is null ? 32 : 16, 128);
        var tiles = Math.Max(1, most / dilation);
        // An odd number of cache lines from one row to the next, so that rows fall into different sets.
        static int Odd(int floats) => (floats + 15) / 16 * 16 | 16;
        var padded = Odd((tiles * dilation + lanes - 1) / lanes * lanes);
        var pitch = Odd(padded + (chunks - 1) * dilation);
        var phase = (pitch + reach * dilation + 31) / 16 * 16;
        var panels = (rows + Tile.Panel - 1) / Tile.Panel;
        var (u, v) = ((long)points * channels * pitch, (long)points * Tile.Panel * padded);
        var w = convolution.Kept > 0 ? 0 : convolution.PanelSize(Tile.Panel);
        var line = ToomCookTile.Outputs * (tiles + reach + lanes) * dilation + 64;

        var parameters = new List<Lowering.Buffer>();
        var levels = new Dictionary<Axis, int> { [row] = 2, [column] = Innermost };
        if (mapRow is not null)
            levels[mapRow] = 3;
        var writer = new KernelWriter(levels, column, Innermost, parameters);
        var (length, x, from) = (writer.Code(convolution.Length), writer.Pointer(input.Buffer), writer.Pointer(weights.Buffer));
        var body = new StringBuilder();
        body.Append($"// As many tiles as each block has, and as many columns, in whole vectors.\nlong tiles = ToomCook.Block(f->threads, {length}, {dilation}, {tiles}), columns = (tiles * {dilation} + {lanes - 1}) / {lanes} * {lanes}, span = {ToomCookTile.Outputs * dilation} * tiles;\n");
        body.Append($"long parts = ToomCook.Parts(f->threads, {length}, {dilation}, {tiles}, {panels}), part = task % parts, start = task / parts * span, end = Math.Min({length}, start + span);\n");
        // Tiles that lie side by side are cut out in whole vectors.
        body.Append($"var cut = {(dilation == 1 ? $"(tiles + {reach + lanes - 1}) / {lanes} * {lanes}" : $"tiles + {reach}")};\n");
        body.Append($"var u = Scratch.Floats({u + w + v + ToomCookTile.Outputs * phase + line});\nvar v = u + {u + w};\nvar phases = v + {v};\nvar line = phases + {ToomCookTile.Outputs * phase};\n");
        var left = $"{length} + {(tile.Kernel - 1) * dilation} - start";
        var number = summed.Skip(1).Aggregate(summed[0].Name, (index, axis) => $"({index} * {axis.Extent} + {axis.Name})");
        var evaluate = $"cut, {dilation}, columns + {(chunks - 1) * dilation}, phases, {phase}, line, u + {number} * {pitch}, {channels * pitch});\n";
        var operand = taken?.Part is null ? null : taken.Nest;
        if (taken?.Part is { } part)
        {
            // As if all of the operand were there: what the block reads of a row of it is.
            var channel = summed[0];
            body.Append($"for (long {channel.Name} = 0; {channel.Name} < {channels}; {channel.Name}++)\n{{\n");
            body.Append($"    long {RowsPart.Outer}0 = {channel.Name}, {RowsPart.From} = start, needed = {ToomCookTile.Outputs * dilation} * cut, {RowsPart.Count} = Math.Min(needed, {left});\n");
            body.Append($"    var {x} = line - ({channel.Name} * {writer.Code(input.Index.Stride(channel))} + start);\n");
            body.Append($"    {{\n{KernelWriter.Indent(NestCode.Whole(part.Loops, parameters, "in_"), 2)}    }}\n");
            body.Append($"    NativeMemory.Clear(line + {RowsPart.Count}, (nuint)(needed + 16 - {RowsPart.Count}) * 4);\n    {tile.InputName()}(line, long.MaxValue, {evaluate}}}\n");
        }
        else
        {
            body.Append($"var from = {x} + {writer.Code(start)} + start;\n");
            foreach (var axis in summed)
                body.Append($"for (long {axis.Name} = 0; {axis.Name} < {axis.Extent}; {axis.Name}++)\n");
            body.Append($"    {tile.InputName()}(from{string.Concat(summed.Select(a => $" + {a.Name} * {writer.Code(input.Index.Stride(a))}"))}, {left}, {evaluate}");
        }
        body.Append($"for (var top = part * {panels} / parts * {Tile.Panel}; top < (part + 1) * {panels} / parts * {Tile.Panel} && top < {rows}; top += {Tile.Panel})\n{{\n");
        var height = lanes == 16 ? Tile.Panel : Tile.Panel / 2;
        var (whole, rest) = (rows / Tile.Panel * Tile.Panel, rows % Tile.Panel);
        if (whole > 0 && rest > 0)
            body.Append($"    if (top < {whole})\n    {{\n{KernelWriter.Indent(Products(Tile.Panel), 2)}    }}\n    else\n    {{\n{KernelWriter.Indent(Products(rest), 2)}    }}\n");
        else
            body.Append(KernelWriter.Indent(Products(whole > 0 ? Tile.Panel : rest), 1));
        var outer = new KernelWriter.Scope(1);
        writer.Open.Add(outer);
        var results = KernelWriter.Indent(Results(writer), 1);
        var given = parameters.Where(b => b != operand?.Target).ToList();
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{outer.Text}{body}{results}}}\n", 2), given, $"ToomCook.Tasks(f->threads, {TileCode.Frame(convolution.Length)}, {dilation}, {tiles}, {panels})");

        string Products(int count)
        {
            var text = new StringBuilder();
            if (w > 0)
                text.Append($"var w = u + {u};\n{tile.WeightsName()}({from} + top * {(long)channels * tile.Kernel}, {count}, {channels}, w, {convolution.PointSize(count)});\n");
            else
                text.Append($"var w = {from} + top / {Tile.Panel} * {convolution.PanelSize(Tile.Panel)};\n");
            text.Append($"for (long point = 0; point < {points}; point++)\n{{\n");
            // The weights of the next panel come from memory while this one's are multiplied.
            if (w > 0)
                text.Append($"    ToomCook.Fetch({from} + (top + {count}) * {(long)channels * tile.Kernel} + point * {Share(count)}, {Share(count)});\n");
            text.Append($"    float* up = u + point * {channels * pitch}, vp = v + point * {Tile.Panel * padded}, wp = w + point * {convolution.PointSize(count)};\n");
            text.Append($"    long j = 0;\n    for (; j <= columns - {2 * lanes}; j += {2 * lanes})\n    {{\n");
            foreach (var (first, some) in Tile.Parts(0, count, height))
                text.Append(Call("    ", new(some, 2, count, false), first));
            text.Append($"    }}\n    if (j < columns)\n{Call("", new(count, 1, count, false), 0)}}}\n");
            return text.ToString();
        }

        long Share(int count) => ((long)channels * tile.Kernel * count + points - 1) / points;

        string Call(string indent, Tiles.Kernel kernel, long first)
        {
            Used.Add(kernel);
            return $"    {indent}{kernel.Name}(up + j, wp + {first}, 1, 0, {chunks}, {dilation}, {channels}, {pitch}, vp + {first * padded} + j, {padded});\n";
        }

        string Results(KernelWriter code)
        {
            var scope = new KernelWriter.Scope(2);
            code.Open.Add(scope);
            var within = new KernelWriter.Scope(3);
            if (mapRow is not null)
                code.Open.Add(within);
            var (vector, scalar) = (Element(code, true), Element(code, false));
            var (m, j) = (row.Name, column.Name);
            var text = new StringBuilder($"for (var {m} = top; {m} < Math.Min(top + {Tile.Panel}, {rows}); {m}++)\n{{\n");
            text.Append($"    {tile.OutputName()}(v + ({m} - top) * {padded}, {Tile.Panel * padded}, columns, phases, {phase}, line, tiles, {dilation});\n{KernelWriter.Indent(scope.Text.ToString(), 1)}");
            if (mapRow is null)
                return text.Append(KernelWriter.Indent(Elements("start", "end"), 1)).Append("}\n").ToString();
            // What the block has of each row of the map.
            var step = code.Code(input.Index.Stride(mapRow));
            text.Append($"    for (var {mapRow.Name} = start / {step}; {mapRow.Name} * {step} < end; {mapRow.Name}++)\n    {{\n");
            text.Append($"        long at = {mapRow.Name} * {step}, begin = Math.Max(0, start - at), last = Math.Min({code.Code(column.Extent)}, end - at);\n");
            return text.Append(KernelWriter.Indent($"{within.Text}{Elements("begin", "last")}", 2)).Append("    }\n}\n").ToString();

            string Elements(string begin, string last) => $"var {j} = {begin};\nfor (; {j} <= {last} - V.Count; {j} += V.Count)\n{{\n{KernelWriter.Indent(vector, 1)}}}\n"
                + $"if ({j} < {last} && {last} - {begin} >= V.Count)\n{{\n    {j} = {last} - V.Count;\n{KernelWriter.Indent(vector, 1)}    {j} = {last};\n}}\n"
                + $"for (; {j} < {last}; {j}++)\n{{\n{KernelWriter.Indent(scalar, 1)}}}\n";
        }
    }

    int Innermost => mapRow is null ? 3 : 4;

    string Element(KernelWriter writer, bool vector)
    {
        var scope = new KernelWriter.Scope(Innermost);
        writer.Open.Add(scope);
        var after = new KernelWriter.Scope(int.MaxValue);
        after.Values[(nest.Fold!.Result, vector)] = "sum";
        writer.Open.Add(after);
        var value = writer.Value(nest.Value, vector);
        var at = writer.Code(nest.At);
        writer.Open.RemoveRange(writer.Open.Count - 2, 2);
        var (sum, target) = ($"line + {(mapRow is null ? "" : "at + ")}{column.Name} - start", writer.Pointer(nest.Target));
        return vector
            ? $"var sum = VX.Load({sum});\n{scope.Text}{after.Text}VX.Store({value}, {target} + {at});\n"
            : $"var sum = *({sum});\n{scope.Text}{after.Text}{target}[{at}] = {value};\n";
    }
}
