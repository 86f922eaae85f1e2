using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes a long convolution with known weights by a fast algorithm along its last axis (see <see cref="ToomCookTile"/>): a block of
/// outputs at a time, whose evaluated inputs and products stay in the core's cache. A map of two axes is one long row, with what
/// lies between its rows computed and left; each row of its kernel makes channels of its own.
/// </summary>
sealed class ToomCookCode
{
    readonly Step.Nest nest;
    readonly Axis row, column;
    // The rows of a map, where it has two axes; and what the sum runs over besides the taps.
    readonly Axis? mapRow;
    readonly Axis[] summed;
    readonly Expr.Load input, weights;
    readonly ToomCookTile tile;
    readonly Index start;
    readonly int dilation, rows, channels, lanes;

    ToomCookCode(Step.Nest nest, Axis row, Axis? mapRow, Axis column, Axis[] summed, Axis tap, Expr.Load input, Expr.Load weights, ToomCookTile tile, int width)
    {
        (this.nest, this.row, this.mapRow, this.column, this.summed, this.input, this.weights, this.tile, lanes) = (nest, row, mapRow, column, summed, input, weights, tile, width / 32);
        (rows, channels, dilation) = ((int)row.Extent.Value!.Value, (int)Dim.Product(summed.Select(a => a.Extent)).Value!.Value, (int)input.Index.Stride(tap).Value!.Value);
        start = input.Index.AtStart([row, column, tap, .. summed, .. mapRow is null ? Enumerable.Empty<Axis>() : [mapRow]]);
    }

    /// <summary>How many outputs a row has, with what lies between those of a map.</summary>
    Dim Length => mapRow is null ? column.Extent : (mapRow.Extent - 1) * input.Index.Stride(mapRow) + column.Extent;

    // Below these the transforms cost what they save; shorter rows leave tiles empty.
    const int LeastWork = 80, LeastChannels = 8, LongRow = 100;

    // A kernel's rows make the sums of a map longer; of more channels a block does not come near to staying in the cache, and of
    // shorter rows much lies between them.
    const int LeastWorkOfMap = 48, MostChannelsOfMap = 3072, LeastColumns = 12;

    /// <summary>The fast form of a nest, or null where it is no such convolution or would not be faster.</summary>
    public static ToomCookCode? Of(Step.Nest original, int width)
    {
        var nest = Collapse.Axes(original);
        if (width < 256 || nest.Fold is not { Kind: Reduction.Sum, Arg: null, Axes: [var channel, .. { Length: <= 1 } kernelRows, var tap], Term: Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load x, Expr.Load w] } product }
            || product.Function != Functions.Multiply || w.Buffer.Storage != Storage.Weight || nest.Target.Type != ElementType.Float32)
            return null;
        if (nest.Axes.Where(a => a.Extent.Value != 1).ToArray() is not [var row, .. { Length: <= 1 } lines, var column] || lines.Length < kernelRows.Length
            || row.Extent.Value is not (>= LeastChannels and <= 1024) || channel.Extent.Value is not (>= LeastChannels and <= 1024) || tap.Extent.Value is not { } taps || taps > 12
            || ToomCookTile.For((int)taps) is not { } algorithm)
            return null;
        var fits = x.Index.Stride(column).Value == 1 && x.Index.Stride(row).Value == 0 && x.Index.Stride(tap).Value is >= 1 and <= 16 && x.Index.Dynamic.Count == 0
            && w.Index.Stride(column).Value == 0 && nest.At.Stride(column).Value == 1 && Vectorization.CanVector(nest.Value, column, nest)
            && (lines is [var line] ? IsMap(line) : column.Extent.Estimate() >= LongRow);
        var saved = Math.Min(row.Extent.Value.Value, channel.Extent.Value.Value) * taps;
        // Sums of integers are exact, and what follows may round them.
        return fits && saved >= (lines.Length > 0 ? LeastWorkOfMap : LeastWork) && !AreIntegers(w.Buffer.Constant!) ? new(nest, row, lines.FirstOrDefault(), column, [channel, .. kernelRows], tap, x, w, algorithm, width) : null;

        bool IsMap(Axis line) => Dim.Product(kernelRows.Append(channel).Select(a => a.Extent)).Value <= MostChannelsOfMap && column.Extent.Estimate() >= LeastColumns
            && x.Index.Stride(row).Value == 0 && w.Index.Stride(line).Value == 0 && line.Extent.Estimate() * column.Extent.Estimate() >= LongRow
            && (x.Index.Stride(line) - column.Extent - (taps - 1) * x.Index.Stride(tap)).IsNeverNegative;
    }

    static bool AreIntegers(Tensor weights)
    {
        for (var i = 0L; i < weights.Count; i++)
        {
            if (!double.IsInteger(weights.Real(i)))
                return false;
        }
        return true;
    }

    // Taps times elements of a row: below, weights cost more to evaluate than products are saved.
    const int ShortRow = 240;

    /// <summary>The C# condition under which direct sums are faster, or null where they never are.</summary>
    public string? IsShort => Kept > 0 || Length.Value * tile.Kernel >= ShortRow ? null : $"{TileCode.Frame(Length)} < {ShortRow / tile.Kernel}";

    /// <summary>The algorithm.</summary>
    public ToomCookTile Tile => tile;

    /// <summary>The weights.</summary>
    public Lowering.Buffer Weights => weights.Buffer;

    // More than these are evaluated again by each call, a panel at a time in the core's cache: reading them from memory, where
    // they are larger than the weights themselves, costs as much, and they would have to be kept there.
    // A map has many blocks, between which they stay in a cache.
    const long MostKept = 1 << 18, MostKeptOfMap = 1 << 20;

    /// <summary>How many numbers the evaluated weights are that are kept; 0 where they are evaluated by each call.</summary>
    public long Kept => Panels.Sum(p => PanelSize(p.Count)) is var size && size <= (mapRow is null ? MostKept : MostKeptOfMap) ? size : 0;

    long PanelSize(int count) => tile.Points * PointSize(count);

    // A method that evaluates weights writes up to a vector more.
    long PointSize(int count) => (long)tile.Chunks * channels * count + 16;

    IEnumerable<(int First, int Count)> Panels => Enumerable.Range(0, (rows + TileCode.Panel - 1) / TileCode.Panel).Select(p => (p * TileCode.Panel, Math.Min(TileCode.Panel, rows - p * TileCode.Panel)));

    /// <summary>The C# statements that evaluate the weights, which lie in panels, where they are kept.</summary>
    public string Evaluate(string from, string to)
    {
        var (whole, rest) = (rows / TileCode.Panel, rows % TileCode.Panel);
        var text = whole > 0 ? $"for (long panel = 0; panel < {whole}; panel++)\n    {One("panel * ", TileCode.Panel)}" : "";
        return text + (rest > 0 ? One($"{whole} * ", rest) : "");

        string One(string panel, int count) =>
            $"{tile.WeightsName}({from} + {panel}{(long)TileCode.Panel * channels * tile.Kernel}L, {count}, {channels}, {to} + {panel}{PanelSize(TileCode.Panel)}L, {PointSize(count)});\n";
    }

    /// <summary>The buffer in which the inputs lie with zeros around them.</summary>
    public Lowering.Buffer Operand => input.Buffer;

    // Operations for an element that are worth writing the operand to memory, as blocks and parts of blocks compute it again.
    const long MostWithin = 12;

    /// <summary>
    /// The nest that computes the operand, where the kernel can compute as much of it as a block needs, a channel at a time:
    /// the loops over channels and over elements of a row.
    /// </summary>
    public (Axis Channel, Axis Element)? CanTake(Step.Nest operand)
    {
        if (summed is not [var channel] || operand.Target != Operand || operand.Fold is not null || operand.Target.Type != ElementType.Float32 || IsShort is not null || start.Terms.Count > 0 || start.Offset.Value is not 0
            || operand.At.Offset.Value is not 0 || operand.At.Dynamic.Count > 0 || NestCode.CostOf(operand) > MostWithin)
            return null;
        return operand.Axes.Where(a => a.Extent.Value != 1).ToArray() is [var by, var element] && operand.At.Stride(element).Value == 1
            && operand.At.Stride(by).Equals(input.Index.Stride(channel)) && by.Extent.Equals(channel.Extent) ? (by, element) : null;
    }

    /// <summary>The register tiles that it calls.</summary>
    public HashSet<Tiles.Kernel> Used { get; } = [];

    // In floats: what of a core's level 2 cache a block's inputs at all points take.
    const int Cache = 80_000;

    /// <summary>The kernel.</summary>
    /// <param name="operand">The nest that computes the operand, if the kernel does (see <see cref="CanTake"/>).</param>
    public KernelCode Write(Step.Nest? operand)
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
        var panels = (rows + TileCode.Panel - 1) / TileCode.Panel;
        var (u, v) = ((long)points * channels * pitch, (long)points * TileCode.Panel * padded);
        var w = Kept > 0 ? 0 : PanelSize(TileCode.Panel);
        var line = ToomCookTile.Outputs * (tiles + reach + lanes) * dilation + 64;

        var parameters = new List<Lowering.Buffer>();
        var levels = new Dictionary<Axis, int> { [row] = 2, [column] = Innermost };
        if (mapRow is not null)
            levels[mapRow] = 3;
        var writer = new KernelWriter(levels, column, Innermost, parameters);
        var (length, x, from) = (writer.Code(Length), writer.Pointer(input.Buffer), writer.Pointer(weights.Buffer));
        var body = new StringBuilder();
        body.Append($"// As many tiles as each block has, and as many columns, in whole vectors.\nlong tiles = ToomCook.Block(f->threads, {length}, {dilation}, {tiles}), columns = (tiles * {dilation} + {lanes - 1}) / {lanes} * {lanes}, span = {ToomCookTile.Outputs * dilation} * tiles;\n");
        body.Append($"long parts = ToomCook.Parts(f->threads, {length}, {dilation}, {tiles}, {panels}), part = task % parts, start = task / parts * span, end = Math.Min({length}, start + span);\n");
        // Tiles that lie side by side are cut out in whole vectors.
        body.Append($"var cut = {(dilation == 1 ? $"(tiles + {reach + lanes - 1}) / {lanes} * {lanes}" : $"tiles + {reach}")};\n");
        body.Append($"var u = Scratch.Floats({u + w + v + ToomCookTile.Outputs * phase + line});\nvar v = u + {u + w};\nvar phases = v + {v};\nvar line = phases + {ToomCookTile.Outputs * phase};\n");
        var left = $"{length} + {(tile.Kernel - 1) * dilation} - start";
        var number = summed.Skip(1).Aggregate(summed[0].Name, (index, axis) => $"({index} * {axis.Extent} + {axis.Name})");
        var evaluate = $"cut, {dilation}, columns + {(chunks - 1) * dilation}, phases, {phase}, line, u + {number} * {pitch}, {channels * pitch});\n";
        if (operand is not null && CanTake(operand) is var (by, element))
        {
            // As if all of the operand were there: what the block reads of a row of it is.
            var channel = summed[0];
            body.Append($"for (long {channel.Name} = 0; {channel.Name} < {channels}; {channel.Name}++)\n{{\n");
            body.Append($"    long {RowsCode.Outer}0 = {channel.Name}, {RowsCode.From} = start, needed = {ToomCookTile.Outputs * dilation} * cut, {RowsCode.Count} = Math.Min(needed, {left});\n");
            body.Append($"    var {x} = line - ({channel.Name} * {writer.Code(input.Index.Stride(channel))} + start);\n");
            body.Append($"    {{\n{KernelWriter.Indent(NestCode.Whole(RowsCode.Restricted(operand, [by, element]), parameters, "in_"), 2)}    }}\n");
            body.Append($"    NativeMemory.Clear(line + {RowsCode.Count}, (nuint)(needed + 16 - {RowsCode.Count}) * 4);\n    {tile.InputName}(line, long.MaxValue, {evaluate}}}\n");
        }
        else
        {
            operand = null;
            body.Append($"var from = {x} + {writer.Code(start)} + start;\n");
            foreach (var axis in summed)
                body.Append($"for (long {axis.Name} = 0; {axis.Name} < {axis.Extent}; {axis.Name}++)\n");
            body.Append($"    {tile.InputName}(from{string.Concat(summed.Select(a => $" + {a.Name} * {writer.Code(input.Index.Stride(a))}"))}, {left}, {evaluate}");
        }
        body.Append($"for (var top = part * {panels} / parts * {TileCode.Panel}; top < (part + 1) * {panels} / parts * {TileCode.Panel} && top < {rows}; top += {TileCode.Panel})\n{{\n");
        var height = lanes == 16 ? TileCode.Panel : TileCode.Panel / 2;
        var (whole, rest) = (rows / TileCode.Panel * TileCode.Panel, rows % TileCode.Panel);
        if (whole > 0 && rest > 0)
            body.Append($"    if (top < {whole})\n    {{\n{KernelWriter.Indent(Products(TileCode.Panel), 2)}    }}\n    else\n    {{\n{KernelWriter.Indent(Products(rest), 2)}    }}\n");
        else
            body.Append(KernelWriter.Indent(Products(whole > 0 ? TileCode.Panel : rest), 1));
        var outer = new KernelWriter.Scope(1);
        writer.Open.Add(outer);
        var results = KernelWriter.Indent(Results(writer), 1);
        var given = parameters.Where(b => b != operand?.Target).ToList();
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{outer.Text}{body}{results}}}\n", 2), given, $"ToomCook.Tasks(f->threads, {TileCode.Frame(Length)}, {dilation}, {tiles}, {panels})");

        string Products(int count)
        {
            var text = new StringBuilder();
            if (w > 0)
                text.Append($"var w = u + {u};\n{tile.WeightsName}({from} + top * {(long)channels * tile.Kernel}, {count}, {channels}, w, {PointSize(count)});\n");
            else
                text.Append($"var w = {from} + top / {TileCode.Panel} * {PanelSize(TileCode.Panel)};\n");
            text.Append($"for (long point = 0; point < {points}; point++)\n{{\n");
            // The weights of the next panel come from memory while this one's are multiplied.
            if (w > 0)
                text.Append($"    ToomCook.Fetch({from} + (top + {count}) * {(long)channels * tile.Kernel} + point * {Share(count)}, {Share(count)});\n");
            text.Append($"    float* up = u + point * {channels * pitch}, vp = v + point * {TileCode.Panel * padded}, wp = w + point * {PointSize(count)};\n");
            text.Append($"    long j = 0;\n    for (; j <= columns - {2 * lanes}; j += {2 * lanes})\n    {{\n");
            foreach (var (first, some) in TileCode.Parts(0, count, height))
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
            var text = new StringBuilder($"for (var {m} = top; {m} < Math.Min(top + {TileCode.Panel}, {rows}); {m}++)\n{{\n");
            text.Append($"    {tile.OutputName}(v + ({m} - top) * {padded}, {TileCode.Panel * padded}, columns, phases, {phase}, line, tiles, {dilation});\n{KernelWriter.Indent(scope.Text.ToString(), 1)}");
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
