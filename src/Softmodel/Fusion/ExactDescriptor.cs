using System.Globalization;
using System.Reflection;
using System.Text;
using Softmodel.Runtime.Fusion;

namespace Softmodel.Fusion;

/// <summary>A parameter of a method that is marked <see cref="ExactAttribute"/>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">How it is read from text; of an array that of its elements.</param>
sealed record ExactParameter(string Name, TextType Type);

/// <summary>A part of an example sentence.</summary>
/// <param name="Text">The text; of a parameter examples of it, apart by |, empty where none is given.</param>
/// <param name="Parameter">Which parameter it is; null where it is the sentence's own.</param>
readonly record struct ExamplePart(string Text, int? Parameter = null)
{
    /// <summary>The examples of a parameter.</summary>
    public string[] Values => Text.Split('|', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>All that is known of a method that is marked <see cref="ExactAttribute"/>.</summary>
/// <param name="Method">The method.</param>
/// <param name="Name">The name of the program.</param>
/// <param name="Description">What it answers, in a line.</param>
/// <param name="Parameters">Its parameters; the last one may come more than once where <see cref="FusedProgram.Repeats"/>.</param>
/// <param name="Result">How its result is written.</param>
/// <param name="Examples">Sentences that it answers.</param>
/// <param name="Negatives">Sentences that are like them, and that it doesn't answer.</param>
/// <param name="Program">What a model calls.</param>
sealed record ExactDescriptor(MethodInfo Method, string Name, string Description, IReadOnlyList<ExactParameter> Parameters, TextType Result, IReadOnlyList<IReadOnlyList<ExamplePart>> Examples, IReadOnlyList<IReadOnlyList<ExamplePart>> Negatives, FusedProgram Program)
{
    /// <summary>The marked methods of an assembly, in the order of their names.</summary>
    /// <exception cref="SoftmodelException">One of them can't be a program, or two have one name: the message says which.</exception>
    public static ExactDescriptor[] In(Assembly assembly)
    {
        ExactDescriptor[] all =
        [
            .. assembly.GetTypes().SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                .Where(m => m.IsDefined(typeof(ExactAttribute), inherit: false)).Select(Of).OrderBy(d => d.Name, StringComparer.Ordinal),
        ];
        foreach (var (first, second) in all.Zip(all.Skip(1)))
        {
            if (first.Name == second.Name)
                throw new SoftmodelException($"{Full(first.Method)} and {Full(second.Method)} are both the program '{first.Name}'; give one of them another Name");
        }
        return all;
    }

    /// <summary>What is known of one method.</summary>
    /// <exception cref="SoftmodelException">It can't be a program: the message says why.</exception>
    public static ExactDescriptor Of(MethodInfo method)
    {
        var attribute = method.GetCustomAttribute<ExactAttribute>() ?? throw Wrong(method, "is not marked [Exact]");
        if (!method.IsStatic)
            throw Wrong(method, "belongs to an object; only static methods can be called");
        if (method.ContainsGenericParameters)
            throw Wrong(method, "is generic; a program has types that are known");
        var name = attribute.Name ?? Underscored(method.Name);
        if (name.Length == 0 || !char.IsAsciiLetterLower(name[0]) || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))
            throw Wrong(method, $"has the name '{name}'; a program's has lower-case letters, digits and underscores");
        if (string.IsNullOrWhiteSpace(attribute.Description))
            throw Wrong(method, "has no description: say in a line what it answers");
        if (attribute.Milliseconds is < 1 or > 60_000)
            throw Wrong(method, $"may take {attribute.Milliseconds} ms; a limit is from 1 to 60,000");
        var parameters = method.GetParameters();
        if (parameters.Length == 0)
            throw Wrong(method, "has no parameter: there is nothing to point at");
        var repeats = parameters[^1].IsDefined(typeof(ParamArrayAttribute), inherit: false) && parameters[^1].ParameterType.IsArray;
        ExactParameter[] readable =
        [
            .. parameters.Select((p, i) =>
            {
                var type = repeats && i == parameters.Length - 1 ? p.ParameterType.GetElementType()! : p.ParameterType;
                return new ExactParameter(p.Name!, TextType.Of(type) ?? throw Wrong(method, $"has the parameter '{p.Name}' of the type {type.Name}, which can't be read from text; {Types}"));
            }),
        ];
        var result = TextType.Of(method.ReturnType) ?? throw Wrong(method, $"gives {(method.ReturnType == typeof(void) ? "nothing" : $"a {method.ReturnType.Name}, which can't be written as text")}; {Types}");
        if (attribute.Examples.Count == 0)
            throw Wrong(method, "has no example sentence that it answers");
        ExamplePart[][] examples = [.. attribute.Examples.Select(e => Parts(method, e, readable, isWhole: true))], negatives = [.. attribute.Negatives.Select(e => Parts(method, e, readable, isWhole: false))];
        var program = new FusedProgram(name, attribute.Description, [.. readable.Select(p => p.Name)], (texts, around) =>
            result.Write(Invoke(method, readable, repeats, texts) ?? throw new ProgramException(ProgramFailure.Exception, $"{name} gave no result."), [.. texts], around))
        {
            Repeats = repeats,
            Takes = (operand, text) => readable[Math.Min(operand, readable.Length - 1)].Type.Read(text) is not null,
            Limit = TimeSpan.FromMilliseconds(attribute.Milliseconds),
        };
        return new(method, name, attribute.Description, readable, result, examples, negatives, program);
    }

    static string Types => $"the types are {string.Join(", ", TextType.All.Select(t => t.Name))}";

    static object? Invoke(MethodInfo method, ExactParameter[] parameters, bool repeats, ReadOnlySpan<string> texts)
    {
        var arguments = new object[parameters.Length];
        for (var i = 0; i < parameters.Length; i++)
        {
            if (!repeats || i < parameters.Length - 1)
            {
                arguments[i] = parameters[i].Type.Read(texts[i]);
                continue;
            }
            var several = Array.CreateInstance(parameters[i].Type.Type, texts.Length - i);
            for (var j = 0; j < several.Length; j++)
                several.SetValue(parameters[i].Type.Read(texts[i + j]), j);
            arguments[i] = several;
        }
        return method.Invoke(null, BindingFlags.DoNotWrapExceptions, binder: null, arguments, CultureInfo.InvariantCulture);
    }

    // "How many {letter:r} are in {word}?"
    static ExamplePart[] Parts(MethodInfo method, string sentence, ExactParameter[] parameters, bool isWhole)
    {
        var parts = new List<ExamplePart>();
        for (var at = 0; at < sentence.Length;)
        {
            var open = sentence.IndexOf('{', at);
            if (open != at)
            {
                parts.Add(new(sentence[at..(open < 0 ? sentence.Length : open)]));
                at = open < 0 ? sentence.Length : open;
                continue;
            }
            var close = sentence.IndexOf('}', open);
            if (close < 0)
                throw Wrong(method, $"has the example '{sentence}', where a brace is not closed");
            var (name, example) = sentence[(open + 1)..close].Split(':', 2) is [var before, var after] ? (before, after) : (sentence[(open + 1)..close], "");
            var index = Array.FindIndex(parameters, p => p.Name == name);
            if (index < 0)
                throw Wrong(method, $"has the example '{sentence}', but no parameter '{name}'");
            var part = new ExamplePart(example, index);
            foreach (var value in part.Values)
                Check(method, parameters[index], value);
            parts.Add(part);
            at = close + 1;
        }
        foreach (var (index, parameter) in parameters.Index())
        {
            if (isWhole && !parts.Any(p => p.Parameter == index))
                throw Wrong(method, $"has the example '{sentence}', where {{{parameter.Name}}} is missing");
        }
        return [.. parts];
    }

    static void Check(MethodInfo method, ExactParameter parameter, string example)
    {
        try
        {
            parameter.Type.Read(example);
        }
        catch (ProgramException e)
        {
            throw Wrong(method, $"has an example of {{{parameter.Name}}} that isn't {parameter.Type.Kind}: {e.Message}");
        }
    }

    static string Underscored(string name)
    {
        var text = new StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            if (i > 0 && char.IsAsciiLetterUpper(name[i]) && (!char.IsAsciiLetterUpper(name[i - 1]) || (i + 1 < name.Length && char.IsAsciiLetterLower(name[i + 1]))))
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }
        return text.ToString();
    }

    static string Full(MethodInfo method) => $"{method.DeclaringType?.FullName}.{method.Name}";

    static SoftmodelException Wrong(MethodInfo method, string what) => new($"{Full(method)} {what}");
}
