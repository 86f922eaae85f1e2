using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>What a program does next.</summary>
abstract record Step
{
    private Step() { }

    /// <summary>The buffers that a step itself reads or writes, not those of steps within it.</summary>
    public IEnumerable<Buffer> Buffers => this switch
    {
        Nest nest => nest.Reads.Prepend(nest.Target),
        Fused fused => fused.Members.SelectMany(m => m.Buffers).Except(fused.Private.Select(p => p.Buffer)),
        Routine routine => routine.Inputs.Items.Concat(routine.Outputs.Items).Select(i => i.Buffer),
        Bind bind => [bind.Source],
        Demanded => [],
        Copy copy => [copy.From, copy.To],
        If branch => [branch.Condition],
        Loop loop => [loop.Trips, loop.Begin, loop.Iteration, loop.GoOn, .. loop.Carry.Concat(loop.Stacks).SelectMany(p => new[] { p.From, p.To })],
        _ => throw new InvalidOperationException(),
    };

    /// <summary>The nodes that are computed in it, in the order in which they were come upon.</summary>
    public IReadOnlyCollection<Node> Nodes { get; init; } = [];

    /// <summary>Elements computed in nested loops, each perhaps with a reduction in it.</summary>
    /// <param name="Source">Which nodes it is.</param>
    /// <param name="Axes">The loops over the result, outermost first.</param>
    /// <param name="Target">What is written.</param>
    /// <param name="At">Where each element goes.</param>
    /// <param name="Value">Each element.</param>
    /// <param name="Fold">The reduction whose result <paramref name="Value"/> takes, if any.</param>
    public sealed record Nest(string Source, Axis[] Axes, Buffer Target, Index At, Expr Value, Fold? Fold) : Step
    {
        /// <summary>The buffers that it reads.</summary>
        public IEnumerable<Buffer> Reads => Fold is null ? Value.Loads : Value.Loads.Concat(Fold.Term.Loads);

        /// <summary>Whether a number that it reads may be none that it can go on with: an index, or a divisor of integers.</summary>
        public bool CanFail => At.Dynamic.Select(d => d.Value).Append(Value).Concat(Fold is null ? [] : [Fold.Term]).SelectMany(Vectorization.Of)
            .Any(e => e is Expr.Checked { IsSure: false } || (e is Expr.Apply { Function.DividesIntegers: true } apply && apply.Type.IsInteger()));

        /// <summary>Whether each element can be written where one of a buffer was, which is the only one of that buffer that it is computed from.</summary>
        public bool Replaces(Buffer buffer)
        {
            return Fold is null && At.Dynamic.Count == 0 && Axes.All(a => a.Extent.Value == 1 || At.Stride(a).Value != 0) && IsOwn(Value);

            bool IsOwn(Expr e) => e is Expr.Load load && load.Buffer == buffer ? load.Index.Equals(At) : e.Operands.All(IsOwn);
        }

        /// <summary>The buffers that its kernel may read in place of a copy with zeros around it.</summary>
        public IEnumerable<Buffer> Unpadded => Fold?.Unpadded?.Loads ?? [];
    }

    /// <summary>Nests that are computed together, some rows at a time: what they leave for one another stays in the cache.</summary>
    /// <param name="Rows">The loops that all of them have, outermost first; each of these objects is a loop of each nest.</param>
    /// <param name="Members">The nests, in their order.</param>
    /// <param name="Private">The buffers that nothing else reads, and how many elements of each a row has.</param>
    public sealed record Fused(Axis[] Rows, Nest[] Members, (Buffer Buffer, Dim Size)[] Private) : Step;

    /// <summary>An operation that is a routine of its own, on contiguous buffers.</summary>
    public sealed record Routine(Op Op, string Source, Storeds Inputs, Storeds Outputs) : Step;

    /// <summary>Reads sizes.</summary>
    /// <param name="Source">Where they are.</param>
    /// <param name="Symbols">What they are called.</param>
    /// <param name="Node">Which node needs them.</param>
    public sealed record Bind(Buffer Source, EquatableArray<string> Symbols, string Node) : Step;

    /// <summary>Sizes are checked: what follows has a meaning, and a place for its results, only where all of it holds.</summary>
    /// <param name="Conditions">What is demanded, and by which node.</param>
    public sealed record Demanded((Condition Condition, string Source)[] Conditions) : Step;

    /// <summary>A copy of a whole buffer.</summary>
    public sealed record Copy(Buffer From, Buffer To) : Step;

    /// <summary>One of two lists of steps.</summary>
    public sealed record If(Buffer Condition, Step[] Then, Step[] Else) : Step;

    /// <summary>Steps repeated.</summary>
    /// <param name="Trips">The largest number of iterations, an Int64.</param>
    /// <param name="Begin">Whether to begin.</param>
    /// <param name="Iteration">Where the body finds the iteration, an Int64.</param>
    /// <param name="GoOn">Where the body leaves whether to go on.</param>
    /// <param name="Body">One iteration.</param>
    /// <param name="Carry">At the end of each iteration, what is copied where.</param>
    /// <param name="Stacks">What the body leaves and where it is stacked.</param>
    /// <param name="Count">The symbol for the number of iterations, where only the body decides.</param>
    public sealed record Loop(Buffer Trips, Buffer Begin, Buffer Iteration, Buffer GoOn, Step[] Body, (Buffer From, Buffer To)[] Carry, (Buffer From, Buffer To)[] Stacks, string? Count) : Step;
}

/// <summary>Buffers with the shapes that they have for a routine.</summary>
sealed record Storeds(params (Buffer Buffer, Shape Shape)[] Items);

/// <summary>A reduction within a kernel.</summary>
/// <param name="Kind">How elements are combined.</param>
/// <param name="Axes">The loops over what is combined, outermost first.</param>
/// <param name="Term">What is combined.</param>
/// <param name="Result">The expression that stands for what it comes to.</param>
/// <param name="Arg">For the position of the largest or smallest instead of it: whether the last of equals is taken.</param>
sealed record Fold(Reduction Kind, Axis[] Axes, Expr Term, Expr.Accumulated Result, bool? Arg = null)
{
    /// <summary>
    /// For the operand of a convolution that is stored with zeros around it, which is the first factor of <see cref="Term"/>: the
    /// same element read from where it is stored without them. A kernel that reads it so leaves the copy out.
    /// </summary>
    public Expr? Unpadded { get; init; }

    /// <summary>Whether a kernel that reads a buffer in place of the copy with zeros around it leaves out the nest that makes the copy.</summary>
    public bool LeavesOut(Step.Nest copy, Buffer read) => Unpadded is not null && read != copy.Target && Term.Loads.Contains(copy.Target);

    /// <summary>Whether it moves a window over maps, or along rows in steps, which a kernel of its own does best.</summary>
    public bool IsWindow { get; init; }
}

/// <summary>A graph as kernels in an order, on buffers.</summary>
/// <param name="Name">The name of the graph.</param>
/// <param name="Graph">The graph; of a program that was read as text its arguments and results alone.</param>
/// <param name="Inputs">The buffers of its arguments.</param>
/// <param name="Outputs">The buffers of its results.</param>
/// <param name="Buffers">All buffers.</param>
/// <param name="Steps">What is done, in order.</param>
/// <param name="Usual">How large its sizes usually are.</param>
sealed record LoweredProgram(string Name, Graph Graph, Buffer[] Inputs, (Buffer Buffer, Shape Shape)[] Outputs, Buffer[] Buffers, Step[] Steps, UsualSizes Usual)
{
    /// <summary>The buffers that are kept from run to run, in the order of the graph's states.</summary>
    public IEnumerable<Buffer> States => Buffers.Where(b => b.Storage == Storage.State);

    /// <summary>All steps, those within others too, each after the one that it is within.</summary>
    public IEnumerable<Step> AllSteps() => Within(Steps);

    /// <summary>The steps that compute, one after the other, those within branches and loops too: nests that are computed together are one.</summary>
    public IEnumerable<Step> Runs()
    {
        var together = AllSteps().OfType<Step.Fused>().SelectMany(f => f.Members).ToHashSet<Step>(ReferenceEqualityComparer.Instance);
        return AllSteps().Where(s => s is not Step.Demanded && !together.Contains(s)).Distinct(ReferenceEqualityComparer.Instance).Cast<Step>();
    }

    /// <summary>Some steps and those within them, each after the one that it is within.</summary>
    public static IEnumerable<Step> Within(IEnumerable<Step> steps) => steps.SelectMany(s => s switch
    {
        Step.If branch => Within(branch.Then.Concat(branch.Else)).Prepend(s),
        Step.Loop loop => Within(loop.Body).Prepend(s),
        Step.Fused fused => fused.Members.Prepend(s),
        _ => [s],
    });
}
