using System.Globalization;
using Softmodel.Runtime;
using static Softmodel.Graphs.Names;

namespace Softmodel.Graphs;

/// <summary>Reads the text form of a graph; see <see cref="GraphText"/>.</summary>
sealed class GraphReader(string text, Func<string, Tensor?> weight)
{
    const int DeepestBody = 64;

    readonly string[] lines = text.ReplaceLineEndings("\n").Split('\n');
    int at, depth;
    ulong draws;

    public Graph Read()
    {
        Graph graph;
        try
        {
            graph = Body();
            if (Skip())
                throw new FormatException("there is more after the graph's end");
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or SoftmodelException)
        {
            throw new SoftmodelException($"line {Math.Min(at + 1, lines.Length)} of the text of a graph: {e.Message}", e);
        }
        graph.Validate();
        return graph;
    }

    /// <summary>Goes to the next line that is not empty; false at the end.</summary>
    bool Skip()
    {
        while (at < lines.Length && lines[at].AsSpan().Trim().Length == 0)
            at++;
        return at < lines.Length;
    }

    string Line() => Skip() ? lines[at].Trim() : throw new FormatException("'end' is missing");

    Graph Body()
    {
        if (++depth > DeepestBody)
            throw new FormatException($"graphs are nested more than {DeepestBody} deep");
        var values = new Dictionary<string, Value>(StringComparer.Ordinal);
        var name = Names.Read(After(Line(), "graph ") ?? throw new FormatException("a graph begins with 'graph' and its name"));
        at++;
        var (inputs, nodes, outputs, outputNames, positive, states) = (new List<Value>(), new List<Node>(), new List<Value>(), new List<string>(), new List<string>(), new List<State>());
        for (; Line() is var line && line != "end"; at++)
        {
            if (After(line, "positive ") is { } symbols)
                positive.AddRange(Items(symbols, ','));
            else if (After(line, "input ") is { } input)
                inputs.Add(New(input, values));
            else if (After(line, "output ") is { } output)
            {
                var (left, right) = Halves(output, " = ") ?? throw new FormatException("an output is written as 'output name = value'");
                outputNames.Add(Names.Read(left));
                outputs.Add(Known(right, values));
            }
            else if (After(line, "state ") is { } state && Halves(state, " = ") is { } pair)
                states.Add(new(Place(pair.Item1), Place(pair.Item2.Split('#')[0])));
            else
                nodes.Add(Node(line, values));
        }
        at++;
        depth--;
        return new(name, inputs.ToEquatable(), outputs.ToEquatable(), outputNames.ToEquatable(), nodes.ToEquatable()) { Positive = positive.ToEquatable(), States = states.ToEquatable() };
    }

    static int Place(string text) => int.Parse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture);

    static Value Known(string name, Dictionary<string, Value> values) =>
        values.GetValueOrDefault(name) ?? throw new FormatException($"there is no value {name} before this line");

    static Value New(string text, Dictionary<string, Value> values)
    {
        var (name, type) = Halves(text, ": ") ?? throw new FormatException($"'{text}': a value is written as 'name: type'");
        // The mark of a second value of the same name is not part of the name.
        var mark = name.IndexOf('\'', name.StartsWith('"') ? name.LastIndexOf('"') : 0);
        var value = new Value(Names.Read(mark < 0 ? name : name[..mark]), OpForms.Type(type));
        return values.TryAdd(name, value) ? value : throw new FormatException($"there is a value {name} already");
    }

    Node Node(string line, Dictionary<string, Value> values)
    {
        var comment = EndOfValue(line, 0, '#');
        var origin = Origin(comment < line.Length ? line[(comment + 1)..].Trim() : "");
        line = line[..comment].Trim();
        var (results, call) = Halves(line, " = ") ?? ("", line);
        if (After(call, "constant ") is { } contents)
        {
            var value = New(results, values);
            return new(new Op.Constant(Constant(contents, value.Name, value.Type)), [], [value], origin);
        }
        if (After(call, "parameter ") is { } elements)
        {
            var value = New(results, values);
            return new(Parameter(elements.Split(' ', StringSplitOptions.RemoveEmptyEntries), value), [], [value], origin);
        }
        var open = call.IndexOf('(');
        var close = open < 0 ? -1 : EndOfValue(call, open + 1, ')');
        if (open < 0 || close == call.Length)
            throw new FormatException("an operation is written as 'name(operands) key=value ...'");
        var name = call[..open];
        var operands = Items(call[(open + 1)..close], ',').Select(o => Known(o, values)).ToEquatable();
        var attributes = Attributes(call[(close + 1)..]);
        var bodies = Bodies(OpForms.Bodies(name));
        return new(OpForms.Read(name, attributes, bodies), operands, Items(results, ',').Select(r => New(r, values)).ToEquatable(), origin);
    }

    /// <summary>Where a node comes from: the node of the model, and in brackets before it what its name does not tell.</summary>
    static Origin Origin(string text)
    {
        if (!originKeys.Any(k => text.StartsWith($"[{k}=", StringComparison.Ordinal)))
            return Graphs.Origin.Of(text);
        var end = EndOfValue(text, 1, ']');
        var origin = Graphs.Origin.Of(text[Math.Min(text.Length, end + 1)..].Trim());
        foreach (var item in Items(text[1..end], ' '))
        {
            origin = Halves(item, "=") switch
            {
                ("layer", "") => origin with { Layer = null },
                ("layer", var number) => origin with { Layer = int.Parse(number, NumberStyles.None, CultureInfo.InvariantCulture) },
                ("role", var name) => origin with { Role = Roles.Named(name) ?? throw new FormatException($"there is no role '{name}'; the roles are {string.Join(", ", Roles.All)}") },
                ("scope", var scope) => origin with { Scope = [.. Names.Read(scope).Split('/', StringSplitOptions.RemoveEmptyEntries)] },
                _ => throw new FormatException($"'{item}' says nothing of where a node comes from; written are {string.Join(", ", originKeys.Select(k => $"{k}=..."))}"),
            };
        }
        return origin;
    }

    static readonly string[] originKeys = ["layer", "role", "scope"];

    /// <summary>Graphs that follow the line; afterwards at the last of their lines.</summary>
    Graph[] Bodies(int count)
    {
        var bodies = new Graph[count];
        for (var i = 0; i < count; i++)
        {
            at += i == 0 ? 1 : 0;
            bodies[i] = Body();
        }
        at -= count > 0 ? 1 : 0;
        return bodies;
    }

    Op.Parameter Parameter(string[] words, Value value)
    {
        var attributes = words.Length > 0 ? words[1..] : throw new FormatException($"{value.Name} lacks its elements");
        var (frozen, type, format) = (true, value.Type, default(BlockFormat));
        foreach (var attribute in attributes)
        {
            if (attribute == GraphText.Open.Trim())
                frozen = false;
            else if (After(attribute, "format=") is { } name)
                format = BlockFormat.Named(name) is { Layout.Count: > 0 } known ? known : throw new FormatException($"there is no format '{name}'; those of blocks are {string.Join(", ", BlockFormat.All.Where(f => f.Layout.Count > 0))}");
            else
                throw new FormatException($"a parameter has no attribute '{attribute}'");
        }
        if (format is not null)
            type = new(ElementType.UInt8, new([.. value.Shape.Dims.Take(2), format.Size]));
        return new(value.Name, After(words[0], "normal(") is { } drawn ? Drawn(drawn, value) : Constant(words[0], value.Name, type), frozen, format);
    }

    /// <summary>Elements that are drawn: from a normal distribution around 0, whose standard deviation is given.</summary>
    Tensor Drawn(string text, Value value)
    {
        if (!text.EndsWith(')') || !double.TryParse(text[..^1], NumberStyles.Float, CultureInfo.InvariantCulture, out var deviation) || value.Type.Element != ElementType.Float32 || value.Shape.Known is not { } dims)
            throw new FormatException($"{value.Name}: 'normal({text}' is not understood: write a standard deviation in brackets, for elements of Float32 and sizes that are numbers");
        var elements = new float[Tensor.CountOf(dims)];
        Philox.Normal(0, draws++, 0, elements);
        foreach (ref var element in elements.AsSpan())
            element = (float)(element * deviation);
        return Tensor.Of<float>(elements, dims);
    }

    Tensor Constant(string contents, string name, TensorType type) => GraphText.Tensor(type, contents, weight) ?? throw new FormatException($"there is no constant {contents} for {name}");
}
