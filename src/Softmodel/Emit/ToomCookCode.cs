using System.Globalization;
using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes a long one-dimensional convolution with known weights by a fast algorithm (see <see cref="ToomCookTile"/>): a block of
/// outputs at a time, whose evaluated inputs and products stay in the core's cache.
/// </summary>
sealed class ToomCookCode
{
    readonly Step.Nest nest;
    readonly Axis row, column, channel, tap;
    readonly Expr.Load input, weights;
    readonly ToomCookTile tile;
    readonly int chunks, taps, dilation, rows, channels, lanes;

    ToomCookCode(Step.Nest nest, Axis row, Axis column, Axis channel, Axis tap, Expr.Load input, Expr.Load weights, (ToomCookTile, int) algorithm, int width)
    {
        (this.nest, this.row, this.column, this.channel, this.tap, this.input, this.weights) = (nest, row, column, channel, tap, input, weights);
        ((tile, chunks), lanes) = (algorithm, width / 32);
        (rows, channels, taps) = ((int)row.Extent.Value!.Value, (int)channel.Extent.Value!.Value, (int)tap.Extent.Value!.Value);
        dilation = (int)input.Index.Stride(tap).Value!.Value;
    }

    // Below these the transforms cost what they save; shorter rows leave tiles empty.
    const int LeastWork = 80, LeastChannels = 8, LongRow = 100;

    /// <summary>The fast form of a nest, or null where it is no such convolution or would not be faster.</summary>
    public static ToomCookCode? Of(Step.Nest original, int width)
    {
        var nest = Collapse.Axes(original);
        if (width < 256 || nest.Fold is not { Kind: Reduction.Sum, Arg: null, Axes: [var channel, var tap], Term: Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load x, Expr.Load w] } product }
            || product.Function != Functions.Multiply || w.Buffer.Storage != Storage.Weight || nest.Target.Type != ElementType.Float32)
            return null;
        if (nest.Axes.Where(a => a.Extent.Value != 1).ToArray() is not [var row, var column]
            || row.Extent.Value is not (>= LeastChannels and <= 1024) || channel.Extent.Value is not (>= LeastChannels and <= 1024) || tap.Extent.Value is not { } taps || taps > 12
            || ToomCookTile.For((int)taps) is not { } algorithm)
            return null;
        var fits = x.Index.Stride(column).Value == 1 && x.Index.Stride(row).Value == 0 && x.Index.Stride(tap).Value is >= 1 and <= 16 && x.Index.Dynamic.Count == 0
            && w.Index.Stride(column).Value == 0 && nest.At.Stride(column).Value == 1 && Vectorization.CanVector(nest.Value, column, nest)
            && column.Extent.Evaluate(_ => 100) >= LongRow;
        var saved = Math.Min(row.Extent.Value.Value, channel.Extent.Value.Value) * taps;
        return fits && saved >= LeastWork ? new(nest, row, column, channel, tap, x, w, algorithm, width) : null;
    }

    /// <summary>The algorithm.</summary>
    public ToomCookTile Tile => tile;

    /// <summary>The weights.</summary>
    public Lowering.Buffer Weights => weights.Buffer;

    /// <summary>How many numbers the evaluated weights are.</summary>
    public long Evaluated => (long)tile.Points * rows * channels * chunks;

    /// <summary>The C# statement that evaluates the weights, which lie in panels.</summary>
    public string Evaluate(string from, string to)
    {
        var matrix = string.Join(", ", tile.Weights.Cast<double>().Select(x => $"{((float)x).ToString("R", CultureInfo.InvariantCulture)}f"));
        return $"Softmodel.Runtime.ToomCook.Evaluate({from}, {rows}, {channels}, {taps}, {TileCode.Panel}, {tile.Points}, {tile.Taps}, [{matrix}], {to});";
    }

    /// <summary>The register tiles that it calls.</summary>
    public HashSet<Tiles.Kernel> Used { get; } = [];

    /// <summary>The kernel.</summary>
    public KernelCode Write()
    {
        var step = 2 * lanes;
        // A block's inputs and products at all points stay in half of a level 2 cache of 1 MiB; where there are many channels,
        // those at one point, so that weights are read less often.
        var most = Math.Clamp(Math.Max(100_000 / (tile.Points * (channels + rows)), 40_000 / (channels + rows)) / 32 * 32, 32, 128);
        var tiles = Math.Max(1, most / dilation);
        var padded = (tiles * dilation + step - 1) / step * step;
        var pitch = (padded + (chunks - 1) * dilation + 15) / 16 * 16;
        var phase = (pitch + 2 * dilation + 31) / 16 * 16;
        var depth = channels * chunks;
        var (u, v) = ((long)tile.Points * channels * pitch, (long)tile.Points * rows * padded);
        var line = ToomCookTile.Outputs * (tiles + chunks + lanes) * dilation + 64;

        var writer = new KernelWriter(new Dictionary<Axis, int> { [row] = 2, [column] = 3 }, column, 3);
        var body = new StringBuilder();
        Index start = input.Index;
        foreach (var axis in (Axis[])[row, column, channel, tap])
            start += (Index)axis * (input.Index.Stride(axis) * -1);
        var (length, x, w) = (writer.Code(column.Extent), writer.Pointer(input.Buffer), writer.Pointer(weights.Buffer));
        body.Append($"// As many tiles as each block has, and as many columns, in whole vectors.\nlong tiles = ToomCook.Block({length}, {dilation}, {tiles}), span = {ToomCookTile.Outputs * dilation} * tiles, start = task * span, end = Math.Min({length}, start + span);\n");
        body.Append($"var columns = (tiles * {dilation} + {step - 1}) / {step} * {step};\n");
        // Tiles that lie side by side are cut out in whole vectors.
        body.Append($"var cut = {(dilation == 1 ? $"(tiles + {chunks + lanes - 1}) / {lanes} * {lanes}" : $"tiles + {chunks}")};\n");
        body.Append($"var u = Scratch.Floats({u + v + 4 * phase + line});\nvar v = u + {u};\nvar phases = v + {v};\nvar line = phases + {4 * phase};\n");
        body.Append($"var from = {x} + {writer.Code(start)} + start;\n");
        body.Append($"for (long {channel.Name} = 0; {channel.Name} < {channels}; {channel.Name}++)\n");
        body.Append($"    {tile.InputName}(from + {channel.Name} * {writer.Code(input.Index.Stride(channel))}, {length} + {(taps - 1) * dilation} - start, cut, {dilation}, columns + {(chunks - 1) * dilation}, phases, {phase}, line, u + {channel.Name} * {pitch}, {channels * pitch});\n");
        body.Append($"for (long point = 0; point < {tile.Points}; point++)\n{{\n");
        body.Append($"    float* up = u + point * {channels * pitch}, vp = v + point * {rows * padded}, wp = {w} + point * {rows * depth};\n");
        var height = lanes == 16 ? TileCode.Panel : TileCode.Panel / 2;
        var whole = rows / TileCode.Panel * TileCode.Panel;
        if (whole > 0)
            body.Append($"    for (long m = 0; m < {whole}; m += {height})\n{Products("m", height, TileCode.Panel, 2)}");
        foreach (var (first, count) in TileCode.Parts(whole, rows, height))
            body.Append(Products($"{first}L", count, rows - whole, 1));
        body.Append("}\n");
        var outer = new KernelWriter.Scope(1);
        writer.Open.Add(outer);
        var results = Results(writer, whole, height);
        return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{body}{outer.Text}{results}", 2), writer.Parameters, $"ToomCook.Blocks({TileCode.Frame(column.Extent)}, {dilation}, {tiles})");

        string Products(string m, int count, int panel, int indent)
        {
            var kernel = new Tiles.Kernel(count, 2, panel, false);
            Used.Add(kernel);
            var from = panel == count && m != "m" ? $"{m} * {depth}" : $"{m} / {TileCode.Panel} * {TileCode.Panel * depth} + {m} % {TileCode.Panel}";
            var loops = chunks == 1 ? $"1, 0, 1, 0, {channels}, {pitch}" : $"1, 0, {channels}, {pitch}, {chunks}, {dilation}";
            return KernelWriter.Indent($"for (long j = 0; j < columns; j += {step})\n    {kernel.Name}(up + j, wp + {from}, {loops}, vp + {m} * {padded} + j * {count});\n", indent);
        }

        string Results(KernelWriter code, int wholeRows, int tileRows)
        {
            var scope = new KernelWriter.Scope(2);
            code.Open.Add(scope);
            var (vector, scalar) = (Element(code, true), Element(code, false));
            var (m, j) = (row.Name, column.Name);
            var text = new StringBuilder($"for (long {m} = 0; {m} < {rows}; {m}++)\n{{\n    // The products of a row lie in tiles of several rows.\n");
            var (size, begin) = ($"{tileRows}", $"{m} / {tileRows} * {tileRows}");
            foreach (var (first, count) in TileCode.Parts(wholeRows, rows, tileRows))
                (size, begin) = first == 0 ? ($"{count}", "0") : ($"{m} < {first} ? {size} : {count}", $"{m} < {first} ? {begin} : {first}");
            text.Append($"    long height = {size}, first = {begin};\n");
            text.Append($"    {tile.OutputName}(v + first * {padded} + ({m} - first) * {step}, {rows * padded}, height * {step}, columns, phases, {phase});\n");
            text.Append($"    ToomCook.Join(phases, {phase}, line, tiles, {dilation});\n{KernelWriter.Indent(scope.Text.ToString(), 1)}");
            text.Append($"    var {j} = start;\n    for (; {j} <= end - V.Count; {j} += V.Count)\n    {{\n{KernelWriter.Indent(vector, 2)}    }}\n");
            text.Append($"    if ({j} < end && end - start >= V.Count)\n    {{\n        {j} = end - V.Count;\n{KernelWriter.Indent(vector, 2)}        {j} = end;\n    }}\n");
            text.Append($"    for (; {j} < end; {j}++)\n    {{\n{KernelWriter.Indent(scalar, 2)}    }}\n}}\n");
            return text.ToString();
        }
    }

    string Element(KernelWriter writer, bool vector)
    {
        var scope = new KernelWriter.Scope(3);
        writer.Open.Add(scope);
        var after = new KernelWriter.Scope(int.MaxValue);
        after.Values[(nest.Fold!.Result, vector)] = "sum";
        writer.Open.Add(after);
        var value = writer.Value(nest.Value, vector);
        var at = writer.Code(nest.At);
        writer.Open.RemoveRange(writer.Open.Count - 2, 2);
        var (sum, target) = ($"line + {column.Name} - start", writer.Pointer(nest.Target));
        return vector
            ? $"var sum = VX.Load({sum});\n{scope.Text}{after.Text}VX.Store({value}, {target} + {at});\n"
            : $"var sum = *({sum});\n{scope.Text}{after.Text}{target}[{at}] = {value};\n";
    }
}
