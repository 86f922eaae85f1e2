using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;

namespace Softmodel.Language.Chat;

/// <summary>What a name has that has no value: it is written as nothing, and has nothing.</summary>
/// <param name="What">What has no value, for messages.</param>
sealed record Undefined(string What);

/// <summary>Something that can be called.</summary>
/// <param name="positional">What is given without names.</param>
/// <param name="named">What is given with names.</param>
delegate object? Function(IReadOnlyList<object?> positional, IReadOnlyDictionary<string, object?> named);

/// <summary>A list.</summary>
sealed class Items : List<object?>
{
    /// <summary>Makes a list of what is given.</summary>
    public Items(IEnumerable<object?> items) : base(items) { }
}

/// <summary>A dictionary, or a namespace, whose entries can be set. Its keys are texts, integers and truth values.</summary>
sealed class Entries : OrderedDictionary<object, object?>
{
    /// <summary>Makes an empty one.</summary>
    public Entries(bool isNamespace = false) => IsNamespace = isNamespace;

    /// <summary>Makes one of what is given.</summary>
    public Entries(IEnumerable<(string Key, object? Value)> entries)
    {
        foreach (var (key, value) in entries)
            this[key] = value;
    }

    /// <summary>Whether its entries can be set.</summary>
    public bool IsNamespace { get; }
}

/// <summary>How JSON is laid out.</summary>
/// <param name="Indent">How far lines within brackets are moved; null for one line.</param>
/// <param name="Comma">What stands between entries.</param>
/// <param name="Colon">What stands after a key.</param>
/// <param name="SortsKeys">Whether keys are sorted.</param>
readonly record struct JsonForm(int? Indent, string Comma, string Colon, bool SortsKeys);

/// <summary>
/// What values of a template are to each other and in text, as in Python: null is None; bool, long, double, string, <see cref="Items"/>,
/// <see cref="Entries"/>, <see cref="Function"/> and <see cref="Undefined"/> are the others.
/// </summary>
static class Values
{
    /// <summary>What a value is called in messages.</summary>
    public static string Kind(object? value) => value switch
    {
        null => "none",
        bool => "a truth value",
        long => "an integer",
        double => "a number",
        string => "a text",
        Items => "a list",
        Entries => "a dictionary",
        Undefined u => $"undefined ({u.What})",
        _ => "a function",
    };

    /// <summary>Whether a value counts as true.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool truth => truth,
        long whole => whole != 0,
        double real => real != 0,
        string text => text.Length > 0,
        Items items => items.Count > 0,
        Entries entries => entries.Count > 0 || entries.IsNamespace,
        _ => true,
    };

    /// <summary>Whether values are equal; integers, others and truth values are by their amounts.</summary>
    public static bool AreEqual(object? a, object? b, Budget budget)
    {
        budget.Step();
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return (a, b) switch
        {
            (Undefined, Undefined) => true,
            (Items x, Items y) => x.Count == y.Count && x.Zip(y).All(p => AreEqual(p.First, p.Second, budget)),
            (Entries x, Entries y) => x.Count == y.Count && x.All(e => y.TryGetValue(e.Key, out var value) && AreEqual(e.Value, value, budget)),
            _ when Float(a) is { } x && Float(b) is { } y => a is double || b is double ? x == y : Integer(a) == Integer(b),
            _ => Equals(a, b),
        };
    }

    /// <summary>Which of two values comes first; null where they can't be compared.</summary>
    public static int? Compare(object? a, object? b, Budget budget)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        budget.Step();
        if (a is string s && b is string t)
            return string.CompareOrdinal(s, t);
        if (a is Items x && b is Items y)
        {
            foreach (var (first, second) in x.Zip(y))
            {
                if (!AreEqual(first, second, budget))
                    return Compare(first, second, budget);
            }
            return x.Count.CompareTo(y.Count);
        }
        return Float(a) is not { } left || Float(b) is not { } right ? null
            : a is double || b is double ? left.CompareTo(right) : Integer(a)!.Value.CompareTo(Integer(b)!.Value);
    }

    /// <summary>The integer that a value is; null where it is none.</summary>
    public static long? Integer(object? value) => value switch { long whole => whole, bool truth => truth ? 1 : 0, _ => null };

    /// <summary>The number that a value is; null where it is none.</summary>
    public static double? Float(object? value) => value is double real ? real : Integer(value);

    /// <summary>A value as text.</summary>
    public static string Text(object? value, Budget budget) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Written(value, new(), budget).ToString(),
    };

    static StringBuilder Written(object? value, StringBuilder to, Budget budget)
    {
        budget.Make(value is string held ? held.Length * 2 + 2 : 8);
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (value)
        {
            case null: return to.Append("None");
            case bool truth: return to.Append(truth ? "True" : "False");
            case long whole: return to.Append(CultureInfo.InvariantCulture, $"{whole}");
            case double real: return to.Append(Number(real));
            case string text: return Quoted(text, to);
            case Items items:
                to.Append('[');
                for (var i = 0; i < items.Count; i++)
                    Written(items[i], i > 0 ? to.Append(", ") : to, budget);
                return to.Append(']');
            case Entries entries:
                to.Append('{');
                var isFirst = true;
                foreach (var (key, item) in entries)
                {
                    Written(item, Written(key, isFirst ? to : to.Append(", "), budget).Append(": "), budget);
                    isFirst = false;
                }
                return to.Append('}');
            case Undefined: return to.Append("Undefined");
            default: return to.Append("<function>");
        }
    }

    // Python's choice of quotes.
    static StringBuilder Quoted(string text, StringBuilder to)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        to.Append(quote);
        foreach (var c in text)
        {
            _ = c switch
            {
                '\n' => to.Append("\\n"),
                '\r' => to.Append("\\r"),
                '\t' => to.Append("\\t"),
                '\\' => to.Append("\\\\"),
                _ when c == quote => to.Append('\\').Append(c),
                _ when char.IsControl(c) => to.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => to.Append(c),
            };
        }
        return to.Append(quote);
    }

    /// <summary>A number as Python writes it.</summary>
    public static string Number(double real)
    {
        if (!double.IsFinite(real))
            return double.IsNaN(real) ? "nan" : real > 0 ? "inf" : "-inf";
        var size = Math.Abs(real);
        if (size is not 0 and (>= 1e16 or < 1e-4))
            return real.ToString("0.################e+00", CultureInfo.InvariantCulture);
        var text = real.ToString("R", CultureInfo.InvariantCulture);
        if (text.Contains('E'))
            text = real.ToString("0.####################", CultureInfo.InvariantCulture);
        return text.Contains('.') ? text : text + ".0";
    }

    /// <summary>A value as JSON: not only in ASCII, as transformers writes it.</summary>
    /// <param name="value">The value.</param>
    /// <param name="form">How it is laid out.</param>
    /// <param name="budget">What it may use.</param>
    public static string Json(object? value, JsonForm form, Budget budget)
    {
        var json = new StringBuilder();
        Json(value, form, budget, 0, json);
        return json.ToString();
    }

    static void Json(object? value, JsonForm form, Budget budget, int depth, StringBuilder json)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        budget.Make(value is string held ? held.Length * 2 + 2 : 8 + depth * (form.Indent ?? 0));
        switch (value)
        {
            case null: json.Append("null"); break;
            case bool truth: json.Append(truth ? "true" : "false"); break;
            case long whole: json.Append(CultureInfo.InvariantCulture, $"{whole}"); break;
            case double real: json.Append(double.IsNaN(real) ? "NaN" : double.IsInfinity(real) ? real > 0 ? "Infinity" : "-Infinity" : Number(real)); break;
            case string text: JsonText(text, json); break;
            case Items { Count: 0 }: json.Append("[]"); break;
            case Entries { Count: 0 }: json.Append("{}"); break;
            case Items items: Inside('[', items, item => Json(item, form, budget, depth + 1, json), ']'); break;
            case Entries entries:
                var all = form.SortsKeys ? entries.OrderBy(e => Text(e.Key, budget), StringComparer.Ordinal) : (IEnumerable<KeyValuePair<object, object?>>)entries;
                Inside('{', all, entry =>
                {
                    JsonText(entry.Key is bool truth ? truth ? "true" : "false" : Text(entry.Key, budget), json);
                    json.Append(form.Colon);
                    Json(entry.Value, form, budget, depth + 1, json);
                }, '}');
                break;
            default: throw new TemplateException(0, $"{Kind(value)} can't be written as JSON");
        }

        void Inside<T>(char open, IEnumerable<T> items, Action<T> write, char close)
        {
            json.Append(open);
            var isFirst = true;
            foreach (var item in items)
            {
                if (!isFirst)
                    json.Append(form.Comma);
                isFirst = false;
                Break(depth + 1);
                write(item);
            }
            Break(depth);
            json.Append(close);
        }

        void Break(int at)
        {
            if (form.Indent is { } by)
                json.Append('\n').Append(' ', by * at);
        }
    }

    static void JsonText(string text, StringBuilder json)
    {
        json.Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => json.Append(c),
            };
        }
        json.Append('"');
    }

    /// <summary>The power of integers; null where it is no integer of 64 bits.</summary>
    public static long? Power(long value, long exponent)
    {
        if (exponent < 0 || (exponent > 63 && value is not (0 or 1 or -1)))
            return null;
        var power = BigInteger.Pow(value, (int)(exponent > 63 ? exponent % 2 + 2 : exponent));
        return power >= long.MinValue && power <= long.MaxValue ? (long)power : null;
    }
}
