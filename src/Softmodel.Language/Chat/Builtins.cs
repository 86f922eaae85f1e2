using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Text;

namespace Softmodel.Language.Chat;

/// <summary>What templates can do with values: operators, filters, tests, and the methods that texts and dictionaries have in Python.</summary>
static class Builtins
{
    const int MostRange = 100_000, ItemSize = 16, MostWidth = 10_000;

    static TemplateException Wrong(string what) => new(0, what);

    /// <summary>The names that every template knows.</summary>
    /// <param name="now">The time.</param>
    /// <param name="budget">What it may use.</param>
    public static Scope Globals(DateTime now, Budget budget)
    {
        var scope = new Scope(null);
        scope.Set("range", new Function((p, _) => Range(p, budget)));
        scope.Set("namespace", new Function((p, named) => Made(p, named, isNamespace: true)));
        scope.Set("dict", new Function((p, named) => Made(p, named, isNamespace: false)));
        scope.Set("raise_exception", new Function((p, _) => throw Wrong($"it refuses the conversation: {(p.Count > 0 ? Values.Text(p[0], budget) : "")}")));
        scope.Set("strftime_now", new Function((p, _) => Time(p.Count > 0 ? Words(p[0], "a format") : "", now)));
        return scope;
    }

    static Items Range(IReadOnlyList<object?> given, Budget budget)
    {
        var parts = given.Select(v => Values.Integer(v) ?? throw Wrong($"'range' takes integers, and {Values.Kind(v)} is given")).ToArray();
        var (start, stop, step) = parts switch { [var a] => (0L, a, 1L), [var a, var b] => (a, b, 1L), [var a, var b, var c] => (a, b, c), _ => throw Wrong("'range' takes one to three integers") };
        if (step == 0)
            throw Wrong("'range' needs a step that is not 0");
        var count = step > 0 ? ((Int128)stop - start + step - 1) / step : ((Int128)start - stop - step - 1) / -(Int128)step;
        if (count > MostRange)
            throw Wrong($"'range' gives at most {MostRange} numbers");
        budget.Make(Math.Max(0, (long)count) * ItemSize);
        return new(Enumerable.Range(0, Math.Max(0, (int)count)).Select(i => (object?)(start + i * step)));
    }

    static Entries Made(IReadOnlyList<object?> positional, IReadOnlyDictionary<string, object?> named, bool isNamespace)
    {
        var made = new Entries(isNamespace);
        foreach (var entry in positional is [Entries from] ? from : [])
            made[entry.Key] = entry.Value;
        foreach (var (key, value) in named)
            made[key] = value;
        return made;
    }

    static string Time(string format, DateTime now)
    {
        var (text, culture) = (new StringBuilder(), CultureInfo.InvariantCulture);
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            var isShort = format[++i] is '-' && i + 1 < format.Length;
            var part = format[isShort ? ++i : i] switch
            {
                'd' => now.ToString("dd", culture),
                'm' => now.ToString("MM", culture),
                'y' => now.ToString("yy", culture),
                'Y' => now.ToString("yyyy", culture),
                'H' => now.ToString("HH", culture),
                'I' => now.ToString("hh", culture),
                'M' => now.ToString("mm", culture),
                'S' => now.ToString("ss", culture),
                'f' => now.ToString("ffffff", culture),
                'p' => now.ToString("tt", culture),
                'b' => now.ToString("MMM", culture),
                'B' => now.ToString("MMMM", culture),
                'a' => now.ToString("ddd", culture),
                'A' => now.ToString("dddd", culture),
                'j' => now.DayOfYear.ToString("000", culture),
                'F' => now.ToString("yyyy-MM-dd", culture),
                'T' => now.ToString("HH:mm:ss", culture),
                'Z' or 'z' => "",
                '%' => "%",
                var other => throw Wrong($"'%{other}' in the format of a time is not known here"),
            };
            text.Append(isShort ? part.TrimStart('0') is { Length: > 0 } shorter ? shorter : "0" : part);
        }
        return text.ToString();
    }

    static string Words(object? value, string what) => value as string ?? throw Wrong($"{what} has to be a text, and is {Values.Kind(value)}");

    /// <summary>A value as the key of a dictionary.</summary>
    public static object Key(object? value) => value is string or long or bool ? value : throw Wrong($"{Values.Kind(value)} can't be the key of a dictionary");

    /// <summary>What a loop over a value goes over.</summary>
    public static Items Iterated(object? value, Budget budget)
    {
        switch (value)
        {
            case Items items: return items;
            case Entries entries:
                budget.Make(entries.Count * ItemSize);
                return new(entries.Keys);
            case Undefined: return new([]);
            case string text:
                budget.Make(text.Length * (long)ItemSize);
                return new(text.EnumerateRunes().Select(r => r.ToString()));
            default: throw Wrong($"{Values.Kind(value)} has no items");
        }
    }

    /// <summary><c>of.key</c> or <c>of[key]</c>.</summary>
    public static object? Member(object? of, object? key, bool isName, Budget budget)
    {
        switch (of)
        {
            case Undefined undefined: throw Wrong($"'{undefined.What}' has no value, so that it has no '{Values.Text(key, budget)}' either");
            case Entries entries:
                var method = key is string name && !entries.IsNamespace ? OfEntries(entries, name, budget) : null;
                return isName && method is not null ? method : key is string or long or bool && entries.TryGetValue(key, out var value) ? value : method ?? (object)new Undefined(Values.Text(key, budget));
            case Items items when Values.Integer(key) is { } at:
                return (at < 0 ? at + items.Count : at) is var index && index >= 0 && index < items.Count ? items[(int)index] : new Undefined($"item {at}");
            case string text when Values.Integer(key) is { } at:
                return Slice(text, at, at == -1 ? null : at + 1, null, budget) is string { Length: > 0 } found ? found : new Undefined($"character {at}");
            case string text when key is string called && OfText(text, called, budget) is { } function: return function;
            case Items items when key is "index" or "count":
                return key is "index"
                    ? new Function((p, _) => items.FindIndex(i => Values.AreEqual(i, (p is [var wanted, ..] ? wanted : null), budget)) is var index and >= 0 ? (long)index : throw Wrong("the item is not in the list"))
                    : new Function((p, _) => items.LongCount(i => Values.AreEqual(i, (p is [var wanted, ..] ? wanted : null), budget)));
            default: return new Undefined(Values.Text(key, budget));
        }
    }

    static Function? OfEntries(Entries entries, string name, Budget budget) => name switch
    {
        "items" => (_, _) => Pairs(entries, budget),
        "keys" => (_, _) => Iterated(entries, budget),
        "values" => (_, _) => new Items(entries.Values),
        "get" => (p, _) => p.Count > 0 && p[0] is string or long or bool && entries.TryGetValue(p[0]!, out var value) ? value : p.Count > 1 ? p[1] : null,
        _ => null,
    };

    static Items Pairs(Entries entries, Budget budget)
    {
        budget.Make(entries.Count * ItemSize * 4L);
        return new(entries.Select(e => new Items([e.Key, e.Value])));
    }

    static Function? OfText(string text, string name, Budget budget)
    {
        string? Given(IReadOnlyList<object?> p, int i) => i < p.Count && p[i] is not null ? Words(p[i], $"what '{name}' is given") : null;
        bool Any(IReadOnlyList<object?> p, Func<string, bool> holds) => (p.Count > 0 && p[0] is Items several ? several : p.Take(1)).Any(v => holds(Words(v, $"what '{name}' is given")));
        string Made(string made)
        {
            budget.Make(made.Length);
            return made;
        }
        return name switch
        {
            "strip" => (p, _) => Stripped(text, Given(p, 0), true, true),
            "lstrip" => (p, _) => Stripped(text, Given(p, 0), true, false),
            "rstrip" => (p, _) => Stripped(text, Given(p, 0), false, true),
            "upper" => (_, _) => Made(text.ToUpperInvariant()),
            "lower" or "casefold" => (_, _) => Made(text.ToLowerInvariant()),
            "title" => (_, _) => Made(Title(text)),
            "capitalize" => (_, _) => Made(Capitalized(text)),
            "startswith" => (p, _) => Any(p, s => text.StartsWith(s, StringComparison.Ordinal)),
            "endswith" => (p, _) => Any(p, s => text.EndsWith(s, StringComparison.Ordinal)),
            "removeprefix" => (p, _) => Given(p, 0) is { Length: > 0 } s && text.StartsWith(s, StringComparison.Ordinal) ? text[s.Length..] : text,
            "removesuffix" => (p, _) => Given(p, 0) is { Length: > 0 } s && text.EndsWith(s, StringComparison.Ordinal) ? text[..^s.Length] : text,
            "replace" => (p, n) => Replaced(text, Given(p, 0) ?? "", Given(p, 1) ?? "", Count(p, 2, n), budget),
            "split" => (p, n) => Parts(text, Given(p, 0) ?? (n.GetValueOrDefault("sep") as string), p.Count > 1 ? Values.Integer(p[1]) : Values.Integer(n.GetValueOrDefault("maxsplit")), false, budget),
            "rsplit" => (p, n) => Parts(text, Given(p, 0) ?? (n.GetValueOrDefault("sep") as string), p.Count > 1 ? Values.Integer(p[1]) : Values.Integer(n.GetValueOrDefault("maxsplit")), true, budget),
            "splitlines" => (_, _) => Parts(text.ReplaceLineEndings("\n") is var lines && lines.EndsWith('\n') ? lines[..^1] : lines, "\n", null, false, budget) is var parts && text.Length > 0 ? parts : new Items([]),
            "join" => (p, _) => Joined(Iterated(p.Count > 0 ? p[0] : null, budget), text, budget),
            "find" => (p, _) => (long)text.IndexOf(Given(p, 0) ?? "", StringComparison.Ordinal),
            "rfind" => (p, _) => (long)text.LastIndexOf(Given(p, 0) ?? "", StringComparison.Ordinal),
            "index" => (p, _) => text.IndexOf(Given(p, 0) ?? "", StringComparison.Ordinal) is var at and >= 0 ? (long)at : throw Wrong("the text is not within the other"),
            "count" => (p, _) => Given(p, 0) is { Length: > 0 } s ? (long)text.AsSpan().Count(s) : text.Length + 1L,
            "isdigit" or "isnumeric" or "isdecimal" => (_, _) => text.Length > 0 && text.All(char.IsDigit),
            "isalpha" => (_, _) => text.Length > 0 && text.All(char.IsLetter),
            "isalnum" => (_, _) => text.Length > 0 && text.All(char.IsLetterOrDigit),
            "isspace" => (_, _) => text.Length > 0 && text.All(char.IsWhiteSpace),
            "isupper" => (_, _) => text.Any(char.IsUpper) && !text.Any(char.IsLower),
            "islower" => (_, _) => text.Any(char.IsLower) && !text.Any(char.IsUpper),
            _ => null,
        };
    }

    static long? Count(IReadOnlyList<object?> positional, int at, IReadOnlyDictionary<string, object?> named) => Values.Integer(at < positional.Count ? positional[at] : named.GetValueOrDefault("count"));

    static string Stripped(string text, string? characters, bool start, bool end)
    {
        var set = characters?.ToCharArray();
        if (set is { Length: 0 })
            return text;
        if (start)
            text = text.TrimStart(set);
        return end ? text.TrimEnd(set) : text;
    }

    static string Capitalized(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    static string Title(string text)
    {
        var (title, isWithin) = (text.ToCharArray(), false);
        for (var i = 0; i < title.Length; i++)
        {
            title[i] = isWithin ? char.ToLowerInvariant(title[i]) : char.ToUpperInvariant(title[i]);
            isWithin = char.IsLetter(title[i]);
        }
        return new(title);
    }

    static string Replaced(string text, string from, string to, long? most, Budget budget)
    {
        var count = from.Length == 0 ? text.Length + 1L : text.AsSpan().Count(from);
        budget.Make(text.Length + count * to.Length);
        if (most is null or < 0 && from.Length > 0)
            return text.Replace(from, to, StringComparison.Ordinal);
        var (replaced, at) = (new StringBuilder(), 0);
        for (var left = most is null or < 0 ? long.MaxValue : most.Value; left > 0 && at <= text.Length; left--)
        {
            var found = text.IndexOf(from, at, StringComparison.Ordinal);
            if (found < 0)
                break;
            replaced.Append(text, at, found - at).Append(to);
            at = found + from.Length;
            if (from.Length > 0)
                continue;
            if (at < text.Length)
                replaced.Append(text[at]);
            at++;
        }
        return at < text.Length ? replaced.Append(text, at, text.Length - at).ToString() : replaced.ToString();
    }

    static Items Parts(string text, string? separator, long? most, bool fromEnd, Budget budget)
    {
        if (separator is "")
            throw Wrong("a text can't be split at nothing");
        budget.Make(text.Length + (separator is null ? text.Length / 2 + 1 : text.AsSpan().Count(separator) + 1L) * ItemSize);
        var (parts, left) = (new List<object?>(), most is null or < 0 ? long.MaxValue : most.Value);
        bool IsSpace(int i) => char.IsWhiteSpace(text[i]);
        var (start, end) = (0, text.Length);
        if (separator is not null)
        {
            while (left-- > 0 && (fromEnd ? text.AsSpan(start, end - start).LastIndexOf(separator) : text.AsSpan(start, end - start).IndexOf(separator)) is var found and >= 0)
            {
                var at = start + found;
                parts.Add(fromEnd ? text[(at + separator.Length)..end] : text[start..at]);
                (start, end) = fromEnd ? (start, at) : (at + separator.Length, end);
            }
            parts.Add(text[start..end]);
        }
        else
        {
            while (true)
            {
                while (start < end && IsSpace(start))
                    start++;
                while (end > start && IsSpace(end - 1))
                    end--;
                if (start == end)
                    break;
                if (left-- <= 0)
                {
                    parts.Add(text[start..end]);
                    break;
                }
                var at = fromEnd ? end : start;
                while (fromEnd ? at > start && !IsSpace(at - 1) : at < end && !IsSpace(at))
                    at += fromEnd ? -1 : 1;
                parts.Add(fromEnd ? text[at..end] : text[start..at]);
                (start, end) = fromEnd ? (start, at) : (at, end);
            }
        }
        if (fromEnd)
            parts.Reverse();
        return new(parts);
    }

    static string Joined(Items items, string between, Budget budget)
    {
        var joined = new StringBuilder();
        for (var i = 0; i < items.Count; i++)
        {
            var text = Values.Text(items[i], budget);
            budget.Make(text.Length + (long)between.Length);
            if (i > 0)
                joined.Append(between);
            joined.Append(text);
        }
        return joined.ToString();
    }

    /// <summary>Part of a text or a list, as Python slices.</summary>
    public static object Slice(object? of, long? start, long? stop, long? step, Budget budget)
    {
        if (of is Undefined)
            return new Items([]);
        if (of is string text && text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') >= 0)
            return Joined((Items)Slice(Iterated(text, budget), start, stop, step, budget), "", budget);
        var length = of switch { string s => s.Length, Items items => items.Count, _ => throw Wrong($"{Values.Kind(of)} has no parts") };
        var by = step ?? 1;
        if (by == 0)
            throw Wrong("a part can't have steps of 0");
        long Placed(long? at, long otherwise) => at is not { } place ? otherwise : Math.Clamp(place < 0 ? place + length : place, by > 0 ? 0 : -1, by > 0 ? length : length - 1);
        var (first, last) = (Placed(start, by > 0 ? 0 : length - 1), Placed(stop, by > 0 ? length : -1));
        var count = Math.Max(0, by > 0 ? (last - first + by - 1) / by : (last - first + by + 1) / by);
        budget.Make(of is string ? count : count * ItemSize);
        if (of is string whole)
            return by == 1 ? whole.Substring((int)first, (int)count) : string.Create((int)count, (whole, first, by), (to, from) =>
            {
                for (var i = 0; i < to.Length; i++)
                    to[i] = from.whole[(int)(from.first + i * from.by)];
            });
        var list = (Items)of;
        return new Items(Enumerable.Range(0, (int)count).Select(i => list[(int)(first + i * by)]));
    }

    /// <summary>A sign before a value.</summary>
    public static object Sign(string sign, object? of) => of switch
    {
        double real => sign == "-" ? -real : real,
        // Or else what is whole would become a double, as the others are.
        _ when Values.Integer(of) is { } whole => (object)(sign == "-" ? whole == long.MinValue ? throw Wrong("an integer is too large") : -whole : whole),
        _ => throw Wrong($"'{sign}' can't stand before {Values.Kind(of)}"),
    };

    /// <summary>Two values and what stands between.</summary>
    public static object Binary(string between, object? a, object? b, Budget budget)
    {
        switch (between)
        {
            case "~":
                var (first, second) = (Values.Text(a, budget), Values.Text(b, budget));
                budget.Make((long)first.Length + second.Length);
                return first + second;
            case "+" when a is string s && b is string t:
                budget.Make((long)s.Length + t.Length);
                return s + t;
            case "+" when a is Items s && b is Items t:
                budget.Make(((long)s.Count + t.Count) * ItemSize);
                return new Items(s.Concat(t));
            case "*" when (a is string or Items && Values.Integer(b) is not null) || (b is string or Items && Values.Integer(a) is not null):
                var (what, times) = a is string or Items ? (a, Math.Max(0, Values.Integer(b)!.Value)) : (b, Math.Max(0, Values.Integer(a)!.Value));
                var size = what is string text ? text.Length : ((Items)what!).Count * (long)ItemSize;
                budget.Make(size == 0 ? 0 : times > int.MaxValue ? long.MaxValue / 2 : times * size);
                times = size == 0 ? 0 : times;
                return what is string repeated ? new StringBuilder().Insert(0, repeated, (int)times).ToString() : new Items(Enumerable.Repeat((Items)what!, (int)times).SelectMany(i => i));
            case "%" when a is string format:
                return Formatted(format, b is Items several ? several : new Items([b]), budget);
        }
        if (Values.Float(a) is not { } x || Values.Float(b) is not { } y)
            throw Wrong($"'{between}' can't stand between {Values.Kind(a)} and {Values.Kind(b)}");
        if (between is "/" or "//" or "%" && y == 0)
            throw Wrong($"'{between}' divides by 0");
        try
        {
            if (a is not double && b is not double && (Values.Integer(a)!.Value, Values.Integer(b)!.Value) is var (n, m))
            {
                return between switch
                {
                    "+" => (object)checked(n + m),
                    "-" => checked(n - m),
                    "*" => checked(n * m),
                    "/" => x / y,
                    "//" => checked(n / m) - (n % m != 0 && n < 0 != m < 0 ? 1 : 0),
                    "%" => m == -1 ? 0 : n % m is var rest && rest != 0 && rest < 0 != m < 0 ? rest + m : rest,
                    _ => m < 0 ? Math.Pow(x, y) : (object)(Values.Power(n, m) ?? throw new OverflowException()),
                };
            }
        }
        catch (OverflowException)
        {
            throw Wrong("an integer is too large");
        }
        return between switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => Math.Floor(x / y),
            "%" => x - Math.Floor(x / y) * y,
            _ => Math.Pow(x, y),
        };
    }

    static string Formatted(string format, Items values, Budget budget)
    {
        var (text, next) = (new StringBuilder(), 0);
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            if (format[++i] == '%')
            {
                text.Append('%');
                continue;
            }
            if (next >= values.Count)
                throw Wrong($"'{format}' wants more values than it is given");
            var part = (format[i], values[next++]) switch
            {
                ('s', var value) => Values.Text(value, budget),
                ('d' or 'i', var value) when Values.Float(value) is { } real => ((long)real).ToString(CultureInfo.InvariantCulture),
                ('f', var value) when Values.Float(value) is { } real => real.ToString("F6", CultureInfo.InvariantCulture),
                _ => throw Wrong($"'%{format[i]}' is not known here"),
            };
            budget.Make(part.Length);
            text.Append(part);
        }
        return text.ToString();
    }

    /// <summary>Whether a comparison holds.</summary>
    public static bool Holds(string @operator, object? a, object? b, Budget budget) => @operator switch
    {
        "==" => Values.AreEqual(a, b, budget),
        "!=" => !Values.AreEqual(a, b, budget),
        "in" => IsIn(a, b, budget),
        "not in" => !IsIn(a, b, budget),
        _ => Values.Compare(a, b, budget) is { } order ? @operator switch { "<" => order < 0, ">" => order > 0, "<=" => order <= 0, _ => order >= 0 }
            : throw Wrong($"'{@operator}' can't stand between {Values.Kind(a)} and {Values.Kind(b)}"),
    };

    static bool IsIn(object? value, object? within, Budget budget) => within switch
    {
        Undefined => false,
        string text => text.Contains(Words(value, "what is looked for in a text"), StringComparison.Ordinal),
        Entries entries => value is string or long or bool && entries.ContainsKey(value),
        Items items => items.Exists(i => Values.AreEqual(i, value, budget)),
        _ => throw Wrong($"nothing is in {Values.Kind(within)}"),
    };

    /// <summary>Whether a test holds.</summary>
    /// <param name="name">The test.</param>
    /// <param name="value">What is tested.</param>
    /// <param name="given">What the test is given.</param>
    /// <param name="budget">What it may use.</param>
    public static bool Test(string name, object? value, IReadOnlyList<object?> given, Budget budget)
    {
        object? Other() => given.Count > 0 ? given[0] : throw Wrong($"the test '{name}' needs a value");
        return name switch
        {
            "defined" => value is not Undefined,
            "undefined" => value is Undefined,
            "none" => value is null,
            "string" => value is string,
            "mapping" => value is Entries,
            "iterable" => value is string or Items or Entries or Undefined,
            "sequence" => value is string or Items or Entries or Undefined,
            "number" => value is long or double or bool,
            "integer" => value is long,
            "float" => value is double,
            "boolean" => value is bool,
            "true" => value is true,
            "false" => value is false,
            "callable" => value is Function,
            "odd" => Values.Integer(value) is { } whole ? whole % 2 != 0 : throw Wrong($"{Values.Kind(value)} is neither odd nor even"),
            "even" => Values.Integer(value) is { } whole ? whole % 2 == 0 : throw Wrong($"{Values.Kind(value)} is neither odd nor even"),
            "divisibleby" => Binary("%", value, Other(), budget) is 0L or 0.0,
            "in" => IsIn(value, Other(), budget),
            "eq" or "equalto" or "==" => Values.AreEqual(value, Other(), budget),
            "ne" or "!=" => !Values.AreEqual(value, Other(), budget),
            "lt" or "lessthan" => Holds("<", value, Other(), budget),
            "gt" or "greaterthan" => Holds(">", value, Other(), budget),
            "le" => Holds("<=", value, Other(), budget),
            "ge" => Holds(">=", value, Other(), budget),
            "sameas" => Other() is var other && (value is Items or Entries or Function ? ReferenceEquals(value, other) : value?.GetType() == other?.GetType() && Equals(value, other)),
            "lower" => value is string text && text.Any(char.IsLetter) && !text.Any(char.IsUpper),
            "upper" => value is string text && text.Any(char.IsLetter) && !text.Any(char.IsLower),
            _ => throw Wrong($"the test '{name}' is not known here"),
        };
    }

    /// <summary>What a filter makes of a value.</summary>
    /// <param name="name">The filter.</param>
    /// <param name="value">The value.</param>
    /// <param name="positional">What it is given without names.</param>
    /// <param name="named">What it is given with names.</param>
    /// <param name="budget">What it may use.</param>
    public static object? Filter(string name, object? value, IReadOnlyList<object?> positional, IReadOnlyDictionary<string, object?> named, Budget budget)
    {
        // 'map' may name itself.
        RuntimeHelpers.EnsureSufficientExecutionStack();
        budget.Step();
        object? Given(int at, string called, object? otherwise = null) => at < positional.Count ? positional[at] : named.TryGetValue(called, out var given) ? given : otherwise;
        string? GivenText(int at, string called) => Given(at, called) is { } given ? Words(given, $"'{called}' of the filter '{name}'") : null;
        string Text() => Values.Text(value, budget);
        Items All() => Iterated(value, budget);
        string Made(string made)
        {
            budget.Make(made.Length);
            return made;
        }
        object? Attribute(object? item, object? path) => path is null ? item
            : Values.Text(path, budget).Split('.').Aggregate(item, (of, part) => of is Undefined ? of : Member(of, long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var at) ? at : part, isName: false, budget));
        bool Holds(object? item, int at) => positional.Count <= at ? Values.IsTrue(item) : Test(Words(positional[at], "the name of a test"), item, [.. positional.Skip(at + 1)], budget);
        Items Selected(Func<object?, bool> holds)
        {
            var all = All();
            budget.Make(all.Count * (long)ItemSize);
            return new(all.Where(i =>
            {
                budget.Step();
                return holds(i);
            }));
        }
        Comparison<object?> Order(bool byCase) => (a, b) => Values.Compare(Folded(a, byCase), Folded(b, byCase), budget) ?? throw Wrong($"{Values.Kind(a)} and {Values.Kind(b)} have no order");

        switch (name)
        {
            case "trim": return Stripped(Text(), GivenText(0, "chars"), true, true);
            case "upper": return Made(Text().ToUpperInvariant());
            case "lower": return Made(Text().ToLowerInvariant());
            case "title": return Made(Title(Text()));
            case "capitalize": return Made(Capitalized(Text()));
            case "string": return Text();
            case "safe": return value;
            case "escape" or "e": return Made(Text().Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;").Replace("\"", "&#34;"));
            case "replace": return Replaced(Text(), Values.Text(Given(0, "old"), budget), Values.Text(Given(1, "new"), budget), Count(positional, 2, named), budget);
            case "length" or "count":
                return value switch { string text => text.EnumerateRunes().LongCount(), Items items => items.Count, Entries entries => entries.Count, Undefined => 0L, _ => throw Wrong($"{Values.Kind(value)} has no length") };
            case "wordcount": return (long)Parts(Text(), null, null, false, budget).Count;
            case "default" or "d":
                return value is Undefined || (Values.IsTrue(Given(1, "boolean", false)) && !Values.IsTrue(value)) ? Given(0, "default_value", "") : value;
            case "first": return All() is [var first, ..] ? first : new Undefined("the first of none");
            case "last": return All() is [.., var last] ? last : new Undefined("the last of none");
            case "list": return Slice(All(), null, null, null, budget);
            case "items": return value switch { Entries entries => Pairs(entries, budget), Undefined => new Items([]), _ => throw Wrong($"{Values.Kind(value)} has no keys") };
            case "dictsort":
                var pairs = value is Entries sorted ? Pairs(sorted, budget) : throw Wrong($"{Values.Kind(value)} has no keys");
                var by = Given(1, "by") is "value" ? 1 : 0;
                return Sorted(pairs, pair => ((Items)pair!)[by], Order(Values.IsTrue(Given(0, "case_sensitive", false))), Values.IsTrue(Given(2, "reverse", false)));
            case "sort": return Sorted(All(), i => Attribute(i, Given(2, "attribute")), Order(Values.IsTrue(Given(1, "case_sensitive", false))), Values.IsTrue(Given(0, "reverse", false)));
            case "unique":
                var unique = new List<object?>();
                foreach (var item in All())
                {
                    if (!unique.Exists(u => Values.AreEqual(Folded(u, false), Folded(item, false), budget)))
                        unique.Add(item);
                }
                return new Items(unique);
            case "reverse": return Slice(value is Entries ? All() : value, null, null, -1, budget);
            case "min" or "max":
                var order = Order(Values.IsTrue(Given(0, "case_sensitive", false)));
                return All() is { Count: > 0 } some ? some.Aggregate((a, b) => order(a, b) > 0 == (name == "min") ? b : a) : new Undefined($"the {name} of none");
            case "sum":
                return All().Aggregate(Given(1, "start", 0L), (sum, item) => Binary("+", sum, Attribute(item, Given(0, "attribute")), budget));
            case "join":
                return Joined(Given(1, "attribute") is { } joined ? new(All().Select(i => Attribute(i, joined))) : All(), Values.Text(Given(0, "d", ""), budget), budget);
            case "map":
                if (named.TryGetValue("attribute", out var path))
                    return new Items(All().Select(i => Attribute(i, path) is var found && found is Undefined && named.TryGetValue("default", out var otherwise) ? otherwise : found));
                var filter = Words(Given(0, "filter"), "the filter of 'map'");
                return new Items(All().Select(i => Filter(filter, i, [.. positional.Skip(1)], named, budget)));
            case "select": return Selected(i => Holds(i, 0));
            case "reject": return Selected(i => !Holds(i, 0));
            case "selectattr": return Selected(i => Holds(Attribute(i, Given(0, "attribute")), 1));
            case "rejectattr": return Selected(i => !Holds(Attribute(i, Given(0, "attribute")), 1));
            case "attr": return Member(value, Given(0, "name"), isName: true, budget);
            case "abs": return value is double real ? Math.Abs(real) : Values.Integer(value) is { } whole and > long.MinValue ? (object)Math.Abs(whole) : throw Wrong($"{Values.Kind(value)} has no amount");
            case "int":
                return value switch
                {
                    double number when double.IsFinite(number) && Math.Abs(number) < 9e18 => (long)number,
                    string text when long.TryParse(text.AsSpan().Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
                    string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) < 9e18 => (long)number,
                    _ => Values.Integer(value) ?? Given(0, "default", 0L),
                };
            case "float":
                return value is string digits ? double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) ? parsed : Given(0, "default", 0.0) : Values.Float(value) ?? Given(0, "default", 0.0);
            case "round":
                var places = Values.Integer(Given(0, "precision", 0L)) is >= 0 and <= 15 and var p ? (int)p : throw Wrong("'round' keeps 0 to 15 places");
                var rounded = Values.Float(value) ?? throw Wrong($"{Values.Kind(value)} can't be rounded");
                var scale = Math.Pow(10, places);
                return Given(1, "method", "common") switch { "ceil" => Math.Ceiling(rounded * scale) / scale, "floor" => Math.Floor(rounded * scale) / scale, _ => Math.Round(rounded, places, MidpointRounding.ToEven) };
            case "indent":
                var indent = Given(0, "width", 4L) is string given ? given : new string(' ', (int)Math.Clamp(Values.Integer(Given(0, "width", 4L)) ?? 4, 0, MostWidth));
                var lines = Text().Split('\n');
                budget.Make(lines.Length * (long)indent.Length);
                return string.Join('\n', lines.Select((l, i) => (i == 0 ? Values.IsTrue(Given(1, "first", false)) : l.Length > 0 || Values.IsTrue(Given(2, "blank", false))) ? indent + l : l));
            case "tojson":
                long? width = named.TryGetValue("indent", out var asked) ? Values.Integer(asked) : null;
                if (width is < 0 or > MostWidth)
                    throw Wrong($"'tojson' indents by 0 to {MostWidth}");
                var separators = named.GetValueOrDefault("separators") as Items;
                return Values.Json(value, new((int?)width, separators is [string comma, _] ? comma : width is null ? ", " : ",", separators is [_, string colon] ? colon : ": ", Values.IsTrue(named.GetValueOrDefault("sort_keys"))), budget);
            default: throw Wrong($"the filter '{name}' is not known here");
        }
    }

    static object? Folded(object? value, bool byCase) => value is string text && !byCase ? text.ToLowerInvariant() : value;

    static Items Sorted(Items items, Func<object?, object?> key, Comparison<object?> order, bool isReversed)
    {
        var comparer = Comparer<object?>.Create(order);
        try
        {
            return new(isReversed ? items.OrderByDescending(key, comparer) : items.OrderBy(key, comparer));
        }
        catch (InvalidOperationException e) when (e.InnerException is TemplateException or InsufficientExecutionStackException)
        {
            // What sorts wraps what goes wrong in comparing.
            ExceptionDispatchInfo.Throw(e.InnerException);
            throw;
        }
    }
}
