using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>Decides for each value of a graph whether it is stored or computed within the kernels that read it.</summary>
sealed class Stored
{
    readonly UsualSizes usual;
    readonly HashSet<Value> kept = [];
    readonly Dictionary<Value, HashSet<Node>> readers = [];
    // The reduction that the kernel of a node takes, and the node by the reduction.
    readonly Dictionary<Node, Node> heavyOf = [], rootOf = [];
    readonly Dictionary<Value, bool> aligned = [];
    readonly Dictionary<Value, List<Node>> users = [];
    readonly Dictionary<Value, Node> producers;
    readonly Dictionary<Node, int> position = [];
    // Merges of axes that are told apart wherever they are read, and those that somewhere are not.
    readonly HashSet<Node> clear = [], opaque = [];
    // Values that depend on constants alone.
    readonly HashSet<Value> constants = [];

    // A few numbers stand for others in a small table; a large one is read better once.
    static bool IsLookUp(Node node) => node.Op is Op.Gather { Axis: 0 } && node.Inputs[0].Shape.KnownCount <= 4096;

    /// <summary>Whether a value is stored.</summary>
    public bool IsStored(Value value) => kept.Contains(value);

    /// <summary>The reduction whose result the kernel of a node takes; the node itself where it is one.</summary>
    public Node? Heavy(Node root) => IsHeavy(root.Op) ? root : heavyOf.GetValueOrDefault(root);

    /// <summary>The node in whose kernel a reduction is computed.</summary>
    public Node Root(Node heavy) => rootOf.GetValueOrDefault(heavy, heavy);

    bool Take(Node root, Node heavy) => heavyOf.TryAdd(root, heavy) && rootOf.TryAdd(heavy, root);

    public Stored(Graph graph, UsualSizes usual)
    {
        this.usual = usual;
        foreach (var node in graph.Nodes)
        {
            position[node] = position.Count;
            foreach (var input in node.Inputs.Distinct())
            {
                if (!users.TryGetValue(input, out var list))
                    users[input] = list = [];
                list.Add(node);
            }
        }
        producers = graph.Nodes.SelectMany(n => n.Outputs.Select(v => (v, n))).ToDictionary(p => p.v, p => p.n);
        foreach (var node in graph.Nodes)
        {
            if ((node.Op is Op.Constant or Op.Parameter or Op.Map or Op.Cast or Op.Reshape or Op.Transpose or Op.Slice or Op.Broadcast || IsLookUp(node)) && node.Inputs.All(constants.Contains))
                constants.Add(node.Output);
        }
        kept.UnionWith(graph.Inputs);
        kept.UnionWith(graph.Outputs);
        foreach (var node in graph.Nodes.Reverse())
        {
            foreach (var top in Views.Is(node.Op) ? node.Outputs.Where(kept.Contains) : node.Inputs)
                SeeThrough(top, node);
            // A merge of axes that can't be told apart reads its operand in storage order; so do routines.
            if (node.Op is Op.Reshape reshape && Views.Merges(node.Inputs[0].Shape, reshape.Shape) && (!clear.Contains(node) || opaque.Contains(node)))
                kept.Add(node.Inputs[0]);
            if (TakesStored(node.Op))
                kept.UnionWith(node.Inputs);
            foreach (var output in node.Outputs)
                Decide(node, output);
        }
    }

    /// <summary>
    /// Follows a value down through what only moves elements, and finds out where merged axes can be told apart. What a contraction
    /// reads so, with zeros around it, is stored as it reads it where that is less than storing the padded tensor.
    /// </summary>
    void SeeThrough(Value top, Node reader)
    {
        Index[] at = [.. top.Shape.Dims.Select((d, i) => (Index)new Axis($"i{i}", d))];
        var (merges, padded) = (false, 0.0);
        for (var value = top; producers.TryGetValue(value, out var node) && Views.Is(node.Op); value = node.Inputs[0])
        {
            if (value != top && kept.Contains(value))
                break;
            var isMerge = node.Op is Op.Reshape reshape && Views.Merges(node.Inputs[0].Shape, reshape.Shape);
            if (Views.Before(node, at, producers.GetValueOrDefault) is not { } before)
            {
                opaque.Add(node);
                return;
            }
            if (isMerge)
                clear.Add(node);
            merges |= isMerge;
            if (node.Op is Op.Pad)
                padded = Math.Max(padded, Estimate(value.Shape));
            at = before;
        }
        if (merges && padded > 0 && reader.Op is Op.Contract or Op.Reduce or Op.ArgReduce && Estimate(top.Shape) <= padded)
            kept.Add(top);
    }

    /// <summary>Whether what a reduction's kernel would go on to compute reads a padded tensor: vectors of it have ends then.</summary>
    bool ReadsPadded(Value value)
    {
        if (kept.Contains(value) || unpadded.Contains(value) || !producers.TryGetValue(value, out var node))
            return false;
        if (node.Op is Op.Pad || ((Views.Is(node.Op) || node.Op is Op.Map or Op.Cast) && node.Inputs.Any(ReadsPadded)))
            return true;
        unpadded.Add(value);
        return false;
    }

    // What is once found to read no padded tensor never will, since more and more is stored: without this, each value that
    // is read twice would double the ways through a graph.
    readonly HashSet<Value> unpadded = [];

    /// <summary>The nodes in whose kernels a value is read, if it is not stored.</summary>
    HashSet<Node> RootsOf(Value value)
    {
        var roots = new HashSet<Node>();
        foreach (var user in users.GetValueOrDefault(value) ?? [])
        {
            if (user.Outputs.Count != 1 || IsOwn(user.Op) || IsHeavy(user.Op) || kept.Contains(user.Output))
                roots.Add(user);
            else
                roots.UnionWith(readers[user.Output]);
        }
        return roots;
    }

    static bool IsSame(Node user, Value value) => user.Op is Op.Map or Op.Cast && SameCount(user.Output, value)
        || (user.Op is Op.Reshape r && Views.OnlyUnits(value.Shape, r.Shape));

    /// <summary>
    /// Stores, in place of a reduction's result that the kernel of its reader cannot take, the last value on the way there that
    /// is computed from it element by element and from no reduction that is computed later: what is added to it need not be
    /// kept until then.
    /// </summary>
    bool StoreFurther(Node heavy)
    {
        var value = heavy.Output;
        (Node Node, List<Value> Within)? root = null;
        while (users.GetValueOrDefault(value) is [{ Op: Op.Map or Op.Cast, Outputs.Count: 1 } user] && IsSame(user, value) && !kept.Contains(user.Output)
            && user.Output.Type.Element == ElementType.Float32 && !user.Inputs.Any(v => (IsSlow(v.Type.Element) && !IsWholeSum(v)) || ReadsPadded(v)) && user.Inputs.All(v => SameCount(v, value) || v.Shape.KnownCount is not null))
        {
            var within = new List<Value>();
            if (!Precede(user, heavy, within))
                break;
            (root, value) = ((user, within), user.Output);
        }
        if (root is not { } found)
            return false;
        kept.Add(found.Node.Output);
        Take(found.Node, heavy);
        foreach (var changed in found.Within.Where(readers.ContainsKey).OrderByDescending(v => position[producers[v]]))
            readers[changed] = RootsOf(changed);
        return true;
    }

    /// <summary>Whether all reductions that a node's kernel would compute come before one, or are that one.</summary>
    bool Precede(Node node, Node heavy, List<Value> within)
    {
        foreach (var input in node.Inputs)
        {
            if (kept.Contains(input) || !producers.TryGetValue(input, out var producer) || position[producer] < position[heavy])
                continue;
            within.Add(input);
            if (producer != heavy && (IsHeavy(producer.Op) || IsOwn(producer.Op) || !Precede(producer, heavy, within)))
                return false;
        }
        return true;
    }

    void Decide(Node node, Value value)
    {
        var roots = readers[value] = RootsOf(value);
        aligned[value] = (users.GetValueOrDefault(value) ?? []).All(user => IsSame(user, value) && (user.Outputs.Count != 1 || kept.Contains(user.Output) || aligned[user.Output]));
        if (kept.Contains(value))
            return;
        var only = roots.Count == 1 ? roots.First() : null;
        var store = node.Op switch
        {
            Op.Constant constant => constant.Value.Count > 1,
            Op.Parameter parameter => parameter.Value.Count > 1 || !parameter.IsFrozen,
            Op.Transpose or Op.Pad when IsLaidOut(node) => true,
            Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold or Op.Iota or Op.SizeTensor => false,
            _ when IsOwn(node.Op) => true,
            _ when IsHeavy(node.Op) => (only is null || IsHeavy(only.Op) || IsOwn(only.Op) || !aligned[value] || only.Inputs.Any(ReadsPadded) || !Take(only, node)) && !StoreFurther(node),
            // What is made of constants at run time is weights that are stored in fewer bits: decoded wherever they are read.
            _ when constants.Contains(value) => Widens(node) && !roots.All(r => r.Op is Op.Contract && (IsAlongColumns(r, 0) || IsAlongColumns(r, 1))),
            // Whole numbers are widened as they are multiplied, and become real ones as their sums are stored.
            Op.Cast { To: ElementType.Int32 } when node.Inputs[0].Type.Element == ElementType.Int16 && roots.All(r => r.Op is Op.Contract) => false,
            _ when only is null => !IsReadAnew(node, roots),
            Op.Cast { To: ElementType.Float32 } when IsWholeSum(node.Inputs[0]) => Repeats(node, value, only),
            _ => Crosses(node, value, only) || Repeats(node, value, only),
        };
        if (store)
            kept.Add(value);
    }

    /// <summary>
    /// Whether a value is moved so that its channels lie side by side, and is read in windows by contractions alone: each element is
    /// read by several windows, and by all rows of the other operand.
    /// </summary>
    bool IsLaidOut(Node node) => node.Op switch
    {
        Op.Transpose { Order: var order } => order.Count > 0 && order[^1] != order.Count - 1 && IsReadByContractions(node.Output, false),
        Op.Pad { Mode: Padding.Constant } => producers.GetValueOrDefault(node.Inputs[0]) is { Op: Op.Transpose } moved && moved.Inputs.Count == 1 && IsLaidOut(moved),
        _ => false,
    };

    bool IsReadByContractions(Value value, bool inWindows) => users.GetValueOrDefault(value) is { Count: > 0 } list && list.All(user => user.Op switch
    {
        Op.Unfold => IsReadByContractions(user.Output, true),
        Op.Reshape or Op.Pad => IsReadByContractions(user.Output, inWindows),
        Op.Transpose => inWindows && IsReadByContractions(user.Output, inWindows),
        Op.Contract contract => inWindows || user.Inputs.Any(v => v != value && IsOfWindows(v)),
        _ => false,
    });

    bool IsOfWindows(Value value) => producers.GetValueOrDefault(value) is { } node && (node.Op is Op.Unfold || (node.Op is Op.Reshape && IsOfWindows(node.Inputs[0])));

    /// <summary>
    /// Whether an operand of a contraction is constants that lie along the columns of its result, and that the other operand is
    /// multiplied with for all of its rows.
    /// </summary>
    public bool IsAlongColumns(Node node, int operand)
    {
        var (left, right, result) = Einsum.Split(((Op.Contract)node.Op).Equation);
        var (own, other) = operand == 0 ? (left, right) : (right, left);
        var column = result.Select((c, i) => (Letter: c, Size: node.Output.Shape[i].Value)).LastOrDefault(c => c.Size != 1);
        return column.Size >= LeastColumns && own.Contains(column.Letter) && !own.Any(c => other.Contains(c) && result.Contains(c)) && !other.Contains(column.Letter)
            && constants.Contains(node.Inputs[operand]) && !constants.Contains(node.Inputs[1 - operand]) && node.Output.Type.Element == ElementType.Float32;
    }

    // Fewer are not worth a panel.
    const int LeastColumns = 8;

    /// <summary>Whether a value costs as little to compute anew as to read, for kernels that read each element once: it is a cheap function of one that is stored.</summary>
    bool IsReadAnew(Node node, HashSet<Node> roots) => node.Op is Op.Map { Function.Cost: <= 1 } && node.Inputs.Distinct().ToArray() is [var x] && SameCount(x, node.Output)
        && x.Type.Element == node.Output.Type.Element && producers.TryGetValue(x, out var source) && source.Op is not (Op.Map or Op.Cast) && roots.All(r => r.Op is Op.Map or Op.Reduce)
        && (users[x].Count > 1 || kept.Contains(x));

    bool IsWholeSum(Value value) => producers.GetValueOrDefault(value) is { Op: Op.Contract, Output.Type.Element: ElementType.Int32 };

    bool Widens(Node node) => node.Op is Op.Cast cast
        && producers.TryGetValue(node.Inputs[0], out var source) && source.Op.Stored is { } half && IsWidening(half.Type, cast.To);

    /// <summary>Whether integers and floats would meet in one kernel, which then could not use vectors.</summary>
    static bool Crosses(Node node, Value value, Node root) => value.Shape.KnownCount != 1
        && ((node.Inputs.Any(v => IsSlow(v.Type.Element)) && !IsSlow(value.Type.Element))
            || (IsSlow(value.Type.Element) && root.Outputs.Count > 0 && !IsSlow(root.Output.Type.Element)));

    /// <summary>Whether computing each element whenever it is read would cost more than storing it.</summary>
    bool Repeats(Node node, Value value, Node root)
    {
        var cost = node.Op is Op.Map map ? map.Function.Cost : 1;
        return root.Op switch
        {
            Op.Reduce or Op.ArgReduce => Estimate(root.Inputs[0].Shape) > 1.5 * Estimate(value.Shape) && cost > 2,
            // A convolution's operand is stored with zeros around it in any case.
            Op.Convolve convolve => !(convolve.Low.Concat(convolve.High).Any(p => p > 0) && Estimate(root.Inputs[0].Shape) <= 1.5 * Estimate(value.Shape) && root.Inputs[1] != value),
            Op.ConvolveTransposed => Estimate(root.Inputs[0].Shape) > 1.5 * Estimate(value.Shape) || root.Inputs[1] == value,
            var op when IsHeavy(op) => true,
            _ => root.Outputs.Count == 0 || (Estimate(root.Output.Shape) > 1.5 * Estimate(value.Shape) && cost > 2),
        };
    }

    static bool IsSlow(ElementType type) => type is not (ElementType.Float32 or ElementType.Bool);

    double Estimate(Shape shape) => usual.Of(shape.Count);

    static bool SameCount(Value a, Value b) => a.Shape.Count.Equals(b.Shape.Count) && Views.OnlyUnits(a.Shape, b.Shape);

    /// <summary>Whether a constant of the narrower type can stay so in the file.</summary>
    public static bool IsWidening(ElementType from, ElementType to) =>
        to == ElementType.Float32 && from is ElementType.Float16 or ElementType.BFloat16;

    /// <summary>Reductions: kernels that can go on with what they have come to.</summary>
    public static bool IsHeavy(Op op) => op is Op.Reduce or Op.ArgReduce or Op.Contract or Op.Convolve or Op.ConvolveTransposed;

    static bool IsOwn(Op op) => op is Op.Concat || TakesStored(op);

    static bool TakesStored(Op op) => op is Op.Random or Op.ScatterElements or Op.ScatterND or Op.Accumulate or Op.TopK or Op.Call or Op.If or Op.Loop or Op.Bind;
}
