using Softmodel.Graphs;
using Softmodel.Runtime;
using static Softmodel.Graphs.Names;

namespace Softmodel.Lowering;

/// <summary>
/// What a nest computes as text: <c>b_x[i0*T + i1 + 3]</c> is an element of a buffer at a position, which is a sum of loops times
/// strides, of <c>(expressions)</c> times strides, and of a number, or of a <c>{size}</c> that only a run tells. Functions are called
/// by their names, <c>Q4_1:</c> before one says that it gives a decoded element of a weight in that format, types convert, and <c>at(position)</c> is a position as a number, <c>check(value, size)</c> one that must be below
/// a size, <c>reflect(position, size)</c> one that is folded back, and <c>within(position, size, inside, outside)</c> one of two
/// expressions. What is computed once and used again has a name, since two that are written the same way are not the same.
/// </summary>
static class ExprText
{
    // What a reduction has come to goes by the reduction's name.
    const string Position = "at", Checked = "check", Within = "within";

    /// <summary>Writes the expressions of one nest.</summary>
    public sealed class Writer
    {
        readonly string result;
        readonly Dictionary<Expr, int> uses = [];
        readonly Dictionary<Expr, string> named = [];

        /// <param name="result">The name of what the reduction has come to.</param>
        /// <param name="roots">All that the nest computes.</param>
        public Writer(string result, IEnumerable<Expr> roots)
        {
            this.result = result;
            foreach (var root in roots)
                Count(root);
        }

        readonly List<string> lines = [];

        /// <summary>The lines that name what was used more than once in what was written since they were asked for last.</summary>
        public string[] Named()
        {
            string[] made = [.. lines];
            lines.Clear();
            return made;
        }

        void Count(Expr e)
        {
            if (uses.TryGetValue(e, out var count))
            {
                uses[e] = count + 1;
                return;
            }
            uses[e] = 1;
            foreach (var operand in e.Operands)
                Count(operand);
        }

        /// <summary>An expression.</summary>
        public string Write(Expr e)
        {
            if (e is Expr.Accumulated)
                return result;
            if (named.TryGetValue(e, out var name))
                return name;
            var text = e switch
            {
                Expr.Number number => $"{number.Type}{{{Number(number)}}}",
                Expr.Load load => $"{load.Buffer.Name}[{Write(load.Index)}]",
                Expr.Position position => $"{Position}({Write(position.Index)})",
                Expr.Checked check => $"{Checked}({Write(check.Value)}, {check.Size})",
                Expr.Folded folded => $"{folded.Mode.ToString().ToLowerInvariant()}({Write(folded.Index)}, {folded.Size})",
                Expr.Convert convert => $"{convert.Type}({Write(convert.Value)})",
                Expr.Apply apply => $"{(apply.Format is { } format ? $"{format}:" : "")}{apply.Function.Name}({string.Join(", ", apply.Operands.Select(Write))})",
                Expr.Guard guard => $"{Within}({Write(guard.Index)}, {guard.Size}, {Write(guard.Inside)}, {Write(guard.Outside)})",
                _ => throw new InvalidOperationException(e.GetType().Name),
            };
            if (uses[e] == 1)
                return text;
            name = $"t{named.Count}";
            lines.Add($"{name} = {text}");
            return named[e] = name;
        }

        static string Number(Expr.Number number) => GraphText.Number(number.Type.IsFloat() ? Tensor.Scalar(number.Type, number.Value) : Tensor.Of(number.Type, [], [number.Whole]), 0);

        /// <summary>A position.</summary>
        public string Write(Index index)
        {
            var parts = index.Terms.Select(t => $"{t.Axis.Name}{Times(t.Stride)}").Concat(index.Dynamic.Select(d => $"({Write(d.Value)}){Times(d.Stride)}")).ToList();
            if (parts.Count == 0 || index.Offset.Value != 0)
                parts.Add(index.Offset.IsKnown ? $"{index.Offset}" : $"{{{index.Offset}}}");
            return string.Join(" + ", parts);
        }

        static string Times(Dim stride) => stride.Value == 1 ? "" : $"*{(stride.ToString().AsSpan(1).IndexOfAny("+-") < 0 ? $"{stride}" : $"({stride})")}";
    }

    /// <summary>Reads the expressions of one nest.</summary>
    /// <param name="buffer">The buffer of a name.</param>
    /// <param name="axes">The loops of the nest.</param>
    public sealed class Reader(Func<string, Buffer> buffer, IEnumerable<Axis> axes)
    {
        readonly Dictionary<string, Axis> axes = axes.ToDictionary(a => a.Name, StringComparer.Ordinal);
        readonly Dictionary<string, Expr> named = new(StringComparer.Ordinal);

        /// <summary>Gives an expression a name.</summary>
        public void Name(string name, Expr e)
        {
            if (!named.TryAdd(name, e))
                throw new FormatException($"there is a {name} already");
        }

        /// <summary>An expression.</summary>
        /// <exception cref="FormatException">The text is none.</exception>
        public Expr Read(string text)
        {
            var open = text.AsSpan().IndexOfAny("([{");
            if (open < 0)
                return named.GetValueOrDefault(text) ?? throw new FormatException($"there is no expression '{text}' before this line");
            var (word, bracket) = (text[..open], text[open]);
            if (EndOfValue(text, open, '\n') != text.Length || text[^1] != bracket switch { '(' => ')', '[' => ']', _ => '}' })
                throw new FormatException($"'{text}' is no expression");
            var within = text[(open + 1)..^1];
            if (bracket == '[')
                return new Expr.Load(buffer(word), Place(within));
            if (bracket == '{')
                return Number(Type(word), within);
            var items = Items(within, ',').ToArray();
            string[] Given(int count) => items.Length == count ? items : throw new FormatException($"'{word}' takes {count} and not {items.Length}");
            switch (word)
            {
                case Position:
                    return new Expr.Position(Place(Given(1)[0]));
                case Checked:
                    return new Expr.Checked(Read(Given(2)[0]), Dim.Parse(items[1]));
                case Within:
                    return new Expr.Guard(Place(Given(4)[0]), Dim.Parse(items[1]), Read(items[2]), Read(items[3]));
            }
            if (Enum.TryParse<Padding>(word, ignoreCase: true, out var mode))
                return new Expr.Folded(mode, Place(Given(2)[0]), Dim.Parse(items[1]));
            if (Enum.TryParse<ElementType>(word, out var type))
                return new Expr.Convert(type, Read(Given(1)[0]));
            var (format, name) = word.Split(':') is [var known, var of] ? (BlockFormat.Named(known) ?? throw new FormatException($"there is no format '{known}'"), of) : (null, word);
            var function = Functions.Named(name);
            return new Expr.Apply(function, [.. Given(function.Arity).Select(Read)]) { Format = format };
        }

        static ElementType Type(string word) => Enum.TryParse<ElementType>(word, out var type) ? type : throw new FormatException($"there is no type '{word}'");

        static Expr.Number Number(ElementType type, string text)
        {
            var number = GraphText.Inline(new(type, Shape.Scalar), $"{{{text}}}");
            return new(type, number.Float(0), number.Integer(0));
        }

        /// <summary>A position.</summary>
        /// <exception cref="FormatException">The text is none.</exception>
        public Index Place(string text)
        {
            var index = Index.Zero;
            var rest = text.Trim();
            while (Halves(rest, " + ") is var (first, more))
            {
                index += Term(first);
                rest = more;
            }
            return index + Term(rest);
        }

        Index Term(string text)
        {
            if (text is ['{', _, .., '}'])
                return Dim.Parse(text[1..^1]);
            if (text is ['-', ..] || (text is [var first, ..] && char.IsAsciiDigit(first)))
                return Dim.Parse(text);
            var (left, stride) = Halves(text, "*") is var (of, by) ? (of, Stride(by)) : (text, Dim.One);
            return (left is ['(', .. var within, ')'] ? Index.Of(Read(within))
                : axes.GetValueOrDefault(left) ?? throw new FormatException($"there is no loop {left} here; there are {string.Join(", ", axes.Keys)}")) * stride;
        }

        static Dim Stride(string text) => Dim.Parse(text is ['(', .. var sum, ')'] ? sum : text);
    }
}
