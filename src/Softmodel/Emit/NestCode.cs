using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;


namespace Softmodel.Emit;

/// <summary>
/// Writes the C# of one loop nest. Statements stand at the outermost loop on which they depend; the loop in which
/// elements lie side by side, of the result or of a sum, is written twice, for vectors and for what is left over.
/// </summary>
sealed class NestCode
{
    readonly Step.Nest nest;
    readonly Axis[] rows;
    readonly Axis? inner;
    readonly Axis[] folded;
    readonly bool isVector, foldsInner;
    // Whether what it reads is overwritten as it goes: no element can be computed twice then.
    readonly bool isInPlace;
    readonly KernelWriter writer;
    // The reduction of what this nest writes, row by row, that is computed on the way; and whether this is such a reduction.
    NestCode? then;
    bool isOnTheWay;

    NestCode(Loops loops, List<Lowering.Buffer>? parameters, string prefix = "", bool isInPlace = false)
    {
        (nest, inner, isVector) = loops;
        this.isInPlace = isInPlace || nest.Value.Loads.Contains(nest.Target);
        folded = nest.Fold?.Axes ?? [];
        foldsInner = inner is not null && folded.Contains(inner);
        if (foldsInner)
            folded = [.. folded.Where(a => a != inner), inner!];
        rows = [.. nest.Axes.Where(a => a != inner)];
        var levels = new Dictionary<Axis, int>();
        foreach (var axis in rows)
            levels[axis] = 1;
        if (inner is not null)
            levels[inner] = 2;
        for (var i = 0; i < folded.Length; i++)
            levels[folded[i]] = 3 + i;
        writer = new(levels, inner, 1, parameters, prefix);
    }

    /// <summary>The kernel of a nest.</summary>
    /// <param name="loops">The nest.</param>
    /// <param name="isInPlace">Whether it writes where something lies that it reads.</param>
    public static KernelCode Write(Loops loops, bool isInPlace)
    {
        var code = new NestCode(loops, null, isInPlace: isInPlace);
        var body = code.Statements((r, c, each) => $"Split.Of({r}, {c}, {each}, task, out var row, out var rowEnd, out var column, out var columnEnd);\n");
        return new(Indent(code.writer.Taken() + body, 2), code.writer.Parameters, $"Split.Tasks({TileCode.Frame(code.RowCount)}, {code.Columns(TileCode.Frame)}, {TileCode.Frame(code.Work)})");
    }

    /// <summary>The statements of a nest that is computed whole, as a part of a kernel.</summary>
    /// <param name="loops">The nest.</param>
    /// <param name="parameters">The buffers that the kernel is given.</param>
    /// <param name="prefix">What the names of variables begin with, where it lies within another's blocks.</param>
    public static string Whole(Loops loops, List<Lowering.Buffer> parameters, string prefix = "") =>
        new NestCode(loops, parameters, prefix).Statements((rows, columns, _) => $"long row = 0, rowEnd = {rows}, column = 0, columnEnd = {columns};\n");

    /// <summary>The statements of a nest and of the reduction of its rows that comes next, computed whole in one loop.</summary>
    /// <param name="loops">The nest.</param>
    /// <param name="reduction">The reduction.</param>
    /// <param name="parameters">The buffers that the kernel is given.</param>
    public static string Whole(Loops loops, Loops reduction, List<Lowering.Buffer> parameters)
    {
        var code = new NestCode(loops, parameters);
        code.then = new(reduction, parameters, "then_") { isOnTheWay = true };
        return code.Statements((rows, columns, _) => $"long row = 0, rowEnd = {rows}, column = 0, columnEnd = {columns};\n");
    }

    Dim RowCount => Dim.Product(rows.Select(a => a.Extent));

    string Columns(Func<Dim, string> code) => inner is null || foldsInner ? "1" : code(inner.Extent);

    Dim Work => Dim.Product(folded.Select(a => a.Extent)) * Cost.Of(nest);

    string Statements(Func<string, string, string, string> split)
    {
        var row = new KernelWriter.Scope(1);
        writer.Open.Add(row);
        var body = foldsInner || inner is null ? Rows() : Columns();
        if (then is not null)
        {
            var afterwards = new KernelWriter.Scope(1);
            then.writer.Open.Add(afterwards);
            var (fold, element) = (then.nest.Fold!, then.Rows());
            body = $"{Accumulators(fold, "sums")}{body}{Horizontal(fold.Kind)}{afterwards.Text}{element}";
            writer.Sizes.Append(then.writer.Sizes);
        }
        var decoding = RowDecoding(writer, rows);
        var rowCount = Code(RowCount);
        var columnCount = Columns(Code);
        var cost = Code(Work);
        return $"{writer.Sizes}{split(rowCount, columnCount, cost)}for (; row < rowEnd; row++)\n{{\n{Indent($"{decoding}{row.Text}{body}", 1)}}}\n";
    }

    string Code(Dim size) => writer.Code(size);

    string Value(Expr e, bool vector) => writer.Value(e, vector);

    static string Indent(string text, int depth) => KernelWriter.Indent(text, depth);

    /// <summary>The statements that take the number of a row apart into the loops that it stands for, the outermost first.</summary>
    public static string RowDecoding(KernelWriter writer, IReadOnlyList<Axis> rows)
    {
        var used = rows.Where(a => a.Extent.Value != 1).ToArray();
        if (used.Length == 0)
            return "";
        if (used.Length == 1)
            return $"var {used[0].Name} = row;\n";
        var text = new StringBuilder("var rest = row;\n");
        for (var i = used.Length - 1; i > 0; i--)
            text.Append($"var {used[i].Name} = rest % {writer.Code(used[i].Extent)};\nrest /= {writer.Code(used[i].Extent)};\n");
        return text.Append($"var {used[0].Name} = rest;\n").ToString();
    }

    /// <summary>The part of a row when the loop over elements side by side is over elements of the result.</summary>
    string Columns()
    {
        var text = new StringBuilder();
        var scalar = Element(nest.Value, false);
        var j = inner!.Name;
        text.Append($"var {j} = column;\n");
        if (!isVector)
            return text.Append($"for (; {j} < columnEnd; {j}++)\n{{\n{Indent(scalar, 1)}}}\n").ToString();
        var vector = Element(nest.Value, true);
        var (low, high) = (writer.Low.Distinct().ToArray(), writer.High.Distinct().ToArray());
        string Loop(string condition, string step, string element) => $"for (; {j} {condition}; {j} += {step})\n{{\n{Indent(element, 1)}}}\n";
        string Vectors(string end, string element) => Loop($"<= {end} - V.Count", "V.Count", element);
        if (low.Length == 0)
        {
            var end = $"{j} = columnEnd - V.Count;\n";
            if (isInPlace && then is null && nest.Target.Type == ElementType.Float32)
            {
                // What the last vector reads is overwritten by the one before it: it is computed first, and stored last.
                return text.Append($"var isCut = columnEnd - column >= V.Count && (columnEnd - column) % V.Count != 0;\nvar last = VX.Create(0f);\n")
                    .Append($"if (isCut)\n{{\n{Indent($"{end}{Element(nest.Value, true, into: "last")}{j} = column;\n", 1)}}}\n")
                    .Append(Vectors("columnEnd", vector))
                    .Append($"if (isCut)\n{{\n{Indent($"{end}{Store("last", true)}{j} = columnEnd;\n", 1)}}}\n")
                    .Append(Loop("< columnEnd", "1", scalar)).ToString();
            }
            // The last vector is moved back to end where the row does: computing elements twice costs less than one by one.
            return text.Append(Vectors("columnEnd", vector))
                .Append(isInPlace ? "" : $"if ({j} < columnEnd && columnEnd - column >= V.Count)\n{{\n{(then is null ? "" : $"    var left = (int)(columnEnd - {j});\n")}    {end}{Indent(then is null ? vector : Element(nest.Value, true, isLast: true), 1)}    {j} = columnEnd;\n}}\n")
                .Append(Loop("< columnEnd", "1", scalar)).ToString();
        }
        text.Append("// Between these no element of a vector lies outside.\n");
        text.Append($"var inside = {low.Aggregate("column", (x, y) => $"Math.Max({x}, {y})")};\n");
        text.Append($"var outside = {high.Aggregate("columnEnd", (x, y) => $"Math.Min({x}, {y})")};\n");
        if (low.Length == 1 && high.Length == 1 && nest.Fold is null)
        {
            // Where all elements of a vector lie outside, it takes what stands for those.
            var rewriting = new ExprRewriting(i => i, axis => axis == inner);
            foreach (var guard in Vectorization.Of(nest.Value).OfType<Expr.Guard>().Where(g => g.Index.Axes.Contains(inner)))
                rewriting.Replace(guard, guard.Outside);
            var beyond = Element(rewriting.Apply(nest.Value), true);
            text.Append(Vectors("Math.Min(inside, columnEnd)", beyond)).Append(Loop("< Math.Min(inside, columnEnd)", "1", scalar));
            text.Append(Vectors("outside", vector)).Append(Loop("< Math.Min(outside, columnEnd)", "1", scalar));
            text.Append(Vectors("columnEnd", beyond));
        }
        else
            text.Append(Loop("< Math.Min(inside, columnEnd)", "1", scalar)).Append(Vectors("outside", vector));
        return text.Append(Loop("< columnEnd", "1", scalar)).ToString();
    }

    /// <summary>One element, or vector, of the result.</summary>
    /// <param name="result">What is computed.</param>
    /// <param name="vector">Whether it is a vector of them.</param>
    /// <param name="isLast">Whether only the last <c>left</c> of the vector have not been computed before.</param>
    /// <param name="into">A variable that takes the vector in place of the result; null for none.</param>
    string Element(Expr result, bool vector, bool isLast = false, string? into = null)
    {
        var scope = new KernelWriter.Scope(2);
        writer.Open.Add(scope);
        var text = new StringBuilder();
        var folding = nest.Fold is { } fold && !isOnTheWay ? FoldLoops(fold, vector) : "";
        var after = new KernelWriter.Scope(int.MaxValue);
        if (nest.Fold is { } f)
            after.Values[(f.Result, vector)] = f.Arg is null ? "sum" : "found";
        writer.Open.Add(after);
        var value = Value(result, vector);
        var store = into is null ? Store(value, vector) : $"{into} = {value};\n";
        writer.Open.RemoveAt(writer.Open.Count - 1);
        writer.Open.RemoveAt(writer.Open.Count - 1);
        text.Append(scope.Text).Append(folding).Append(after.Text).Append(store);
        if (then is not null)
            text.Append(Combined(then.nest.Fold!, vector, isLast && then.nest.Fold!.Kind == Reduction.Sum ? $"Maths.Last({value}, left)" : value, vector));
        return text.ToString();
    }

    /// <summary>What a reduction along vectors begins with.</summary>
    static string Accumulators(Fold fold, string vectors)
    {
        var start = Start(fold.Kind, fold.Term.Type);
        return $"var sum = {start};\nvar {vectors} = VX.Create({start});\n{(fold.Kind is Reduction.Max or Reduction.Min ? "var fine = VI.AllBitsSet.As<int, float>();\n" : "")}";
    }

    /// <summary>The part of a row when the row is one element: a sum along which elements lie side by side.</summary>
    string Rows() => Element(nest.Value, false);

    string FoldLoops(Fold fold, bool vector)
    {
        var type = fold.Term.Type;
        var start = Start(fold.Kind, type);
        var text = new StringBuilder();
        if (fold.Arg is { } last)
        {
            var axis = fold.Axes[0];
            var scope = new KernelWriter.Scope(3);
            writer.Open.Add(scope);
            var term = Value(fold.Term, false);
            writer.Open.RemoveAt(writer.Open.Count - 1);
            var compare = fold.Kind == Reduction.Max ? last ? ">=" : ">" : last ? "<=" : "<";
            text.Append($"var best = default({KernelWriter.CSharp(type)});\nvar found = 0L;\n");
            text.Append($"for (long {axis.Name} = 0; {axis.Name} < {Code(axis.Extent)}; {axis.Name}++)\n{{\n{Indent(scope.Text.ToString(), 1)}");
            text.Append($"    if ({axis.Name} == 0 || {term} {compare} best)\n        (best, found) = ({term}, {axis.Name});\n}}\n");
            return text.ToString();
        }
        text.Append(foldsInner && isVector ? Accumulators(fold, "sums") : vector ? $"var sum = VX.Create({start});\n" : $"var sum = {start};\n");
        var scopes = folded.Select((a, i) => new KernelWriter.Scope(3 + i)).ToArray();
        writer.Open.AddRange(scopes);
        var scalarBody = vector ? "" : Combine(fold, false, false);
        string vectorBody = "";
        if (foldsInner && isVector)
        {
            var innermost = scopes[^1];
            var (scalarText, replacement) = (innermost.Text.ToString(), new KernelWriter.Scope(innermost.Level));
            writer.Open[^1] = replacement;
            vectorBody = Combine(fold, true, true);
            scalarBody = scalarText + scalarBody;
            vectorBody = replacement.Text + vectorBody;
        }
        else
        {
            if (vector)
                scalarBody = Combine(fold, false, true);
            scalarBody = scopes.Length > 0 ? scopes[^1].Text + scalarBody : scalarBody;
        }
        writer.Open.RemoveRange(writer.Open.Count - scopes.Length, scopes.Length);
        string body;
        if (folded.Length == 0)
            body = scalarBody;
        else
        {
            var a = folded[^1];
            var size = Code(a.Extent);
            body = foldsInner && isVector
                ? $"long {a.Name} = 0;\nfor (; {a.Name} <= {size} - V.Count; {a.Name} += V.Count)\n{{\n{Indent(vectorBody, 1)}}}\nfor (; {a.Name} < {size}; {a.Name}++)\n{{\n{Indent(scalarBody, 1)}}}\n"
                : $"for (long {a.Name} = 0; {a.Name} < {size}; {a.Name}++)\n{{\n{Indent(scalarBody, 1)}}}\n";
        }
        for (var i = folded.Length - 2; i >= 0; i--)
            body = $"for (long {folded[i].Name} = 0; {folded[i].Name} < {Code(folded[i].Extent)}; {folded[i].Name}++)\n{{\n{Indent(scopes[i].Text + body, 1)}}}\n";
        text.Append(body);
        if (foldsInner && isVector)
            text.Append(Horizontal(fold.Kind));
        return text.ToString();
    }

    static string Horizontal(Reduction kind) => kind switch
    {
        Reduction.Sum => "sum += VX.Sum(sums);\n",
        Reduction.Product => "for (var lane = 0; lane < V.Count; lane++)\n    sum *= sums[lane];\n",
        _ => $"sum = Math.{kind}(sum, Maths.{kind}(sums, fine));\n",
    };

    /// <summary>What combines terms with those before.</summary>
    /// <param name="fold">The reduction.</param>
    /// <param name="along">Whether the terms of one reduction lie side by side in a vector.</param>
    /// <param name="vector">Whether they are vectors.</param>
    string Combine(Fold fold, bool along, bool vector)
    {
        var (type, into) = (fold.Term.Type, along ? "sums" : "sum");
        if (fold.Kind == Reduction.Sum && type == ElementType.Float32 && fold.Term is Expr.Apply { Function: var function } product && function == Functions.Multiply)
        {
            var (a, b) = (Value(product.Operands[0], vector), Value(product.Operands[1], vector));
            return vector ? $"{into} = VX.FusedMultiplyAdd({a}, {b}, {into});\n" : $"{into} = MathF.FusedMultiplyAdd({a}, {b}, {into});\n";
        }
        return Combined(fold, along, Value(fold.Term, vector), vector);
    }

    /// <summary>One more term, or vector of terms, of a reduction.</summary>
    static string Combined(Fold fold, bool along, string x, bool vector)
    {
        var (type, into) = (fold.Term.Type, along ? "sums" : "sum");
        if (type == ElementType.Bool)
            return $"{into} {(fold.Kind is Reduction.Max or Reduction.Sum ? "|=" : "&=")} {x};\n";
        return fold.Kind switch
        {
            Reduction.Sum => vector || type is ElementType.Float32 or ElementType.Float64 ? $"{into} += {x};\n" : $"{into} = unchecked(({KernelWriter.CSharp(type)})({into} + {x}));\n",
            Reduction.Product => vector || type is ElementType.Float32 or ElementType.Float64 ? $"{into} *= {x};\n" : $"{into} = unchecked(({KernelWriter.CSharp(type)})({into} * {x}));\n",
            // Numbers that are none are told by a mask: to heed them each time costs more.
            _ when along => $"sums = VX.{fold.Kind}Native(sums, {x});\nfine &= VX.Equals({x}, {x});\n",
            _ => $"{into} = {(vector ? "VX" : "Math")}.{fold.Kind}({into}, {x});\n",
        };
    }

    /// <summary>What a reduction of nothing gives.</summary>
    internal static string Start(Reduction kind, ElementType type) => (kind, type) switch
    {
        (Reduction.Sum or Reduction.Max, ElementType.Bool) => "false",
        (_, ElementType.Bool) => "true",
        (Reduction.Sum, _) => $"({KernelWriter.CSharp(type)})0",
        (Reduction.Product, _) => $"({KernelWriter.CSharp(type)})1",
        (Reduction.Max, _) => type.IsFloat() ? $"{KernelWriter.CSharp(type)}.NegativeInfinity" : $"{KernelWriter.CSharp(type)}.MinValue",
        _ => type.IsFloat() ? $"{KernelWriter.CSharp(type)}.PositiveInfinity" : $"{KernelWriter.CSharp(type)}.MaxValue",
    };

    string Store(string value, bool vector)
    {
        var element = writer.Pointer(new Expr.Load(nest.Target, nest.At));
        if (vector)
            return nest.Target.Type switch
            {
                ElementType.Bool => $"Maths.StoreMask({value}, &{element});\n",
                ElementType.Int16 => $"Maths.StoreInt16({value}, &{element});\n",
                _ => $"VX.Store({value}, &{element});\n",
            };
        return $"{element} = {Stored(value, nest.Target.Type)};\n";
    }

    static string Stored(string value, ElementType type) => type switch
    {
        ElementType.Bool => $"(byte)({value} ? 1 : 0)",
        ElementType.Float16 => $"(Half){value}",
        ElementType.BFloat16 => $"Scalars.ToBFloat16({value})",
        _ => value,
    };
}
