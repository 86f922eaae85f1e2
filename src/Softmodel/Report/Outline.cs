using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Report;

/// <summary>How far a model has come.</summary>
enum Stage
{
    /// <summary>Core operations as the importer made them.</summary>
    Imported,
    /// <summary>Core operations after the exact passes.</summary>
    Simplified,
    /// <summary>Kernels in the order in which they run.</summary>
    Kernels,
}

/// <summary>A graph or a program as a list of what it does, each with what there is to know about it.</summary>
/// <param name="Name">The model's.</param>
/// <param name="Stage">How far it has come.</param>
/// <param name="Inputs">Names and types.</param>
/// <param name="Outputs">Names and types.</param>
/// <param name="Parts">What is done, in order.</param>
/// <param name="Kernels">The kernels that steps share.</param>
/// <param name="Shared">C# that kernels call: methods by their names.</param>
/// <param name="Weights">The bytes of all constants.</param>
sealed record Outline(string Name, Stage Stage, string[] Inputs, string[] Outputs, Outline.Part[] Parts, Outline.Kernel[] Kernels, IReadOnlyDictionary<string, string> Shared, long Weights)
{
    /// <summary>One thing that is done.</summary>
    /// <param name="Title">What it is, in a few words.</param>
    /// <param name="Scope">The names of what it lies in, outermost first: <c>dec</c>, <c>ups.0</c>.</param>
    /// <param name="Result">The type of what it gives.</param>
    /// <param name="Detail">More of it, a line each.</param>
    /// <param name="Nodes">The operations of the graph that it is.</param>
    /// <param name="Sources">The nodes of the model that it came from.</param>
    /// <param name="Weights">The bytes of the constants that it reads.</param>
    /// <param name="Work">Its arithmetic.</param>
    /// <param name="From">The numbers of the parts whose results it takes.</param>
    /// <param name="Kernel">The number of its kernel; -1 where it has none.</param>
    public sealed record Part(string Title, string[] Scope, string Result, string[] Detail, string[] Nodes, string[] Sources, long Weights, Work Work, int[] From, int Kernel);

    /// <summary>The code that some steps share.</summary>
    /// <param name="Name">Its method, or for a routine what it is.</param>
    /// <param name="Code">Its C#.</param>
    /// <param name="Steps">How many steps run it.</param>
    public sealed record Kernel(string Name, string Code, int Steps);

    /// <summary>The symbols of the sizes on which the work depends.</summary>
    public IEnumerable<string> Symbols => Parts.SelectMany(p => p.Work.Loops).SelectMany(l => l.Sizes).SelectMany(d => d.Symbols).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);

    /// <summary>How many nodes of the model are computed when it runs; what the others give is known before.</summary>
    public int Sources => Parts.SelectMany(p => p.Sources).Distinct(StringComparer.Ordinal).Count();

    /// <summary>The outline of a graph.</summary>
    /// <param name="name">The model's name.</param>
    /// <param name="stage">How far it has come.</param>
    /// <param name="graph">The graph.</param>
    public static Outline Of(string name, Stage stage, Graph graph)
    {
        var (parts, makers, constants) = (new List<Part>(), new Dictionary<Value, int>(), new Dictionary<Value, Tensor>());
        Add(graph);
        var weights = constants.Values.Sum(t => (long)t.Bytes.Length);
        return new(name, stage, Types(graph.Inputs), Types(graph.Outputs, graph.OutputNames), [.. parts], [], new Dictionary<string, string>(), weights);

        void Add(Graph graph)
        {
            foreach (var node in graph.Nodes)
            {
                // A constant belongs to what reads it.
                if (node.Op.Stored is { } tensor)
                {
                    constants[node.Output] = tensor;
                    continue;
                }
                var from = node.Inputs.Select(v => makers.GetValueOrDefault(v, -1)).Where(i => i >= 0).Distinct().ToArray();
                var read = node.Inputs.Distinct().Where(constants.ContainsKey).ToArray();
                foreach (var output in node.Outputs)
                    makers[output] = parts.Count;
                parts.Add(new(OpForms.NameOf(node.Op), [.. node.Origin.Scope], string.Join(", ", node.Outputs.Select(v => v.Type)), [Line(node), .. read.Select(v => $"{v} is constant")], [], Sourced([node]), read.Sum(v => (long)constants[v].Bytes.Length), Work.None, from, -1));
                foreach (var body in node.Bodies)
                    Add(body);
            }
        }
    }

    /// <summary>The outline of a program.</summary>
    /// <param name="name">The model's name.</param>
    /// <param name="program">The program.</param>
    /// <param name="source">The same as C#.</param>
    public static Outline Of(string name, LoweredProgram program, ProgramSource source)
    {
        var (parts, writers) = (new List<Part>(), new Dictionary<Lowering.Buffer, List<int>>());
        var kernels = new Dictionary<string, (int Number, string Code, int Steps)>(StringComparer.Ordinal);
        var kept = source.Weights.Items.ToDictionary(i => i.Buffer.Name, i => (long)i.Buffer.Constant!.Bytes.Length, StringComparer.Ordinal);
        var places = program.Graph.AllNodes().Select((node, place) => (node, place)).ToDictionary(p => p.node, p => p.place);
        foreach (var step in program.Runs())
        {
            var (reads, writes) = Buffers(step);
            Node[] nodes = [.. Nests(step).SelectMany(n => n.Nodes).Concat(step.Nodes).Distinct().OrderBy(n => places[n])];
            var number = -1;
            if (Code(step) is var (kernel, code))
            {
                var there = kernels.TryGetValue(kernel, out var known) ? known : (kernels.Count, code, 0);
                kernels[kernel] = there with { Item3 = there.Item3 + 1 };
                number = there.Item1;
            }
            string Described(Lowering.Buffer b) => b.Storage switch
            {
                Storage.Input => $"{b} (an input)",
                Storage.Weight => $"{b} ({(kept.TryGetValue(b.Name, out var bytes) ? $"{bytes} bytes of weights" : "weights")}, {b.Constant!.Type}{Shape.Of(b.Constant.Dims)})",
                _ => $"{b}",
            };
            string[] detail = [.. Loops(step), .. reads.Select(b => $"reads {Described(b)}"), .. writes.Select(b => $"writes {b}")];
            var from = reads.SelectMany(b => writers.GetValueOrDefault(b, [])).Distinct().ToArray();
            var main = nodes.LastOrDefault(n => Stored.IsHeavy(n.Op)) ?? nodes.LastOrDefault();
            var weights = reads.Where(b => b.Storage == Storage.Weight).Sum(b => kept.GetValueOrDefault(b.Name));
            parts.Add(new(Title(step, nodes), [.. main?.Origin.Scope ?? []], Result(step), detail, [.. nodes.Select(Line)], Sourced(nodes), weights, Work.Of(step), from, number));
            foreach (var buffer in writes)
            {
                if (!writers.TryGetValue(buffer, out var list))
                    writers[buffer] = list = [];
                list.Add(parts.Count - 1);
            }
        }
        return new(name, Stage.Kernels, Types(program.Graph.Inputs), Types(program.Graph.Outputs, program.Graph.OutputNames), [.. parts],
            [.. kernels.Select(k => new Kernel(k.Key, k.Value.Code, k.Value.Steps))], SharedCode.Of(source.Source, kernels.Values.Select(k => k.Code)), kept.Values.Sum());

        (string, string)? Code(Step step) => step switch
        {
            Step.Nest or Step.Fused when source.Kernels.TryGetValue(step, out var kernel) => (kernel.Name, kernel.Code.Body),
            Step.Routine routine => ($"{(routine.Op is Op.Call ? OpForms.TitleOf(routine.Op) : routine.Op.GetType().Name)} (a routine)", RoutineCode.Write(routine).Statement),
            _ => null,
        };
    }

    static (Lowering.Buffer[] Reads, Lowering.Buffer[] Writes) Buffers(Step step)
    {
        Lowering.Buffer[] writes = step switch
        {
            Step.Nest nest => [nest.Target],
            Step.Fused fused => [.. fused.Members.Select(m => m.Target).Except(fused.Private.Select(p => p.Buffer))],
            Step.Routine routine => [.. routine.Outputs.Items.Select(i => i.Buffer)],
            Step.Copy copy => [copy.To],
            Step.Loop loop => [loop.Iteration, .. loop.Carry.Select(c => c.To), .. loop.Stacks.Select(s => s.To)],
            _ => [],
        };
        return ([.. step.Buffers.Distinct().Except(writes)], writes);
    }

    static string Title(Step step, Node[] nodes) => step switch
    {
        Step.Nest or Step.Fused or Step.Routine => string.Join(" + ", Words(step, nodes)),
        Step.Bind bind => $"sizes {string.Join(", ", bind.Symbols)}",
        Step.Copy => "copy",
        Step.If => "if",
        Step.Loop => "loop",
        _ => step.GetType().Name,
    };

    /// <summary>The names of the operations of a step; those that only look at what is there otherwise are left out, and so are repetitions.</summary>
    static List<string> Words(Step step, Node[] nodes)
    {
        var words = new List<string>();
        foreach (var node in nodes.Where(n => !IsView(n.Op)).DefaultIfEmpty(nodes[^1]))
        {
            // What a contraction reads is put in its place first: only the step's own words tell which of the two it is.
            var word = step is Step.Nest { Fold: null } nest && Stored.IsHeavy(node.Op) ? nest.Source.Split(' ')[0] : OpForms.TitleOf(node.Op);
            if (words.Count == 0 || words[^1] != word)
                words.Add(word);
        }
        return words;
    }

    static bool IsView(Op op) => op is Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold or Op.Iota or Op.SizeTensor or Op.Constant or Op.Parameter;

    static string Result(Step step) => step switch
    {
        Step.Nest nest => $"{nest.Target.Type}[{string.Join(",", nest.Axes.Select(a => a.Extent))}]",
        Step.Fused fused => string.Join(", ", fused.Members.Where(m => fused.Private.All(p => p.Buffer != m.Target)).Select(Result)),
        Step.Routine routine => string.Join(", ", routine.Outputs.Items.Select(i => $"{i.Buffer.Type}{i.Shape}")),
        Step.Copy copy => $"{copy.To.Type}[{copy.To.Count}]",
        _ => "",
    };

    /// <summary>The nests of a step: none for what is no nest.</summary>
    static Step.Nest[] Nests(Step step) => step switch
    {
        Step.Nest nest => [nest],
        Step.Fused fused => fused.Members,
        _ => [],
    };

    static IEnumerable<string> Loops(Step step) => Nests(step).Select(nest =>
        $"for {string.Join(", ", nest.Axes.Select(a => $"{a}"))}{(nest.Fold is { } fold ? $": {fold.Kind.ToString().ToLowerInvariant()} over {string.Join(", ", fold.Axes.Select(a => $"{a}"))}" : "")}");

    static string Line(Node node)
    {
        var results = string.Join(", ", node.Outputs.Select(v => $"{v}"));
        return $"{results}{(results.Length > 0 ? " = " : "")}{OpForms.NameOf(node.Op)}({string.Join(", ", node.Inputs.Select(v => v.Name))}){OpForms.Attributes(node.Op)}";
    }

    static string[] Sourced(IEnumerable<Node> nodes) => [.. nodes.Select(n => n.Source).Where(s => s.Length > 0).Distinct()];

    static string[] Types(IEnumerable<Value> values, IEnumerable<string>? names = null) => [.. (names ?? values.Select(v => v.Name)).Zip(values, (name, v) => $"{name}: {v.Type}")];
}
