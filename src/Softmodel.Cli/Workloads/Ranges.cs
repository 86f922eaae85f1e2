using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Workloads;

/// <summary>
/// How large the integers of a graph can become for inputs of certain sizes and ranges: interval arithmetic from the inputs
/// to whatever is indexed. What it can't follow is taken to be anything, and is no fault.
/// </summary>
sealed class Ranges
{
    /// <summary>The numbers from one to another; all numbers where nothing is known.</summary>
    readonly record struct Range(double Low, double High)
    {
        public static readonly Range Any = new(double.NegativeInfinity, double.PositiveInfinity);

        public bool IsKnown => double.IsFinite(Low) && double.IsFinite(High);

        public Range With(Range other) => new(Math.Min(Low, other.Low), Math.Max(High, other.High));

        public static Range Of(double a, double b, double c, double d) => new(Math.Min(Math.Min(a, b), Math.Min(c, d)), Math.Max(Math.Max(a, b), Math.Max(c, d)));
    }

    // Larger constants of floats are weights, and none of them becomes an index.
    const int MostReal = 4096;

    readonly Graph graph;
    readonly Dictionary<Value, Range> constants = [];

    Dictionary<string, long> sizes = [];
    Dictionary<Value, Range> ranges = [];
    Dictionary<Value, int> arguments = [];
    Dictionary<Value, Dim> counts = [];
    Dictionary<int, long> lengths = [];
    HashSet<int> becomeSizes = [];
    bool fits;

    public Ranges(Graph graph) => this.graph = graph;

    /// <summary>What was found of a graph for inputs of certain sizes.</summary>
    /// <param name="Fits">Whether these sizes fit what is indexed, such as a table of positions, whatever the inputs hold.</param>
    /// <param name="Largest">For each integer argument that becomes an index, the largest number that it may hold.</param>
    /// <param name="Lengths">For each argument that positions are compared with, how many positions there are.</param>
    /// <param name="Sizes">The arguments whose numbers become sizes.</param>
    public sealed record Found(bool Fits, IReadOnlyDictionary<int, long> Largest, IReadOnlyDictionary<int, long> Lengths, IReadOnlySet<int> Sizes);

    /// <summary>Finds what integer arguments may hold.</summary>
    /// <param name="symbols">What the symbolic sizes are.</param>
    public Found Of(IReadOnlyDictionary<string, long> symbols)
    {
        Value[] inputs = [.. graph.Arguments];
        var most = new long[inputs.Length];
        bool Try()
        {
            Follow(symbols, inputs, most);
            return fits;
        }
        if (!Try())
            return new(false, new Dictionary<int, long>(), lengths, becomeSizes);
        var (agree, becomes) = (lengths, becomeSizes);
        var largest = new Dictionary<int, long>();
        for (var i = 0; i < inputs.Length; i++)
        {
            if (!inputs[i].Type.Element.IsInteger())
                continue;
            most[i] = int.MaxValue;
            if (Try())
            {
                most[i] = 0;
                continue;
            }
            var (low, high) = (0L, (long)int.MaxValue);
            while (high - low > 1)
            {
                most[i] = low + (high - low) / 2;
                (low, high) = Try() ? (most[i], high) : (low, most[i]);
            }
            // The others may be added to it: each is tried with those before it as large as they may be.
            largest[i] = most[i] = low;
        }
        return new(true, largest, agree, becomes);
    }

    void Follow(IReadOnlyDictionary<string, long> symbols, Value[] inputs, long[] most)
    {
        (sizes, ranges, arguments, counts, lengths, becomeSizes, fits) = (new(symbols, StringComparer.Ordinal), [], [], [], [], [], true);
        for (var i = 0; i < inputs.Length; i++)
        {
            if (!inputs[i].Type.Element.IsInteger())
                continue;
            ranges[inputs[i]] = new(0, most[i]);
            arguments[inputs[i]] = i;
        }
        Follow(graph);
    }

    Range this[Value value] => ranges.TryGetValue(value, out var range) ? range : Range.Any;

    long? Size(Dim dim) => dim.Value ?? (dim.Symbols.All(sizes.ContainsKey) ? dim.Evaluate(s => sizes[s]) : null);

    void Follow(Graph body)
    {
        foreach (var node in body.Nodes)
        {
            switch (node.Op)
            {
                case Op.Bind bind:
                    Bind(bind, node.Inputs[0]);
                    break;
                case Op.If branch:
                    Branch(node, branch);
                    break;
                case Op.Loop loop:
                    Loop(node, loop);
                    break;
                default:
                    One(node);
                    break;
            }
        }
    }

    void Bind(Op.Bind bind, Value operand)
    {
        if (arguments.TryGetValue(operand, out var argument))
            becomeSizes.Add(argument);
        if (this[operand] is { IsKnown: true } range && range.Low == range.High && !arguments.ContainsKey(operand))
        {
            foreach (var symbol in bind.Symbols)
                sizes.TryAdd(symbol, (long)range.Low);
        }
    }

    void Branch(Node node, Op.If branch)
    {
        var decided = this[node.Inputs[0]];
        var operands = node.Inputs.Skip(1).ToArray();
        foreach (var (body, given, isTaken) in new[] { (branch.Then, operands[..branch.Then.Inputs.Count], decided.High != 0), (branch.Else, operands[branch.Then.Inputs.Count..], decided.Low == 0 || !decided.IsKnown) })
        {
            if (!isTaken)
                continue;
            Enter(body, given);
            Follow(body);
            foreach (var (output, result) in node.Outputs.Zip(body.Outputs))
                ranges[output] = ranges.TryGetValue(output, out var other) ? other.With(this[result]) : this[result];
        }
    }

    void Loop(Node node, Op.Loop loop)
    {
        var operands = node.Inputs.Skip(2).ToArray();
        ranges[loop.Body.Inputs[0]] = new(0, Math.Max(0, this[node.Inputs[0]].High - 1));
        // What goes from one iteration to the next may grow.
        Enter(loop.Body, operands, from: 1, leave: loop.Carried);
        Follow(loop.Body);
    }

    void Enter(Graph body, Value[] operands, int from = 0, int leave = 0)
    {
        foreach (var (inner, outer) in body.Inputs.Skip(from + leave).Zip(operands.Skip(leave)))
            Same(inner, outer);
    }

    void Same(Value inner, Value outer)
    {
        if (ranges.TryGetValue(outer, out var range))
            ranges[inner] = range;
        if (arguments.TryGetValue(outer, out var argument))
            arguments[inner] = argument;
        if (counts.TryGetValue(outer, out var count))
            counts[inner] = count;
    }

    void One(Node node)
    {
        if (node.Outputs.Count == 0)
            return;
        if (node.Op is Op.Gather or Op.GatherElements or Op.GatherND or Op.ScatterElements or Op.ScatterND)
            Index(node);
        if (node.Op is Op.Cast or Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold or Op.Reduce { Kind: Reduction.Max or Reduction.Min })
        {
            Same(node.Output, node.Inputs[0]);
            if (node.Op is Op.Slice or Op.Unfold or Op.Reduce)
                counts.Remove(node.Output);
            return;
        }
        if (node.Op is Op.Iota iota)
            counts[node.Output] = iota.Size;
        if (node.Op is Op.Map { Function: var function } && (function == Functions.Less || function == Functions.LessOrEqual))
            Compare(node.Inputs[0], node.Inputs[1]);
        var range = Result(node);
        if (range != Range.Any)
            ranges[node.Output] = range;
        if (node.Op is Op.TopK top && Size(node.Inputs[0].Shape[top.Axis]) is { } size)
            ranges[node.Outputs[1]] = new(0, size - 1);
    }

    void Compare(Value a, Value b)
    {
        foreach (var (position, length) in new[] { (a, b), (b, a) })
        {
            if (counts.TryGetValue(position, out var count) && arguments.TryGetValue(length, out var argument) && Size(count) is { } size)
                lengths.TryAdd(argument, size);
        }
    }

    /// <summary>Whether what is used as an index lies within what it indexes.</summary>
    void Index(Node node)
    {
        var (data, at) = (node.Inputs[0], this[node.Inputs[1]]);
        if (!double.IsFinite(at.High))
            return;
        long? limit = node.Op switch
        {
            Op.Gather gather => Size(data.Shape[gather.Axis]),
            Op.GatherElements gather => Size(data.Shape[gather.Axis]),
            Op.ScatterElements scatter => Size(data.Shape[scatter.Axis]),
            Op.GatherND gather => Last(node.Inputs[1].Shape, data.Shape, gather.BatchAxes),
            _ => Last(node.Inputs[1].Shape, data.Shape, 0),
        };
        var isEmpty = node.Inputs[1].Shape.Dims.Any(d => Size(d) == 0);
        if (limit is { } size && !isEmpty && at.High >= size)
            fits = false;
    }

    /// <summary>The smallest of the axes that positions index.</summary>
    long? Last(Shape positions, Shape data, int batchAxes) =>
        positions[positions.Rank - 1].Value is { } count && count + batchAxes <= data.Rank && count > 0 ? data.Dims.Skip(batchAxes).Take((int)count).Min(Size) : null;

    Range Result(Node node)
    {
        var x = node.Inputs.Select(v => this[v]).ToArray();
        switch (node.Op)
        {
            case Op.Constant or Op.Parameter { Format: null }:
                return Constant(node.Output, node.Op.Stored!);
            case Op.SizeTensor tensor:
                var known = tensor.Values.Select(Size).ToArray();
                return known.Length > 0 && known.All(k => k is not null) ? new(known.Min()!.Value, known.Max()!.Value) : Range.Any;
            case Op.Iota iota:
                return Size(iota.Size) is { } size ? new(0, Math.Max(0, size - 1)) : Range.Any;
            case Op.ArgReduce arg:
                return Size(node.Inputs[0].Shape[arg.Axis]) is { } along ? new(0, Math.Max(0, along - 1)) : Range.Any;
            case Op.Concat:
                return x.Aggregate((a, b) => a.With(b));
            case Op.Pad:
                return x[0].With(x.Length > 1 ? x[1] : x[0]);
            case Op.Gather or Op.GatherElements or Op.GatherND:
                return x[0];
            case Op.ScatterElements or Op.ScatterND:
                return x[0].With(x[2]);
            case Op.Reduce { Kind: Reduction.Sum } sum:
                return Times(x[0], Size(Dim.Product(sum.Axes.Select(a => node.Inputs[0].Shape[a]))));
            case Op.Accumulate { Kind: Reduction.Sum } running:
                return Times(x[0], Size(node.Inputs[0].Shape[running.Axis])) is var total && total.IsKnown ? total.With(x[0]).With(new(0, 0)) : Range.Any;
            case Op.Call call when ExactPrograms.Named(call.Program).Range is { } rangeOf && node.Inputs.All(v => v.Shape.Dims.All(d => Size(d) is not null)):
                return rangeOf([.. node.Inputs.Select(v => v.Type with { Shape = Shape.Of([.. v.Shape.Dims.Select(d => Size(d)!.Value)]) })]) is { } within ? new(within.Low, within.High) : Range.Any;
            case Op.Map map:
                return Map(map.Function, x);
            default:
                return Range.Any;
        }
    }

    static Range Times(Range x, long? count) => count is { } n && x.IsKnown ? new(Math.Min(x.Low, x.Low * n), Math.Max(x.High, x.High * n)) : Range.Any;

    Range Constant(Value value, Tensor tensor)
    {
        if (constants.TryGetValue(value, out var there))
        {
            if (IsCount(tensor))
                counts[value] = tensor.Count;
            return there;
        }
        if (tensor.Count == 0 || (tensor.Type.IsFloat() && tensor.Count > MostReal))
            return Range.Any;
        var (low, high) = (double.PositiveInfinity, double.NegativeInfinity);
        for (var i = 0L; i < tensor.Count; i++)
            (low, high) = (Math.Min(low, tensor.Float(i)), Math.Max(high, tensor.Float(i)));
        if (IsCount(tensor))
            counts[value] = tensor.Count;
        return constants[value] = new(low, high);
    }

    /// <summary>Whether it is 0, 1, 2 and so on.</summary>
    static bool IsCount(Tensor tensor) => tensor.Count > 1 && tensor.Dims.ToArray().Count(d => d != 1) == 1 && tensor.Float(0) == 0 && Enumerable.Range(0, (int)tensor.Count).All(i => tensor.Float(i) == i);

    static Range Map(Function function, Range[] x)
    {
        if (function == Functions.Select)
            return x[0] is { IsKnown: true } condition && condition.Low == condition.High ? x[condition.Low != 0 ? 1 : 2] : x[1].With(x[2]);
        if (x.Any(r => double.IsNaN(r.Low) || double.IsNaN(r.High)))
            return Range.Any;
        var (a, b) = (x[0], x.Length > 1 ? x[1] : x[0]);
        if (function == Functions.Maximum)
            return new(Math.Max(a.Low, b.Low), Math.Max(a.High, b.High));
        if (function == Functions.Minimum)
            return new(Math.Min(a.Low, b.Low), Math.Min(a.High, b.High));
        if (function == Functions.Less)
            return a.High < b.Low ? new(1, 1) : a.Low >= b.High ? new(0, 0) : new(0, 1);
        if (function == Functions.LessOrEqual)
            return a.High <= b.Low ? new(1, 1) : a.Low > b.High ? new(0, 0) : new(0, 1);
        if (function == Functions.Not && a.IsKnown)
            return new(a.High != 0 ? 0 : 1, a.Low == 0 ? 1 : 0);
        if (function.Result is FunctionResult.Truth or FunctionResult.Logical)
            return new(0, 1);
        if (!a.IsKnown || !b.IsKnown)
            return Range.Any;
        if (function == Functions.Plus)
            return new(a.Low + b.Low, a.High + b.High);
        if (function == Functions.Subtract)
            return new(a.Low - b.High, a.High - b.Low);
        if (function == Functions.Multiply)
            return Range.Of(a.Low * b.Low, a.Low * b.High, a.High * b.Low, a.High * b.High);
        if (function == Functions.Divide && b.Low > 0)
            return Range.Of(a.Low / b.Low, a.Low / b.High, a.High / b.Low, a.High / b.High);
        if (function == Functions.Modulo && b.Low > 0)
            return new(0, Math.Min(a.Low >= 0 ? a.High : double.PositiveInfinity, b.High - 1));
        if (function == Functions.Negate)
            return new(-a.High, -a.Low);
        if (function == Functions.Abs)
            return new(a.Low > 0 ? a.Low : a.High < 0 ? -a.High : 0, Math.Max(-a.Low, a.High));
        if (function == Functions.Floor || function == Functions.Ceiling || function == Functions.Round || function == Functions.Truncate)
            return new(Math.Floor(a.Low), Math.Ceiling(a.High));
        return Range.Any;
    }
}
