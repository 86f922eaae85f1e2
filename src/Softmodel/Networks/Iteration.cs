using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Networks;

/// <summary>Loops in graphs, written as one iteration.</summary>
static class Iteration
{
    /// <summary>What an iteration gives.</summary>
    /// <param name="Carried">What the next one begins with.</param>
    /// <param name="Stacked">What is stacked along a new first axis.</param>
    /// <param name="GoOn">Whether there is a next one; always, where it is left out.</param>
    public sealed record Turn(Term[] Carried, Term[] Stacked, Term? GoOn = null);

    /// <summary>Adds a loop.</summary>
    /// <param name="builder">The graph.</param>
    /// <param name="most">The largest number of iterations; none, where it is left out.</param>
    /// <param name="begin">Whether to begin.</param>
    /// <param name="initial">What the first iteration begins with.</param>
    /// <param name="turn">One iteration, of its number and what the last one left; null where it can't be written.</param>
    /// <returns>What the last iteration left, then the stacks.</returns>
    public static Term[]? Loop(GraphBuilder builder, Term? most, Term? begin, Term[] initial, Func<Term, Term[], Turn?> turn)
    {
        var body = builder.Body("body");
        var iteration = new Term(body, body.Input("iteration", new(ElementType.Int64, Shape.Scalar)));
        var carried = initial.Select((x, i) => new Term(body, body.Input($"carried{i}", x.Type))).ToArray();
        body.Origin = builder.Origin;
        if (turn(iteration, carried) is not { } result)
            return null;
        var always = Tensor.Scalar(true);
        var goOn = (result.GoOn ?? iteration.Constant(always)).Reshape(Shape.Scalar);
        var first = (begin ?? new(builder, builder.Constant(always))).Reshape(Shape.Scalar);
        var trips = most?.Cast(ElementType.Int64).Reshape(Shape.Scalar) ?? new(builder, builder.Constant(Tensor.Scalar(long.MaxValue)));
        if (!result.Carried.Select(x => x.Type).SequenceEqual(initial.Select(x => x.Type))
            && trips.Contents is [{ Value: > 0 and <= MostUnrolled and var number }] && first.Known?.IsAll(1) == true)
            return Unrolled(builder, (int)number, initial, turn);
        // Sizes that may be others by their names are demanded not to be.
        Term[] left = [.. result.Carried.Zip(initial, (x, first) => x.Type != first.Type && CanBe(x.Type, first.Type) ? x.Reshape(first.Shape) : x)];
        Value[] operands = [trips.Value, first.Value, .. initial.Select(x => x.Value), .. body.Captures];
        // The number of iterations is known where only it ends the loop; a symbol must be one that comes in with an operand.
        var isCounted = goOn.Known?.IsAll(1) == true && first.Known?.IsAll(1) == true;
        var count = isCounted && trips.Contents is [var known] && known.Symbols.All(s => operands.Any(v => v.Shape.Dims.Any(d => d.Symbols.Contains(s))))
            ? Dim.Max(known, 0)
            : builder.FreshSymbol("turns");
        var graph = body.Build([goOn.Value, .. left.Select(x => x.Value), .. result.Stacked.Select(x => x.Value)]);
        return [.. builder.ApplyAll(new Op.Loop(graph, initial.Length, count), operands).Select(v => new Term(builder, v))];
    }

    static bool CanBe(TensorType a, TensorType b) => a.Element == b.Element && a.Shape.Rank == b.Shape.Rank
        && a.Shape.Dims.Zip(b.Shape.Dims, (x, y) => !(x - y - 1).IsNeverNegative && !(y - x - 1).IsNeverNegative).All(may => may);

    const int MostUnrolled = 256;

    /// <summary>The iterations one after the other: each can have sizes of its own.</summary>
    static Term[]? Unrolled(GraphBuilder builder, int count, Term[] carried, Func<Term, Term[], Turn?> turn)
    {
        var stacks = new List<Term[]>();
        for (var i = 0L; i < count; i++)
        {
            if (turn(new(builder, builder.Constant(Tensor.Scalar(i))), carried) is not { } result)
                return null;
            carried = result.Carried;
            stacks.Add([.. result.Stacked.Select(x => x.Unsqueeze(0))]);
            if (result.GoOn is { } goOn && (goOn.Known ?? throw new SoftmodelException("a loop that changes the sizes of what it carries must run a number of times known at build time")).IsAll(0))
                break;
        }
        return [.. carried, .. stacks[0].Select((x, i) => x.Concat(0, [.. stacks.Skip(1).Select(s => s[i])]))];
    }

    /// <summary>A value of the graph around a body, within it.</summary>
    public static Term Within(Term body, Term x) => new(body.Builder, body.Builder.Capture(x.Value));

    /// <summary>The element of a scanned operand for an iteration.</summary>
    public static Term At(Term iteration, Term x, int axis, bool reverse)
    {
        var last = new Term(iteration.Builder, iteration.Builder.Sizes((Dim[])[x.Shape[axis] - 1], Shape.Scalar));
        return Within(iteration, x).Gather(reverse ? last - iteration : iteration, axis);
    }

    public static Term Reversed(Term x, int axis) => x.Slice(axis, x.Shape[axis] - 1, x.Shape[axis], -1);
}
