using System.Globalization;
using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes the C# of one loop nest. Statements stand at the outermost loop on which they depend; the loop in which
/// elements lie side by side, of the result or of a sum, is written twice, for vectors and for what is left over.
/// </summary>
sealed class NestCode
{
    sealed class Scope(int level)
    {
        public int Level { get; } = level;
        public StringBuilder Text { get; } = new();
        public Dictionary<(Expr, bool), string> Values { get; } = [];
    }

    readonly Step.Nest nest;
    readonly Axis[] rows;
    readonly Axis? inner;
    readonly Axis[] folded;
    readonly bool isVector, foldsInner;
    readonly StringBuilder sizes = new();
    readonly Dictionary<string, string> sizeNames = new(StringComparer.Ordinal), pointerNames = new(StringComparer.Ordinal);
    readonly Dictionary<Expr, bool> afterFold = [];
    readonly List<Scope> open = [];
    readonly HashSet<string> low = new(StringComparer.Ordinal), high = new(StringComparer.Ordinal);
    int names;

    NestCode(Step.Nest nest)
    {
        this.nest = nest = Collapse.Axes(nest);
        folded = nest.Fold?.Axes ?? [];
        var choice = Vectorization.Choose(nest);
        (inner, isVector) = (choice.Axis, choice.IsVector);
        foldsInner = inner is not null && folded.Contains(inner);
        if (foldsInner)
            folded = [.. folded.Where(a => a != inner), inner!];
        rows = [.. nest.Axes.Where(a => a != inner)];
    }

    /// <summary>The method of a nest, and the C# expression of the number of tasks that it is split into.</summary>
    public static (string Method, string Tasks) Write(Step.Nest nest, string name) => new NestCode(nest).Write(name);

    (string, string) Write(string name)
    {
        var row = new Scope(1);
        open.Add(row);
        var body = foldsInner || inner is null ? Rows() : Columns();
        var code = new StringBuilder();
        var rowCount = Code(Dim.Product(rows.Select(a => a.Extent)));
        var columnCount = inner is null || foldsInner ? "1" : Code(inner.Extent);
        var cost = Code(Dim.Product(folded.Select(a => a.Extent)) * Math.Max(1, Cost(nest.Value) + (nest.Fold is null ? 0 : Cost(nest.Fold.Term))));
        code.Append($"    // {nest.Source.ReplaceLineEndings(" ")}\n");
        code.Append($"    public static void {name}(void* state, int task)\n    {{\n        var f = (Frame*)state;\n");
        code.Append(Indent(sizes.ToString(), 2));
        code.Append($"        Split.Of({rowCount}, {columnCount}, {cost}, task, out var row, out var rowEnd, out var column, out var columnEnd);\n");
        code.Append("        for (; row < rowEnd; row++)\n        {\n");
        code.Append(Indent(RowDecoding(), 3)).Append(Indent(row.Text.ToString(), 3)).Append(Indent(body, 3));
        code.Append("        }\n    }\n");
        return (code.ToString(), $"Split.Tasks({InFrame(rowCount)}, {InFrame(columnCount)}, {InFrame(cost)})");
    }

    // The caller has no locals for sizes: it needs them spelled out.
    string InFrame(string code) => sizeNames.FirstOrDefault(p => p.Value == code).Key ?? code;

    string RowDecoding()
    {
        var used = rows.Where(a => a.Extent.Value != 1).ToArray();
        if (used.Length == 0)
            return "";
        if (used.Length == 1)
            return $"var {used[0].Name} = row;\n";
        var text = new StringBuilder("var rest = row;\n");
        for (var i = used.Length - 1; i > 0; i--)
            text.Append($"var {used[i].Name} = rest % {Code(used[i].Extent)};\nrest /= {Code(used[i].Extent)};\n");
        return text.Append($"var {used[0].Name} = rest;\n").ToString();
    }

    /// <summary>The part of a row when the loop over elements side by side is over elements of the result.</summary>
    string Columns()
    {
        var text = new StringBuilder();
        var scalar = Element(false);
        var j = inner!.Name;
        text.Append($"var {j} = column;\n");
        if (!isVector)
            return text.Append($"for (; {j} < columnEnd; {j}++)\n{{\n{Indent(scalar, 1)}}}\n").ToString();
        var vector = Element(true);
        if (low.Count + high.Count == 0)
        {
            text.Append($"for (; {j} <= columnEnd - V.Count; {j} += V.Count)\n{{\n{Indent(vector, 1)}}}\n");
            return text.Append($"for (; {j} < columnEnd; {j}++)\n{{\n{Indent(scalar, 1)}}}\n").ToString();
        }
        text.Append("// Only where no element of a vector lies outside.\n");
        text.Append($"var inside = {low.Aggregate("column", (a, b) => $"Math.Max({a}, {b})")};\n");
        text.Append($"var outside = {high.Aggregate("columnEnd", (a, b) => $"Math.Min({a}, {b})")};\n");
        text.Append($"while ({j} < columnEnd)\n{{\n    if ({j} >= inside && {j} + V.Count <= outside)\n    {{\n{Indent(vector, 2)}        {j} += V.Count;\n        continue;\n    }}\n");
        text.Append($"    {{\n{Indent(scalar, 2)}    }}\n    {j}++;\n}}\n");
        return text.ToString();
    }

    /// <summary>One element, or vector, of the result.</summary>
    string Element(bool vector)
    {
        var scope = new Scope(2);
        open.Add(scope);
        var text = new StringBuilder();
        var folding = nest.Fold is { } fold ? FoldLoops(fold, vector) : "";
        var after = new Scope(int.MaxValue);
        if (nest.Fold is { } f)
            after.Values[(f.Result, vector)] = f.Arg is null ? "sum" : "found";
        open.Add(after);
        var value = Value(nest.Value, vector);
        var store = Store(value, vector);
        open.RemoveAt(open.Count - 1);
        open.RemoveAt(open.Count - 1);
        return text.Append(scope.Text).Append(folding).Append(after.Text).Append(store).ToString();
    }

    /// <summary>The part of a row when the row is one element: a sum along which elements lie side by side.</summary>
    string Rows() => Element(false);

    string FoldLoops(Fold fold, bool vector)
    {
        var type = fold.Term.Type;
        var start = Start(fold, type);
        var text = new StringBuilder();
        if (fold.Arg is { } last)
        {
            var axis = fold.Axes[0];
            var scope = new Scope(3);
            open.Add(scope);
            var term = Value(fold.Term, false);
            open.RemoveAt(open.Count - 1);
            var compare = fold.Kind == Reduction.Max ? last ? ">=" : ">" : last ? "<=" : "<";
            text.Append($"var best = default({CSharp(type)});\nvar found = 0L;\n");
            text.Append($"for (long {axis.Name} = 0; {axis.Name} < {Code(axis.Extent)}; {axis.Name}++)\n{{\n{Indent(scope.Text.ToString(), 1)}");
            text.Append($"    if ({axis.Name} == 0 || {term} {compare} best)\n        (best, found) = ({term}, {axis.Name});\n}}\n");
            return text.ToString();
        }
        text.Append(vector ? $"var sum = VX.Create({start});\n" : $"var sum = {start};\n");
        if (foldsInner && isVector)
            text.Append($"var sums = VX.Create({start});\n");
        var scopes = folded.Select((a, i) => new Scope(3 + i)).ToArray();
        open.AddRange(scopes);
        var scalarBody = vector ? "" : Combine(fold, "sum", false);
        string vectorBody = "";
        if (foldsInner && isVector)
        {
            var innermost = scopes[^1];
            var (scalarText, replacement) = (innermost.Text.ToString(), new Scope(innermost.Level));
            open[^1] = replacement;
            vectorBody = Combine(fold, "sums", true);
            scalarBody = scalarText + scalarBody;
            vectorBody = replacement.Text + vectorBody;
        }
        else
        {
            if (vector)
                scalarBody = Combine(fold, "sum", true);
            scalarBody = scopes.Length > 0 ? scopes[^1].Text + scalarBody : scalarBody;
        }
        open.RemoveRange(open.Count - scopes.Length, scopes.Length);
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
        _ => $"for (var lane = 0; lane < V.Count; lane++)\n    sum = {(kind == Reduction.Product ? "sum * sums[lane]" : kind == Reduction.Max ? "MathF.Max(sum, sums[lane])" : "MathF.Min(sum, sums[lane])")};\n",
    };

    string Combine(Fold fold, string into, bool vector)
    {
        var type = fold.Term.Type;
        if (fold.Kind == Reduction.Sum && type == ElementType.Float32 && fold.Term is Expr.Apply { Function: var function } product && function == Functions.Multiply)
        {
            var (a, b) = (Value(product.Operands[0], vector), Value(product.Operands[1], vector));
            return vector ? $"{into} = VX.FusedMultiplyAdd({a}, {b}, {into});\n" : $"{into} = MathF.FusedMultiplyAdd({a}, {b}, {into});\n";
        }
        var x = Value(fold.Term, vector);
        if (type == ElementType.Bool)
            return $"{into} {(fold.Kind is Reduction.Max or Reduction.Sum ? "|=" : "&=")} {x};\n";
        return fold.Kind switch
        {
            Reduction.Sum => vector || type is ElementType.Float32 or ElementType.Float64 ? $"{into} += {x};\n" : $"{into} = unchecked(({CSharp(type)})({into} + {x}));\n",
            Reduction.Product => vector || type is ElementType.Float32 or ElementType.Float64 ? $"{into} *= {x};\n" : $"{into} = unchecked(({CSharp(type)})({into} * {x}));\n",
            Reduction.Max => vector ? $"{into} = VX.Max({into}, {x});\n" : $"{into} = Math.Max({into}, {x});\n",
            _ => vector ? $"{into} = VX.Min({into}, {x});\n" : $"{into} = Math.Min({into}, {x});\n",
        };
    }

    static string Start(Fold fold, ElementType type) => (fold.Kind, type) switch
    {
        (Reduction.Sum or Reduction.Max, ElementType.Bool) => "false",
        (_, ElementType.Bool) => "true",
        (Reduction.Sum, _) => $"({CSharp(type)})0",
        (Reduction.Product, _) => $"({CSharp(type)})1",
        (Reduction.Max, _) => type.IsFloat() ? $"{CSharp(type)}.NegativeInfinity" : $"{CSharp(type)}.MinValue",
        _ => type.IsFloat() ? $"{CSharp(type)}.PositiveInfinity" : $"{CSharp(type)}.MaxValue",
    };

    string Store(string value, bool vector)
    {
        var target = $"f->{nest.Target.Name}";
        var at = Code(nest.At);
        if (vector)
            return nest.Target.Type == ElementType.Bool ? $"Maths.StoreMask({value}, {target} + {at});\n" : $"VX.Store({value}, {target} + {at});\n";
        return $"{target}[{at}] = {Stored(value, nest.Target.Type)};\n";
    }

    static string Stored(string value, ElementType type) => type switch
    {
        ElementType.Bool => $"(byte)({value} ? 1 : 0)",
        ElementType.Float16 => $"(Half){value}",
        ElementType.BFloat16 => $"Scalars.ToBFloat16({value})",
        _ => value,
    };

    int Level(Axis axis)
    {
        var at = Array.IndexOf(folded, axis);
        return at >= 0 ? 3 + at : axis == inner ? 2 : axis.Extent.Value == 1 ? 0 : 1;
    }

    bool IsAfterFold(Expr e)
    {
        if (nest.Fold is not { } fold)
            return false;
        if (!afterFold.TryGetValue(e, out var after))
            afterFold[e] = after = e == fold.Result || e.Operands.Any(IsAfterFold);
        return after;
    }

    /// <summary>The C# of a value that is there, after adding what computes it.</summary>
    string Value(Expr e, bool vector)
    {
        for (var i = open.Count - 1; i >= 0; i--)
        {
            if (open[i].Values.TryGetValue((e, vector), out var there))
                return there;
        }
        if (e is Expr.Number number)
            return vector ? Broadcast(e, Literal(number)) : Literal(number);
        if (vector && !(e is Expr.Accumulated) && !e.Axes.Contains(inner!) && !IsAfterFold(e))
            return Broadcast(e, Value(e, false));
        if (e is Expr.Guard guard)
            return Guarded(guard, vector);
        var code = vector ? VectorCode(e) : ScalarCode(e);
        var scope = Home(e);
        var name = $"t{names++}";
        scope.Text.Append($"var {name} = {code};\n");
        return scope.Values[(e, vector)] = name;
    }

    string Broadcast(Expr e, string scalar)
    {
        var scope = Home(e);
        var name = $"t{names++}";
        scope.Text.Append(e.Type == ElementType.Bool ? $"var {name} = Maths.Mask({scalar});\n" : $"var {name} = VX.Create({scalar});\n");
        return scope.Values[(e, true)] = name;
    }

    Scope Home(Expr e)
    {
        // What is computed only under a condition, or after a reduction, stays there.
        if (guards > 0 || IsAfterFold(e))
            return open[^1];
        var level = e.Axes.Count == 0 ? 1 : Math.Max(1, e.Axes.Max(Level));
        return open.Last(s => s.Level <= level);
    }

    int guards;

    string Guarded(Expr.Guard guard, bool vector)
    {
        if (vector && guard.Index.Axes.Contains(inner!))
        {
            var rest = guard.Index + (Index)inner! * -1;
            low.Add($"-({Code(rest)})");
            high.Add($"{Code(guard.Size)} - ({Code(rest)})");
            return Value(guard.Inside, true);
        }
        var scope = Home(guard);
        var name = $"t{names++}";
        var condition = $"(ulong)({Code(guard.Index)}) < (ulong){Code(guard.Size)}";
        scope.Text.Append($"{(vector ? "V" : CSharp(guard.Type))} {name};\nif ({condition})\n{{\n{Branch(guard.Inside)}}}\nelse\n{{\n{Branch(guard.Outside)}}}\n");
        return scope.Values[(guard, vector)] = name;

        string Branch(Expr e)
        {
            var branch = new Scope(int.MaxValue);
            open.Add(branch);
            guards++;
            var value = Value(e, vector);
            guards--;
            open.RemoveAt(open.Count - 1);
            return Indent($"{branch.Text}{name} = {value};\n", 1);
        }
    }

    string ScalarCode(Expr e)
    {
        switch (e)
        {
            case Expr.Load load:
                var element = $"{Pointer(load)}";
                return load.Buffer.Type switch
                {
                    ElementType.Bool => $"{element} != 0",
                    ElementType.Float16 => $"(float){element}",
                    ElementType.BFloat16 => $"Scalars.FromBFloat16({element})",
                    _ => element,
                };
            case Expr.Position position:
                return Code(position.Index);
            case Expr.Checked check:
                return $"Check.Index({Value(check.Value, false)}, {Code(check.Size)}, {Literal(check.Source)})";
            case Expr.Folded fold:
                return $"Scalars.{fold.Mode}({Code(fold.Index)}, {Code(fold.Size)})";
            case Expr.Convert convert:
                return Conversion(Value(convert.Value, false), convert.Value.Type, convert.Type);
            case Expr.Apply apply:
                return Applied(apply);
            default:
                throw new InvalidOperationException(e.GetType().Name);
        }
    }

    string Applied(Expr.Apply apply)
    {
        var function = apply.Function;
        var operands = apply.Operands.Select(o => (object)Value(o, false)).ToArray();
        var type = apply.Operands[^1].Type;
        var isReal = type.IsFloat();
        var template = isReal || function.WholeScalar is null ? function.Scalar : function.WholeScalar;
        var code = string.Format(CultureInfo.InvariantCulture, template, operands);
        if (type == ElementType.Float64)
            code = code.Replace("MathF.", "Math.", StringComparison.Ordinal).Replace("float.", "double.", StringComparison.Ordinal);
        return apply.Type.IsInteger() && function.Result is FunctionResult.Operand or FunctionResult.Bits && apply.Type != ElementType.Bool && !isReal
            ? $"unchecked(({CSharp(apply.Type)})({code}))"
            : $"({code})";
    }

    static string Conversion(string value, ElementType from, ElementType to)
    {
        if (from == ElementType.Bool)
            return $"({CSharp(to)})({value} ? 1 : 0)";
        if (to == ElementType.Bool)
            return $"({value} != 0)";
        if (to == ElementType.Float16)
            return $"(float)(Half)({value})";
        if (to == ElementType.BFloat16)
            return $"Scalars.RoundBFloat16((float)({value}))";
        return $"unchecked(({CSharp(to)})({value}))";
    }

    string VectorCode(Expr e)
    {
        switch (e)
        {
            case Expr.Load load:
                var stride = load.Index.Stride(inner!);
                var isDynamic = load.Index.Dynamic.Any(d => d.Value.Axes.Contains(inner!));
                if (stride.Value == 1 && !isDynamic)
                    return load.Buffer.Type == ElementType.Bool ? $"Maths.LoadMask(&{Pointer(load)})" : $"VX.Load(&{Pointer(load)})";
                return load.Buffer.Type == ElementType.Bool ? $"Maths.GatherMask(&{Pointer(load)}, {Code(stride)})" : $"Maths.Gather(&{Pointer(load)}, {Code(stride)})";
            case Expr.Convert { Type: ElementType.Float32, Value: { Type: ElementType.Bool } mask }:
                return $"({Value(mask, true)} & VX.Create(1f))";
            case Expr.Convert { Type: ElementType.Bool, Value: var number }:
                return $"~VX.Equals({Value(number, true)}, V.Zero)";
            case Expr.Convert convert:
                return Value(convert.Value, true);
            case Expr.Apply { Function: var function } select when function == Functions.Equal && select.Operands[0].Type == ElementType.Bool:
                return $"~({Value(select.Operands[0], true)} ^ {Value(select.Operands[1], true)})";
            case Expr.Apply apply:
                return $"({string.Format(CultureInfo.InvariantCulture, apply.Function.Vector, [.. apply.Operands.Select(o => (object)Value(o, true))])})";
            default:
                throw new InvalidOperationException(e.GetType().Name);
        }
    }

    /// <summary>The element of a load: a pointer for the row, moved along by the loops within.</summary>
    string Pointer(Expr.Load load)
    {
        var index = load.Index;
        var buffer = $"f->{load.Buffer.Name}";
        if (index.Dynamic.Count > 0)
            return $"{buffer}[{Code(index)}]";
        Index outer = index.Offset, within = Index.Zero;
        foreach (var (axis, stride) in index.Terms)
        {
            var term = (Index)axis * stride;
            if (Level(axis) <= 1)
                outer += term;
            else
                within += term;
        }
        var start = $"{buffer} + {Code(outer)}";
        if (!pointerNames.TryGetValue(start, out var name))
        {
            pointerNames[start] = name = $"p{pointerNames.Count}";
            open[0].Text.Append($"var {name} = {start};\n");
        }
        return $"{name}[{Code(within)}]";
    }

    string Code(Index index)
    {
        var parts = new List<string>();
        foreach (var (axis, stride) in index.Terms)
            parts.Add(stride.Value == 1 ? axis.Name : $"{axis.Name} * {Code(stride)}");
        foreach (var (value, stride) in index.Dynamic)
            parts.Add(stride.Value == 1 ? Value(value, false) : $"{Value(value, false)} * {Code(stride)}");
        if (index.Offset.Value != 0 || parts.Count == 0)
            parts.Add(Code(index.Offset));
        return string.Join(" + ", parts);
    }

    string Code(Dim size)
    {
        if (size.Value is { } number)
            return number < 0 ? $"({number.ToString(CultureInfo.InvariantCulture)}L)" : $"{number.ToString(CultureInfo.InvariantCulture)}L";
        var code = size.ToCSharp(s => $"f->{ProgramCode.SizeName(s)}");
        if (!sizeNames.TryGetValue(code, out var name))
        {
            sizeNames[code] = name = $"s{sizeNames.Count}";
            sizes.Append($"var {name} = {code};\n");
        }
        return name;
    }

    static long Cost(Expr root)
    {
        var seen = new HashSet<Expr>();
        long Visit(Expr e) => !seen.Add(e) ? 0 : (e is Expr.Apply apply ? apply.Function.Cost : 1) + e.Operands.Sum(Visit);
        return Visit(root);
    }

    static string Literal(Expr.Number number) => number.Type switch
    {
        ElementType.Bool => number.Whole != 0 ? "true" : "false",
        ElementType.Float64 => double.IsFinite(number.Value) ? $"{number.Value.ToString("R", CultureInfo.InvariantCulture)}d" : Special("double", number.Value),
        var t when t.IsFloat() => float.IsFinite((float)number.Value) ? $"{((float)number.Value).ToString("R", CultureInfo.InvariantCulture)}f" : Special("float", number.Value),
        ElementType.UInt64 => $"{unchecked((ulong)number.Whole).ToString(CultureInfo.InvariantCulture)}UL",
        ElementType.Int64 => number.Whole == long.MinValue ? "long.MinValue" : $"({number.Whole.ToString(CultureInfo.InvariantCulture)}L)",
        var t => $"(({CSharp(t)})({number.Whole.ToString(CultureInfo.InvariantCulture)}))",
    };

    static string Special(string type, double value) =>
        double.IsNaN(value) ? $"{type}.NaN" : value > 0 ? $"{type}.PositiveInfinity" : $"{type}.NegativeInfinity";

    /// <summary>A string literal.</summary>
    public static string Literal(string text) => $"\"{string.Concat(text.Select(c => c is '"' or '\\' ? $"\\{c}" : c < ' ' || c > '~' ? $"\\u{(int)c:x4}" : $"{c}"))}\"";

    /// <summary>The C# type in which an element type is computed.</summary>
    public static string CSharp(ElementType type) => type switch
    {
        ElementType.Float32 or ElementType.Float16 or ElementType.BFloat16 => "float",
        ElementType.Bool => "bool",
        _ => InMemory(type),
    };

    /// <summary>The C# type in which an element type lies in memory.</summary>
    public static string InMemory(ElementType type) => type switch
    {
        ElementType.Float32 => "float",
        ElementType.Float64 => "double",
        ElementType.Float16 => "Half",
        ElementType.BFloat16 => "ushort",
        ElementType.Bool or ElementType.UInt8 => "byte",
        ElementType.Int8 => "sbyte",
        ElementType.Int16 => "short",
        ElementType.UInt16 => "ushort",
        ElementType.Int32 => "int",
        ElementType.UInt32 => "uint",
        ElementType.Int64 => "long",
        ElementType.UInt64 => "ulong",
        _ => throw new SoftmodelException($"{type} cannot be compiled"),
    };

    static string Indent(string text, int depth)
    {
        if (text.Length == 0)
            return text;
        var space = new string(' ', depth * 4);
        return string.Concat(text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => $"{space}{line}\n"));
    }
}
