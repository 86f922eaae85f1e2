using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

// The methods that decode a panel's constants: to memory, or as a few rows are multiplied with them.
sealed partial class PanelCode
{
    // The same expression for the same columns and numbers: what is the same is computed once.
    readonly Dictionary<(Expr, int, string), Expr> made = [];

    (Expr, int, string) Key(Expr e, int vector, IReadOnlyDictionary<Axis, long> fixedAxes, int copy) =>
        (e, e.Axes.Contains(column) ? vector : 0, string.Join(",", folds.Where(a => e.Axes.Contains(a) && (a == inner || fixedAxes.ContainsKey(a))).Select(a => a == inner ? $"+{copy}" : $"{a.Name}={fixedAxes[a]}")));

    /// <summary>What is computed from constants for a vector of columns, with some loops at a number.</summary>
    Expr Made(Expr e, int vector, IReadOnlyDictionary<Axis, long> fixedAxes, int copy = 0)
    {
        var key = Key(e, vector, fixedAxes, copy);
        if (made.TryGetValue(key, out var there))
            return there;
        return made[key] = e switch
        {
            Expr.Load load => Moved(load, vector, fixedAxes, copy),
            Expr.Convert convert => new Expr.Convert(convert.Type, Made(convert.Value, vector, fixedAxes, copy)),
            Expr.Apply apply => Bits(apply.Function, [.. apply.Operands.Select(o => Made(o, vector, fixedAxes, copy))]),
            _ => e,
        };
    }

    /// <summary>A function of bytes without what changes none of their bits: a shift by nothing, a mask of what is left after one.</summary>
    static Expr Bits(Function function, Expr[] x) => x switch
    {
        [{ Type: ElementType.UInt8 } byte_, Expr.Number { Whole: 0 }] when function == Functions.ShiftRight => byte_,
        [Expr.Apply { Function: var shift, Operands: [{ Type: ElementType.UInt8 }, Expr.Number by] } shifted, Expr.Number mask] when function == Functions.BitAnd && shift == Functions.ShiftRight
            && (mask.Whole & (255 >> (int)by.Whole)) == 255 >> (int)by.Whole => shifted,
        _ => new Expr.Apply(function, x),
    };

    Expr Moved(Expr.Load load, int vector, IReadOnlyDictionary<Axis, long> fixedAxes, int copy)
    {
        var index = Fixed(load.Index, fixedAxes, copy);
        if (Panel.LookedUp(load) is { } row)
            return new Expr.Load(load.Buffer, index + Index.Of(Made(row.Value, vector, fixedAxes, copy)) * row.Stride);
        if (!load.Axes.Contains(column))
        {
            return index.Terms.Count == 0 && load.Buffer.Constant is { } known && index.Offset.Value is { } at
                ? new Expr.Number(known.Type, known.Float(at), known.Integer(at))
                : new Expr.Load(load.Buffer, index);
        }
        var own = product.Own(load);
        index = (Index)lane + (Dim)(vector * lanes);
        Dim step = Columns;
        foreach (var axis in own.Reverse())
        {
            index += fixedAxes.TryGetValue(axis, out var number) ? (Index)(step * number) : axis == inner ? ((Index)place + (Dim)(copy * Columns)) * Dim.FloorDiv(step, Columns) : (Index)axis * step;
            step *= axis.Extent;
        }
        return new Expr.Load(panels[load.Buffer], index);
    }

    // Tables that are looked up are the same for all panels.
    long PerPanel(Lowering.Buffer constant) => panels.Values.Contains(constant) ? constant.Count.Value!.Value / Panels * Together : 0;

    /// <summary>A position in what lies as it is, with some loops at a number.</summary>
    Index Fixed(Index index, IReadOnlyDictionary<Axis, long> fixedAxes, int copy)
    {
        Index moved = index.Offset;
        foreach (var (axis, stride) in index.Terms)
            moved += fixedAxes.TryGetValue(axis, out var number) ? (Index)(stride * number) : axis == inner ? ((Index)axis + (Dim)copy) * stride : (Index)axis * stride;
        return moved;
    }

    /// <summary>The loops of the sum around statements; those that are written out are numbers in them.</summary>
    string Folded(KernelWriter writer, Axis[] order, int at, Dictionary<Axis, long> fixedAxes, Func<IReadOnlyDictionary<Axis, long>, string> inner) =>
        Folded(writer, order, at, fixedAxes, 1, (_, _, _) => null, inner);

    /// <inheritdoc cref="Folded(KernelWriter, Axis[], int, Dictionary{Axis, long}, Func{IReadOnlyDictionary{Axis, long}, string})"/>
    /// <param name="writer">Writes the statements.</param>
    /// <param name="order">The loops, outermost first.</param>
    /// <param name="at">The first of them that is to be written.</param>
    /// <param name="fixedAxes">The numbers of those that are written out.</param>
    /// <param name="copies">How many iterations of the innermost loop are written as one.</param>
    /// <param name="around">What stands around the loops from one on, given how to write these; null for those alone.</param>
    /// <param name="inner">The innermost statements.</param>
    string Folded(KernelWriter writer, Axis[] order, int at, Dictionary<Axis, long> fixedAxes, int copies, Func<int, IReadOnlyDictionary<Axis, long>, Func<string>, string?> around, Func<IReadOnlyDictionary<Axis, long>, string> inner)
    {
        string Rest() => at == order.Length ? inner(fixedAxes) : Loop(writer, order, at, fixedAxes, copies, around, inner);
        return around(at, fixedAxes, Rest) ?? Rest();
    }

    string Loop(KernelWriter writer, Axis[] order, int at, Dictionary<Axis, long> fixedAxes, int copies, Func<int, IReadOnlyDictionary<Axis, long>, Func<string>, string?> around, Func<IReadOnlyDictionary<Axis, long>, string> inner)
    {
        var axis = order[at];
        if (unrolled.Contains(axis))
        {
            var parts = new StringBuilder();
            for (var i = 0L; i < axis.Extent.Value; i++)
            {
                var scope = new KernelWriter.Scope(3 + at);
                writer.Open.Add(scope);
                var body = Folded(writer, order, at + 1, new(fixedAxes) { [axis] = i }, copies, around, inner);
                writer.Open.RemoveAt(writer.Open.Count - 1);
                parts.Append($"{{\n{KernelWriter.Indent(scope.Text + body, 1)}}}\n");
            }
            return parts.ToString();
        }
        var within = new KernelWriter.Scope(3 + at);
        writer.Open.Add(within);
        var text = Folded(writer, order, at + 1, fixedAxes, copies, around, inner);
        writer.Open.RemoveAt(writer.Open.Count - 1);
        if (axis == this.inner)
            return $"for (long {axis.Name} = 0, {place.Name} = 0, {along.Name} = 0; {axis.Name} < {axis.Extent.Value}L; {axis.Name} += {copies}, {place.Name} += {copies * Columns}, {along.Name} += {writer.Code(read.Index.Stride(axis) * (Dim)copies)})\n{{\n{KernelWriter.Indent(within.Text + text, 1)}}}\n";
        return $"for (long {axis.Name} = 0; {axis.Name} < {axis.Extent.Value}L; {axis.Name}++)\n{{\n{KernelWriter.Indent(within.Text + text, 1)}}}\n";
    }

    /// <summary>
    /// The method that multiplies a panel with a few rows as it decodes it. Where all that is added in a block of terms has a
    /// factor and a summand in common, they are applied to the sums of the block.
    /// </summary>
    (string Text, Lowering.Buffer[] Constants) Direct(int rows)
    {
        var ways = unrolled.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
        var isFactored = product.Scaled is not null && rows * Vectors * ways <= MostSums;
        var (code, factor, summand) = isFactored ? product.Scaled!.Value : (decoded, null, null);
        var blocks = isFactored ? [.. folds.Where(a => factor!.Axes.Contains(a) || summand?.Axes.Contains(a) == true)] : (Axis[])[];
        var order = isFactored ? [.. blocks, .. folds.Where(a => !blocks.Contains(a))] : folds;
        // Sums that wait for one another are made two.
        var copies = ways == 1 && rows <= FewRows / 2 && inner?.Extent.Value % 2 == 0 ? 2 : 1;
        // What a block's summand is multiplied with is added up at once where it lies side by side.
        var addends = summand is not null && Beside([.. folds.Where(a => !blocks.Contains(a))]) is { } count && count % lanes == 0 && count / lanes <= MostAddends ? count / lanes : 0;
        var writer = Writer(order);
        string Each(Func<int, int, string> one) => string.Concat(from r in Enumerable.Range(0, rows) from v in Enumerable.Range(0, Vectors) select one(r, v));
        string[] sums = isFactored ? [.. Ways([]).SelectMany(way => Enumerable.Range(0, copies).Select(c => Way(way, c)))] : [.. Enumerable.Range(0, copies).Select(c => $"_{c}")];
        string Zero(string name) => string.Concat(sums.Select(sum => Each((r, v) => $"V {name}{r}_{v}{sum} = V.Zero;\n")));
        string Sum(string name, int r, int v) => sums.Select(sum => $"{name}{r}_{v}{sum}").Aggregate((a, b) => $"{a} + {b}");
        var text = new StringBuilder(isFactored ? Each((r, v) => $"V a{r}_{v} = V.Zero;\n") : Zero("b"));
        for (var r = 0; r < rows; r++)
            text.Append($"var y{r} = x{(r > 0 ? $" + {(r > 1 ? $"{r} * " : "")}row" : "")};\n");
        string Products(IReadOnlyDictionary<Axis, long> fixedAxes)
        {
            var innermost = writer.Open[^1].Text;
            for (var copy = 0; copy < copies; copy++)
            {
                Index from = Index.Zero;
                foreach (var axis in folds)
                    from += fixedAxes.TryGetValue(axis, out var number) ? (Index)(read.Index.Stride(axis) * number) : axis == inner ? (Index)along + read.Index.Stride(axis) * (Dim)copy : (Index)axis * read.Index.Stride(axis);
                var at = writer.Code(from);
                for (var r = 0; r < rows; r++)
                    innermost.Append($"var f{r}{Way(fixedAxes, copy)} = VX.Create(y{r}[{at}]);\n");
                for (var v = 0; v < Vectors; v++)
                {
                    var w = Fused(writer, Made(code, v, fixedAxes, copy));
                    innermost.Append($"var w{v}{Way(fixedAxes, copy)} = {w};\n");
                    for (var r = 0; r < rows; r++)
                    {
                        var sum = $"b{r}_{v}{(isFactored ? Way(fixedAxes, copy) : $"_{copy}")}";
                        innermost.Append($"{sum} = VX.FusedMultiplyAdd(w{v}{Way(fixedAxes, copy)}, f{r}{Way(fixedAxes, copy)}, {sum});\n");
                    }
                }
                for (var r = 0; r < rows && summand is not null && addends == 0; r++)
                    innermost.Append($"e{r}{Way(fixedAxes, copy)} += f{r}{Way(fixedAxes, copy)};\n");
            }
            return "";
        }
        text.Append(Folded(writer, order, 0, [], copies, (at, fixedAxes, rest) =>
        {
            if (!isFactored || at != blocks.Length)
                return null;
            var scope = writer.Open[^1].Text;
            scope.Append(Zero("b"));
            for (var r = 0; r < rows && summand is not null; r++)
            {
                var from = $"y{r} + {writer.Code(blocks.Aggregate(Index.Zero, (at, axis) => at + (Index)axis * read.Index.Stride(axis)))}";
                scope.Append(addends == 0 ? string.Concat(sums.Select(sum => $"V e{r}{sum} = V.Zero;\n"))
                    : $"var e{r} = VX.Create(VX.Sum({string.Join(" + ", Enumerable.Range(0, (int)addends).Select(i => $"VX.Load({from} + {i * lanes})"))}));\n");
            }
            var within = rest();
            var scales = Enumerable.Range(0, Vectors).Select(v => (Factor: writer.Value(Made(factor!, v, fixedAxes), true), Summand: summand is null ? null : writer.Value(Made(summand, v, fixedAxes), true))).ToArray();
            return within + Each((r, v) => $"a{r}_{v} = VX.FusedMultiplyAdd({Sum("b", r, v)}, {scales[v].Factor}, a{r}_{v});\n"
                + (summand is null ? "" : $"a{r}_{v} = VX.FusedMultiplyAdd({scales[v].Summand}, {(addends > 0 ? $"e{r}" : sums.Select(sum => $"e{r}{sum}").Aggregate((a, b) => $"{a} + {b}"))}, a{r}_{v});\n"));
        }, Products));
        text.Append(Each((r, v) => $"VX.Store({(isFactored ? $"a{r}_{v}" : Sum("b", r, v))}, sums{(r * Columns + v * lanes is > 0 and var at ? $" + {at}" : "")});\n"));
        return Method(writer, text.ToString(), ", float* x, long row, float* sums");
    }

    // As many sums stay in registers beside what is being decoded; and vectors are added up in one expression.
    const int MostSums = 8, MostAddends = 8;

    /// <summary>How many terms of the sum lie side by side in the other factor; null where some loops leave gaps.</summary>
    long? Beside(Axis[] axes)
    {
        var count = 1L;
        foreach (var axis in axes.OrderBy(a => read.Index.Stride(a).Value ?? long.MaxValue))
        {
            if (read.Index.Stride(axis).Value != count)
                return null;
            count *= axis.Extent.Value!.Value;
        }
        return count;
    }

    /// <summary>The numbers of the loops that are written out, in all ways.</summary>
    IEnumerable<IReadOnlyDictionary<Axis, long>> Ways(Dictionary<Axis, long> fixedAxes) =>
        folds.FirstOrDefault(a => unrolled.Contains(a) && !fixedAxes.ContainsKey(a)) is not { } axis ? [fixedAxes]
        : Enumerable.Range(0, (int)axis.Extent.Value!.Value).SelectMany(i => Ways(new(fixedAxes) { [axis] = i }));

    string Way(IReadOnlyDictionary<Axis, long> fixedAxes, int copy) => $"_{copy}{string.Concat(folds.Where(unrolled.Contains).Select(a => $"_{fixedAxes[a]}"))}";

    /// <summary>The method that decodes a panel to memory.</summary>
    (string Text, Lowering.Buffer[] Constants) Decode()
    {
        var writer = Writer(folds);
        var text = Folded(writer, folds, 0, [], fixedAxes =>
        {
            var innermost = writer.Open[^1];
            var (target, step) = (Index.Zero, (Dim)Columns);
            foreach (var axis in natural.Reverse())
            {
                target += fixedAxes.TryGetValue(axis, out var number) ? (Index)(step * number) : (Index)axis * step;
                step *= axis.Extent;
            }
            for (var v = 0; v < Vectors; v++)
            {
                var (value, at) = (Fused(writer, Made(decoded, v, fixedAxes)), writer.Code(target + (Dim)(v * lanes)));
                innermost.Text.Append($"VX.Store({value}, to + ({at}));\n");
            }
            return "";
        });
        return Method(writer, text, ", float* to");
    }

    /// <summary>A value as a vector; a product and a sum are one instruction.</summary>
    static string Fused(KernelWriter writer, Expr e)
    {
        if (e is not Expr.Apply { Operands: [Expr.Apply { Operands: [var a, var b] } product, var c] } sum || sum.Function != Functions.Plus || product.Function != Functions.Multiply)
            return writer.Value(e, true);
        var (x, y, z) = (writer.Value(a, true), writer.Value(b, true), writer.Value(c, true));
        return $"VX.FusedMultiplyAdd({x}, {y}, {z})";
    }

    KernelWriter Writer(Axis[] order)
    {
        var levels = new Dictionary<Axis, int>();
        for (var i = 0; i < order.Length; i++)
            levels[order[i]] = 3 + i;
        if (this.inner is not null)
            levels[place] = levels[along] = levels[this.inner];
        // Addresses are pointers that the loops around the innermost one move.
        var writer = new KernelWriter(levels, lane, 2 + Math.Max(0, Array.IndexOf(order, this.inner)), [], "c");
        writer.Open.Add(new(1));
        return writer;
    }

    static (string Text, Lowering.Buffer[] Constants) Method(KernelWriter writer, string body, string parameters)
    {
        // Sizes known only at run time, by which the other factor's terms lie apart, are in the frame.
        var given = string.Concat(writer.Parameters.Select((b, i) => $", {KernelWriter.InMemory(b.Type)}* x{i}"));
        return ($"(Frame* f{given}{parameters})\n{{\n{KernelWriter.Indent($"const long lane = 0;\n{writer.Sizes}{writer.Open[0].Text}{body}", 1)}}}\n", [.. writer.Parameters]);
    }
}
