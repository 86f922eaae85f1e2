using System.Globalization;
using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes the statements that compute expressions, each into the outermost of the open loops on which it depends.
/// </summary>
/// <param name="levels">How deep each loop lies; 1 is the outermost.</param>
/// <param name="inner">The loop that runs over vectors, if any.</param>
/// <param name="pointerLevel">The loops up to this level move pointers; those within move indices.</param>
/// <param name="parameters">The buffers that the kernel is given, where others write parts of it; more are added.</param>
/// <param name="prefix">What the names of variables begin with, where a part lies within another's blocks.</param>
sealed class KernelWriter(IReadOnlyDictionary<Axis, int> levels, Axis? inner, int pointerLevel, List<Lowering.Buffer>? parameters = null, string prefix = "")
{
    /// <summary>The statements of one loop, before those of the loops within it.</summary>
    public sealed class Scope(int level)
    {
        public int Level { get; } = level;
        public StringBuilder Text { get; } = new();
        public Dictionary<(Expr, bool), string> Values { get; } = [];
        public Dictionary<string, string> Pointers { get; } = new(StringComparer.Ordinal);
    }

    readonly Dictionary<string, string> sizeNames = new(StringComparer.Ordinal);
    readonly Dictionary<Expr, bool> afterFold = [];
    int names, pointers, guards;

    /// <summary>Keeps all that is computed within the innermost open loop, until it is disposed of.</summary>
    public IDisposable StayHere() => new Stay(this);

    sealed class Stay : IDisposable
    {
        readonly KernelWriter writer;
        public Stay(KernelWriter writer) => (this.writer = writer).guards++;
        public void Dispose() => writer.guards--;
    }

    /// <summary>The loops that are being written, the outermost first.</summary>
    public List<Scope> Open { get; } = [];

    /// <summary>The buffers that the kernel is given, the result last.</summary>
    public List<Lowering.Buffer> Parameters { get; } = parameters ?? [];

    /// <summary>The pointer to a buffer.</summary>
    public string Pointer(Lowering.Buffer buffer)
    {
        var at = Parameters.IndexOf(buffer);
        if (at < 0)
        {
            at = Parameters.Count;
            Parameters.Add(buffer);
        }
        return $"x{at}";
    }

    /// <summary>The statements that take the parameters from the frame.</summary>
    public string Taken() => Taken(Parameters);

    /// <inheritdoc cref="Taken()"/>
    /// <param name="parameters">All that the parts of the kernel read and write.</param>
    /// <param name="given">Those of them that it is given.</param>
    public static string Taken(IReadOnlyList<Lowering.Buffer> parameters, IReadOnlyList<Lowering.Buffer>? given = null)
    {
        var at = (given ?? parameters).Select((b, i) => (b, i)).ToDictionary(p => p.b, p => p.i);
        return string.Concat(parameters.Select((b, i) => at.TryGetValue(b, out var x) ? $"var x{i} = ({InMemory(b.Type)}*)f->x{x};\n" : ""));
    }

    /// <summary>The statements before all loops.</summary>
    public StringBuilder Sizes { get; } = new();

    /// <summary>Where the inner loop's vectors begin and end to lie wholly inside of what they read.</summary>
    public HashSet<string> Low { get; } = new(StringComparer.Ordinal);

    /// <inheritdoc cref="Low"/>
    public HashSet<string> High { get; } = new(StringComparer.Ordinal);

    int Level(Axis axis) => levels.GetValueOrDefault(axis);

    bool IsAfterFold(Expr e)
    {
        if (!afterFold.TryGetValue(e, out var after))
            afterFold[e] = after = e is Expr.Accumulated || e.Operands.Any(IsAfterFold);
        return after;
    }

    /// <summary>The C# of a value that is there, after adding what computes it.</summary>
    public string Value(Expr e, bool vector)
    {
        for (var i = Open.Count - 1; i >= 0; i--)
        {
            if (Open[i].Values.TryGetValue((e, vector), out var there))
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
        var name = $"{prefix}t{names++}";
        scope.Text.Append($"var {name} = {code};\n");
        return scope.Values[(e, vector)] = name;
    }

    string Broadcast(Expr e, string scalar)
    {
        var scope = Home(e);
        var name = $"{prefix}t{names++}";
        // Integers of 16 bits are floats until they are stored.
        scope.Text.Append(e.Type == ElementType.Bool ? $"var {name} = Maths.Mask({scalar});\n" : $"var {name} = VX.Create({(e.Type == ElementType.Int16 ? "(float)" : e.Type.IsInteger() ? "(int)" : "")}{scalar});\n");
        return scope.Values[(e, true)] = name;
    }

    Scope Home(Expr e)
    {
        // What is computed only under a condition, or after a reduction, stays there.
        if (guards > 0 || IsAfterFold(e))
            return Open[^1];
        var level = e.Axes.Count == 0 ? 1 : Math.Max(1, e.Axes.Max(Level));
        return Open.Last(s => s.Level <= level);
    }

    string Guarded(Expr.Guard guard, bool vector)
    {
        if (vector && guard.Index.Axes.Contains(inner!))
        {
            var rest = guard.Index + (Index)inner! * -1;
            Low.Add($"-({Code(rest)})");
            High.Add($"{Code(guard.Size)} - ({Code(rest)})");
            return Value(guard.Inside, true);
        }
        var scope = Home(guard);
        var name = $"{prefix}t{names++}";
        var condition = $"(ulong)({Code(guard.Index)}) < (ulong){Code(guard.Size)}";
        scope.Text.Append($"{(vector ? "V" : CSharp(guard.Type))} {name};\nif ({condition})\n{{\n{Branch(guard.Inside)}}}\nelse\n{{\n{Branch(guard.Outside)}}}\n");
        return scope.Values[(guard, vector)] = name;

        string Branch(Expr e)
        {
            var branch = new Scope(int.MaxValue);
            Open.Add(branch);
            guards++;
            var value = Value(e, vector);
            guards--;
            Open.RemoveAt(Open.Count - 1);
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
                return $"Check.Index({Value(check.Value, false)}, {Code(check.Size)})";
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
        var written = FunctionCode.Of(function);
        var template = isReal ? written.Scalar : written.Whole ?? written.Scalar;
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
            case Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic: [(Expr.Apply { Type: ElementType.UInt32, Operands: [var bits, _] }, _)] } table:
                // Of what chooses no more than four bits are heeded in any case.
                var numbers = table.Buffer.Constant!.Values<float>();
                return $"Maths.Choose({Pointer(table.Buffer)}, {Value(bits, true)}, {(numbers[..(Panel.Chosen / 2)].SequenceEqual(numbers[(Panel.Chosen / 2)..]) ? "true" : "false")})";
            case Expr.Load { Index.Dynamic: [({ Type: ElementType.UInt8 } chosen, var size)] } table:
                return $"Maths.LookUp({Pointer(table.Buffer)} + {Code(table.Index.Static)}, {Value(chosen, true)}, {Code(size)})";
            case Expr.Load load:
                var stride = load.Index.Stride(inner!);
                var isDynamic = load.Index.Dynamic.Any(d => d.Value.Axes.Contains(inner!));
                if (stride.Value == 1 && !isDynamic && load.Buffer.Type is not (ElementType.Bool or ElementType.Float32))
                    return $"Maths.Load{load.Buffer.Type}(&{Pointer(load)})";
                if (stride.Value == 1 && !isDynamic)
                    return load.Buffer.Type == ElementType.Bool ? $"Maths.LoadMask(&{Pointer(load)})" : $"VX.Load(&{Pointer(load)})";
                return load.Buffer.Type == ElementType.Bool ? $"Maths.GatherMask(&{Pointer(load)}, {Code(stride)})" : $"Maths.Gather(&{Pointer(load)}, {Code(stride)})";
            case Expr.Convert { Type: ElementType.Float32, Value: { Type: ElementType.Bool } mask }:
                return $"({Value(mask, true)} & VX.Create(1f))";
            case Expr.Convert { Type: ElementType.Float32, Value: { Type: ElementType.UInt8 or ElementType.Int8 or ElementType.Int32 } whole }:
                return $"VX.ConvertToSingle({Value(whole, true)})";
            case Expr.Convert { Type: ElementType.Int32, Value: { Type: ElementType.Float32 } real }:
                return $"VX.ConvertToInt32({Value(real, true)})";
            case Expr.Apply { Type: ElementType.UInt8 or ElementType.UInt32 or ElementType.Int32 } whole:
                // A shift takes one number of bits for all.
                var isShift = whole.Function == Functions.ShiftLeft || whole.Function == Functions.ShiftRight;
                return string.Format(CultureInfo.InvariantCulture, FunctionCode.WholeVector(whole.Function, whole.Type)!, [.. whole.Operands.Select((o, i) => (object)(isShift && i == 1 ? $"(int){Value(o, false)}" : Value(o, true)))]);
            case Expr.Convert { Type: ElementType.Bool, Value: var number }:
                return $"~VX.Equals({Value(number, true)}, V.Zero)";
            case Expr.Convert convert:
                return Value(convert.Value, true);
            case Expr.Apply { Function: var function } select when function == Functions.Equal && select.Operands[0].Type == ElementType.Bool:
                return $"~({Value(select.Operands[0], true)} ^ {Value(select.Operands[1], true)})";
            case Expr.Apply apply:
                return $"({string.Format(CultureInfo.InvariantCulture, FunctionCode.Of(apply.Function).Vector!, [.. apply.Operands.Select(o => (object)Value(o, true))])})";
            default:
                throw new InvalidOperationException(e.GetType().Name);
        }
    }

    /// <summary>The element of a load: a pointer for the row, moved along by the loops within.</summary>
    public string Pointer(Expr.Load load)
    {
        var index = load.Index;
        var buffer = Pointer(load.Buffer);
        if (index.Dynamic.Count > 0)
            return $"{buffer}[{Code(index)}]";
        Index outer = index.Offset, within = Index.Zero;
        foreach (var (axis, stride) in index.Terms)
        {
            var term = (Index)axis * stride;
            if (Level(axis) <= pointerLevel)
                outer += term;
            else
                within += term;
        }
        // What is a number can be part of an address.
        if (within.Terms.Count > 0 && outer.Offset.Value is { } fixedPart)
        {
            outer += (Dim)(-fixedPart);
            within += (Dim)fixedPart;
        }
        var level = outer.Axes.Select(Level).DefaultIfEmpty(1).Max();
        var home = Open.Last(s => s.Level <= Math.Max(1, level));
        var start = $"{buffer} + {Code(outer)}";
        var name = Open.Select(s => s.Pointers.GetValueOrDefault(start)).FirstOrDefault(n => n is not null);
        if (name is null)
        {
            home.Pointers[start] = name = $"{prefix}p{pointers++}";
            home.Text.Append($"var {name} = {start};\n");
        }
        return $"{name}[{Code(within)}]";
    }

    public string Code(Index index)
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

    public string Code(Dim size)
    {
        if (size.Value is { } number)
            return number < 0 ? $"({number.ToString(CultureInfo.InvariantCulture)}L)" : $"{number.ToString(CultureInfo.InvariantCulture)}L";
        var code = size.ToCSharp(s => $"f->{SizeCode.Name(s)}");
        if (!sizeNames.TryGetValue(code, out var name))
        {
            sizeNames[code] = name = $"{prefix}s{sizeNames.Count}";
            Sizes.Append($"var {name} = {code};\n");
        }
        return name;
    }

    static string Literal(Expr.Number number) => number.Type switch
    {
        ElementType.Bool => number.Whole != 0 ? "true" : "false",
        ElementType.Float64 => double.IsFinite(number.Value) ? $"{number.Value.ToString("R", CultureInfo.InvariantCulture)}d" : Special("double", number.Value),
        var t when t.IsFloat() => Literal(number.Value),
        ElementType.UInt64 => $"{unchecked((ulong)number.Whole).ToString(CultureInfo.InvariantCulture)}UL",
        ElementType.Int64 => number.Whole == long.MinValue ? "long.MinValue" : $"({number.Whole.ToString(CultureInfo.InvariantCulture)}L)",
        var t => $"(({CSharp(t)})({number.Whole.ToString(CultureInfo.InvariantCulture)}))",
    };

    /// <summary>A float literal.</summary>
    public static string Literal(double value) => float.IsFinite((float)value) ? $"{((float)value).ToString("R", CultureInfo.InvariantCulture)}f" : Special("float", value);

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

    /// <summary>Text further to the right.</summary>
    public static string Indent(string text, int depth)
    {
        if (text.Length == 0)
            return text;
        var space = new string(' ', depth * 4);
        return string.Concat(text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => $"{space}{line}\n"));
    }
}
