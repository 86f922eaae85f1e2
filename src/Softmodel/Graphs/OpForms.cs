using System.Globalization;
using System.Reflection;
using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// The text form of operations: the name in small letters, and a <c>key=value</c> for each property of the record.
/// A new operation has its form from its declaration alone, as long as there is a row for the types of its properties.
/// </summary>
static class OpForms
{
    // What an operation seldom has is written only where it does.
    sealed record Form(ConstructorInfo Constructor, (string Name, PropertyInfo Property, bool IsOptional)[] Attributes);

    static readonly Dictionary<Type, (Func<object, string> Write, Func<string, object> Read)> values = new()
    {
        [typeof(int)] = (v => Invariant((int)v), s => int.Parse(s, CultureInfo.InvariantCulture)),
        [typeof(bool)] = (v => (bool)v ? "true" : "false", s => bool.Parse(s)),
        [typeof(string)] = (v => Names.Write((string)v), Names.Read),
        [typeof(Dim)] = (v => v.ToString()!, Dim.Parse),
        [typeof(Shape)] = (v => v.ToString()!, s => new Shape(List(s, Dim.Parse))),
        [typeof(EquatableArray<int>)] = List<int>(n => Invariant(n), s => int.Parse(s, CultureInfo.InvariantCulture)),
        [typeof(EquatableArray<long>)] = List<long>(n => Invariant(n), s => long.Parse(s, CultureInfo.InvariantCulture)),
        [typeof(EquatableArray<Dim>)] = List<Dim>(d => d.ToString(), Dim.Parse),
        [typeof(EquatableArray<string>)] = List<string>(Names.Write, Names.Read),
        [typeof(EquatableArray<TensorType>)] = List<TensorType>(t => t.ToString(), Type),
        [typeof(ElementType)] = Choice<ElementType>(),
        [typeof(Reduction)] = Choice<Reduction>(),
        [typeof(Combination)] = Choice<Combination>(),
        [typeof(Padding)] = Choice<Padding>(),
        [typeof(Distribution)] = Choice<Distribution>(),
    };

    static readonly Dictionary<string, Form> forms = typeof(Op).GetNestedTypes()
        .Where(t => t.IsSubclassOf(typeof(Op)) && t != typeof(Op.Constant) && t != typeof(Op.Parameter) && t != typeof(Op.Map))
        .ToDictionary(NameOf, t => FormOf(t), StringComparer.Ordinal);

    static Form FormOf(Type type)
    {
        var constructor = type.GetConstructors().Single();
        return new(constructor, [.. constructor.GetParameters().Select(p => (char.ToLowerInvariant(p.Name![0]) + p.Name[1..], type.GetProperty(p.Name)!, p.HasDefaultValue))]);
    }

    static string NameOf(Type type) => string.Concat(type.Name.Select((c, i) => char.IsUpper(c) && i > 0 && char.IsLower(type.Name[i - 1]) ? $"_{c}" : $"{c}")).ToLowerInvariant();

    /// <summary>The name of an operation: for a map that of its function.</summary>
    public static string NameOf(Op op) => op is Op.Map map ? map.Function.Name : NameOf(op.GetType());

    /// <summary>What an operation does, in a word: for a call the program.</summary>
    public static string TitleOf(Op op) => op is Op.Call call ? call.Program : NameOf(op);

    /// <summary>The attributes of an operation, each as <c> key=value</c>; graphs within it are not among them.</summary>
    public static string Attributes(Op op) => op is Op.Map or Op.Constant or Op.Parameter ? "" : string.Concat(forms[NameOf(op.GetType())].Attributes
        .Where(a => a.Property.PropertyType != typeof(Graph) && !(a.IsOptional && a.Property.GetValue(op)!.Equals(Activator.CreateInstance(a.Property.PropertyType))))
        .Select(a => $" {a.Name}={values[a.Property.PropertyType].Write(a.Property.GetValue(op)!)}"));

    /// <summary>How many graphs the operation of a name has within it.</summary>
    public static int Bodies(string name) => forms.TryGetValue(name, out var form) ? form.Attributes.Count(a => a.Property.PropertyType == typeof(Graph)) : 0;

    /// <summary>The operation of a name with attributes and graphs.</summary>
    /// <exception cref="FormatException">There is none, or an attribute is missing, or none, or no value.</exception>
    public static Op Read(string name, IReadOnlyDictionary<string, string> attributes, IReadOnlyList<Graph> bodies)
    {
        if (!forms.TryGetValue(name, out var form))
            return attributes.Count == 0 ? new Op.Map(Functions.Named(name)) : throw new FormatException($"there is no operation '{name}' with attributes");
        if (attributes.Keys.FirstOrDefault(k => form.Attributes.All(a => a.Name != k)) is { } extra)
            throw new FormatException($"{name} has no attribute '{extra}'");
        var body = 0;
        var arguments = form.Attributes.Select(a =>
            a.Property.PropertyType == typeof(Graph) ? bodies[body++]
            : attributes.TryGetValue(a.Name, out var text) ? values[a.Property.PropertyType].Read(text)
            : a.IsOptional ? Activator.CreateInstance(a.Property.PropertyType)!
            : throw new FormatException($"{name} lacks its attribute '{a.Name}'")).ToArray();
        return (Op)form.Constructor.Invoke(arguments);
    }

    /// <summary>Reads what <see cref="TensorType.ToString"/> writes.</summary>
    /// <exception cref="FormatException">The text is no type.</exception>
    public static TensorType Type(string text) => text.IndexOf('[') is > 0 and var at && Enum.TryParse<ElementType>(text[..at], out var element)
        ? new(element, new(List(text[at..], Dim.Parse)))
        : throw new FormatException($"'{text}' is no type; one is written as Float32[1,T]");

    static string Invariant(long number) => number.ToString(CultureInfo.InvariantCulture);

    static (Func<object, string>, Func<string, object>) Choice<T>() where T : struct, Enum => (
        v => v.ToString()!.ToLowerInvariant(),
        s => Enum.TryParse<T>(s, ignoreCase: true, out var value) ? value : throw new FormatException($"'{s}' is none of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}"));

    static (Func<object, string>, Func<string, object>) List<T>(Func<T, string> write, Func<string, T> read) => (
        v => $"[{string.Join(",", ((EquatableArray<T>)v).Select(write))}]",
        s => List(s, read));

    static EquatableArray<T> List<T>(string text, Func<string, T> read)
    {
        if (!text.StartsWith('[') || !text.EndsWith(']'))
            throw new FormatException($"'{text}' is no list; one is written as [a,b]");
        var items = new List<T>();
        var inner = text[1..^1];
        for (var (start, at) = (0, 0); inner.Length > 0 && at <= inner.Length;)
        {
            at = Names.EndOfValue(inner, at, ',');
            items.Add(read(inner[start..at]));
            start = ++at;
        }
        return items.ToEquatable();
    }
}

/// <summary>Names in the text form, bare where they are plain, else quoted; and the pieces that lines are made of.</summary>
static class Names
{
    /// <summary>What stands after a word with which a line begins; null where it begins with another.</summary>
    public static string? After(string line, string word) => line.StartsWith(word, StringComparison.Ordinal) ? line[word.Length..].Trim() : null;

    /// <summary>What stands before and after the first of some separators outside of quotes and brackets; null where there is none.</summary>
    public static (string, string)? Halves(string text, string separator)
    {
        for (var i = EndOfValue(text, 0, separator[0]); i < text.Length; i = EndOfValue(text, i + 1, separator[0]))
        {
            if (string.CompareOrdinal(text, i, separator, 0, separator.Length) == 0)
                return (text[..i].Trim(), text[(i + separator.Length)..].Trim());
        }
        return null;
    }

    /// <summary>What stands between separators outside of quotes and brackets, but for what is empty.</summary>
    public static IEnumerable<string> Items(string text, char separator)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = EndOfValue(text, start, separator);
            if (text[start..end].Trim() is { Length: > 0 } item)
                yield return item;
            start = end + 1;
        }
    }

    /// <summary>Attributes, each written as <c>key=value</c>.</summary>
    /// <exception cref="FormatException">One is none, or is there twice.</exception>
    public static Dictionary<string, string> Attributes(string text)
    {
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var item in Items(text, ' '))
        {
            var (key, value) = Halves(item, "=") ?? throw new FormatException($"'{item}' is no attribute; one is written as 'key=value'");
            if (!attributes.TryAdd(key, value))
                throw new FormatException($"the attribute '{key}' is there twice");
        }
        return attributes;
    }

    static bool IsPlain(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '/' or '-';

    /// <summary>The name as it is written.</summary>
    public static string Write(string name) => name.Length > 0 && name.All(IsPlain) ? name : Quote(name);

    static string Quote(string name) => $"\"{string.Concat(name.Select(c => c is '"' or '\\' ? $"\\{c}" : c < ' ' || char.IsSurrogate(c) ? $"\\u{(int)c:x4}" : $"{c}"))}\"";

    /// <summary>The name that was written.</summary>
    /// <exception cref="FormatException">It is not one.</exception>
    public static string Read(string text)
    {
        if (!text.StartsWith('"'))
            return text.Length > 0 ? text : throw new FormatException("a name is missing");
        var name = new System.Text.StringBuilder();
        for (var i = 1; i < text.Length - 1; i++)
        {
            if (text[i] != '\\')
                name.Append(text[i]);
            else if (text[++i] == 'u' && i + 4 < text.Length)
            {
                name.Append((char)ushort.Parse(text.AsSpan(i + 1, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                i += 4;
            }
            else
                name.Append(text[i]);
        }
        return name.ToString();
    }

    /// <summary>Where, from a place in a line on, a character stands outside of quotes and brackets; else the line's end.</summary>
    /// <exception cref="FormatException">A quote or bracket is not closed.</exception>
    public static int EndOfValue(string line, int at, char end)
    {
        var depth = 0;
        for (; at < line.Length; at++)
        {
            if (depth == 0 && line[at] == end)
                return at;
            switch (line[at])
            {
                case '"':
                    for (at++; at < line.Length && line[at] != '"'; at++)
                        at += line[at] == '\\' ? 1 : 0;
                    if (at >= line.Length)
                        throw new FormatException("a quote is not closed");
                    break;
                case '[' or '(' or '{':
                    depth++;
                    break;
                case ']' or ')' or '}':
                    depth--;
                    break;
            }
        }
        return depth == 0 ? at : throw new FormatException("a bracket is not closed");
    }
}
