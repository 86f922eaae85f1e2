using System.Runtime.InteropServices;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Buffer = Softmodel.Lowering.Buffer;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Interpret;

/// <summary>
/// Runs a schedule step by step, with the buffers where its memory plan puts them: what lowering decided, without a line of C#. It is
/// slow and plain, and refuses to read or write beyond a buffer.
/// </summary>
/// <remarks>Constants are read as they were before they were packed, and panels and tiles are the sums that they stand for.</remarks>
sealed class Interpreter
{
    // So many elements, or terms of their reductions, are computed at a time.
    const int Together = 1 << 16;

    readonly Schedule schedule;
    readonly ulong seed;
    readonly Dictionary<Buffer, (int, int)> slotOf = [];
    readonly Dictionary<(int, int), byte[]> slots = [];
    // Inputs, constants, states, and what only one kernel sees.
    readonly Dictionary<Buffer, byte[]> own = [];
    readonly Dictionary<string, long> sizes = new(StringComparer.Ordinal);

    Interpreter(Schedule schedule, ulong seed)
    {
        (this.schedule, this.seed) = (schedule, seed);
        foreach (var (buffer, place) in schedule.Memory.Places)
            slotOf[buffer] = place;
    }

    /// <summary>The outputs of a schedule; its states begin with zeros.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="arguments">One tensor for each argument of its graph.</param>
    /// <param name="seed">What random numbers are drawn from.</param>
    /// <exception cref="ModelException">A size or an index is not what it has to be.</exception>
    /// <exception cref="InvalidOperationException">A step reads or writes beyond a buffer: an error of the compiler.</exception>
    public static Tensor[] Run(Schedule schedule, IReadOnlyList<Tensor> arguments, ulong seed = 0)
    {
        var run = new Interpreter(schedule, seed);
        var (program, given) = (schedule.Program, schedule.Program.Graph.Arguments.ToArray());
        foreach (var (i, axis, symbol, rest) in Graph.SizeBindings(given))
            run.sizes[symbol] = arguments[i].Dims[axis] - run.Size(rest);
        foreach (var (buffer, tensor) in program.Inputs.Zip(arguments))
            run.own[buffer] = tensor.Bytes.ToArray();
        foreach (var state in program.States)
            run.own[state] = new byte[run.Size(state.Count) * state.Type.Size()];
        run.Steps(program.Steps);
        return [.. program.Outputs.Select(o => run.Whole(o.Buffer, o.Shape))];
    }

    long Size(Dim dim) => dim.Evaluate(s => sizes[s]);

    long[] Dims(Shape shape) => [.. shape.Dims.Select(Size)];

    /// <summary>The bytes of a buffer, as many as it has now.</summary>
    Span<byte> Memory(Buffer buffer)
    {
        var length = checked((int)(Size(buffer.Count) * buffer.Type.Size()));
        if (buffer.Storage == Storage.Weight && !own.ContainsKey(buffer))
            own[buffer] = Elements.Cast(buffer.Constant!, buffer.Type).Bytes.ToArray();
        if (slotOf.TryGetValue(buffer, out var slot))
        {
            var (segment, number) = slot;
            var all = schedule.Memory.Segments[segment];
            // What overlaps lies in one piece, which is whole from the beginning.
            var (at, whole) = all[number].At is { } from ? ((int)from, checked((int)all.Max(s => s.At!.Value + MemoryPlan.Room(s)))) : (0, length);
            ref var bytes = ref CollectionsMarshal.GetValueRefOrAddDefault(slots, all[number].At is null ? slot : (segment, -1), out _);
            Grow(ref bytes, whole);
            return bytes.AsSpan(at, length);
        }
        ref var there = ref CollectionsMarshal.GetValueRefOrAddDefault(own, buffer, out _);
        Grow(ref there, length);
        return there.AsSpan(0, length);

        static void Grow(ref byte[]? bytes, int length)
        {
            var before = bytes?.Length ?? 0;
            if (before >= length && bytes is not null)
                return;
            Array.Resize(ref bytes, length);
            // What was never written is no number that anyone expects.
            bytes.AsSpan(before).Fill(0xcd);
        }
    }

    Tensor Whole(Buffer buffer, Shape shape) => new(buffer.Type, Dims(shape), Memory(buffer).ToArray());

    void Steps(Step[] steps)
    {
        foreach (var step in steps)
            One(step);
    }

    void One(Step step)
    {
        switch (step)
        {
            case Step.Nest nest:
                if (schedule.IsTaken(nest))
                    break;
                if (schedule.Operands.GetValueOrDefault(nest) is { } operand)
                    Compute(operand.Nest);
                Compute(nest);
                break;
            case Step.Fused fused:
                foreach (var member in fused.Members)
                    Compute(member);
                break;
            case Step.Routine routine:
                var op = OpSizes.Substitute(routine.Op, s => sizes.TryGetValue(s, out var size) ? (Dim)size : null);
                var results = Rules.Apply(op, [.. routine.Inputs.Items.Select(i => Whole(i.Buffer, i.Shape))], seed, routine.Source);
                foreach (var ((buffer, shape), result) in routine.Outputs.Items.Zip(results))
                {
                    foreach (var (dim, size) in shape.Dims.Zip(result.Dims.ToArray()).Where(d => MemoryPlan.Defines(step).Contains(d.First.SymbolName)))
                        sizes[dim.SymbolName!] = size;
                    result.Bytes.Span.CopyTo(Memory(buffer));
                }
                break;
            case Step.Bind bind:
                var said = MemoryMarshal.Cast<byte, long>(Memory(bind.Source));
                for (var i = 0; i < bind.Symbols.Count; i++)
                    sizes[bind.Symbols[i]] = said[i] >= 0 ? said[i] : throw new ModelException(ModelError.Shape, $"{bind.Node}: a size is {said[i]}");
                break;
            case Step.Demanded demanded:
                foreach (var (condition, _) in demanded.Conditions)
                    Check.Demand(condition.Demand, condition.Text, [.. condition.Sizes.Select(Size)]);
                break;
            case Step.Copy copy:
                Memory(copy.From).ToArray().CopyTo(Memory(copy.To));
                break;
            case Step.If branch:
                Steps(Memory(branch.Condition)[0] != 0 ? branch.Then : branch.Else);
                break;
            case Step.Loop loop:
                Loop(loop);
                break;
        }
    }

    void Loop(Step.Loop loop)
    {
        var (trips, i) = (MemoryMarshal.Read<long>(Memory(loop.Trips)), 0L);
        for (var goesOn = Memory(loop.Begin)[0] != 0; goesOn && i < trips; i++, goesOn = Memory(loop.GoOn)[0] != 0)
        {
            MemoryMarshal.Write(Memory(loop.Iteration), i);
            Steps(loop.Body);
            foreach (var (from, to) in loop.Stacks)
            {
                var bytes = Memory(from).ToArray();
                bytes.CopyTo(Memory(to)[checked((int)(i * bytes.Length))..]);
            }
            foreach (var (from, to) in loop.Carry)
                Memory(from).ToArray().CopyTo(Memory(to));
        }
        if (loop.Count is { } symbol)
            sizes[symbol] = i;
    }

    /// <summary>Positions in loops: a number of each for each of them.</summary>
    sealed record Places(int Count, Dictionary<Axis, long[]> At)
    {
        /// <summary>Some of them.</summary>
        public Places Of(int[] chosen) => new(chosen.Length, At.ToDictionary(a => a.Key, a => Array.ConvertAll(chosen, i => a.Value[i])));
    }

    /// <summary>The positions from one on in loops that count together, the last the fastest.</summary>
    Places Counted(Axis[] axes, long from, int count)
    {
        var at = axes.ToDictionary(a => a, _ => new long[count]);
        for (var i = 0; i < count; i++)
        {
            var rest = from + i;
            foreach (var axis in Enumerable.Reverse(axes))
            {
                var extent = Size(axis.Extent);
                (at[axis][i], rest) = (rest % extent, rest / extent);
            }
        }
        return new(count, at);
    }

    void Compute(Step.Nest nest)
    {
        var all = nest.Axes.Aggregate(1L, (n, a) => n * Size(a.Extent));
        var terms = nest.Fold is null ? 1 : nest.Fold.Axes.Aggregate(1L, (n, a) => n * Size(a.Extent));
        var each = (int)Math.Max(1, Together / Math.Max(1, terms));
        for (long from = 0; from < all; from += each)
        {
            var places = Counted(nest.Axes, from, (int)Math.Min(each, all - from));
            var known = new Dictionary<Expr, Tensor>();
            if (nest.Fold is { } fold)
                known[fold.Result] = Folded(fold, places, checked((int)terms));
            var (value, at) = (Value(nest.Value, places, known), Positions(nest.At, places, known));
            var size = nest.Target.Type.Size();
            var to = Memory(nest.Target);
            for (var i = 0; i < places.Count; i++)
                value.Bytes.Span.Slice(i * size, size).CopyTo(Element(to, nest.Target, at[i]));
        }
    }

    static Span<byte> Element(Span<byte> memory, Buffer buffer, long at)
    {
        var size = buffer.Type.Size();
        return at >= 0 && at < memory.Length / size ? memory.Slice((int)at * size, size)
            : throw new InvalidOperationException($"element {at} of {buffer.Name} is beyond its {memory.Length / size}");
    }

    /// <summary>The reduction of each position.</summary>
    Tensor Folded(Fold fold, Places places, int terms)
    {
        var inner = Counted(fold.Axes, 0, terms);
        var at = places.At.ToDictionary(a => a.Key, a => Each(i => a.Value[i / terms]));
        foreach (var (axis, values) in inner.At)
            at[axis] = Each(i => values[i % terms]);
        var term = terms == 0 ? new Tensor(fold.Term.Type, [places.Count, 0], Array.Empty<byte>()) : Value(fold.Term, new(places.Count * terms, at), []).Reshape(places.Count, terms);
        Op op = fold.Arg is { } last ? new Op.ArgReduce(fold.Kind == Reduction.Max, 1, last) : new Op.Reduce(fold.Kind, [1]);
        return Rules.Apply(op, [term], 0, "")[0];

        long[] Each(Func<int, long> value)
        {
            var all = new long[places.Count * terms];
            for (var i = 0; i < all.Length; i++)
                all[i] = value(i);
            return all;
        }
    }

    long[] Positions(Index index, Places places, Dictionary<Expr, Tensor> known)
    {
        var at = new long[places.Count];
        Array.Fill(at, Size(index.Offset));
        foreach (var (axis, stride) in index.Terms)
        {
            var step = Size(stride);
            for (var i = 0; i < at.Length; i++)
                at[i] += places.At[axis][i] * step;
        }
        foreach (var (value, stride) in index.Dynamic)
        {
            var (numbers, step) = (Value(value, places, known), Size(stride));
            for (var i = 0; i < at.Length; i++)
                at[i] += numbers.Integer(i) * step;
        }
        return at;
    }

    /// <summary>An expression at each position; what was computed for the same positions before is taken.</summary>
    Tensor Value(Expr e, Places places, Dictionary<Expr, Tensor> known)
    {
        if (!known.TryGetValue(e, out var value))
            known[e] = value = Computed(e, places, known);
        return value;
    }

    Tensor Computed(Expr e, Places places, Dictionary<Expr, Tensor> known)
    {
        switch (e)
        {
            case Expr.Number number:
                return number.Type.IsFloat() ? Tensor.Of(number.Type, [places.Count], Enumerable.Repeat(number.Value, places.Count).ToArray())
                    : Tensor.Of(number.Type, [places.Count], Enumerable.Repeat(number.Whole, places.Count).ToArray());
            case Expr.Load load:
                var (at, size) = (Positions(load.Index, places, known), load.Type.Size());
                var memory = Memory(load.Buffer);
                var read = new byte[places.Count * size];
                for (var i = 0; i < at.Length; i++)
                    Element(memory, load.Buffer, at[i]).CopyTo(read.AsSpan(i * size));
                return new(load.Type, [places.Count], read);
            case Expr.Position position:
                return Tensor.Vector<long>(Positions(position.Index, places, known));
            case Expr.Checked check:
                var (index, limit) = (Value(check.Value, places, known), Size(check.Size));
                return Tensor.Vector<long>([.. Enumerable.Range(0, places.Count).Select(i => Check.Index(index.Integer(i), limit))]);
            case Expr.Folded folded:
                var length = Size(folded.Size);
                return Tensor.Vector<long>(Array.ConvertAll(Positions(folded.Index, places, known), i => Moves.Folded(folded.Mode, i, length)));
            case Expr.Convert convert:
                return Elements.Cast(Value(convert.Value, places, known), convert.Type);
            case Expr.Apply apply:
                return Rules.Apply(new Op.Map(apply.Function), [.. apply.Operands.Select(o => Value(o, places, known))], 0, "")[0];
            case Expr.Guard guard:
                return Guarded(guard, places, known);
            default:
                throw new InvalidOperationException($"{e.GetType().Name} was not computed before");
        }
    }

    /// <summary>Of each position only the one of the two expressions that it takes.</summary>
    Tensor Guarded(Expr.Guard guard, Places places, Dictionary<Expr, Tensor> known)
    {
        var (at, size, type) = (Positions(guard.Index, places, known), Size(guard.Size), guard.Type.Size());
        var values = new byte[places.Count * type];
        foreach (var isInside in (ReadOnlySpan<bool>)[true, false])
        {
            int[] chosen = [.. Enumerable.Range(0, places.Count).Where(i => (at[i] >= 0 && at[i] < size) == isInside)];
            if (chosen.Length == 0)
                continue;
            var some = known.Where(k => k.Key is Expr.Accumulated).ToDictionary(k => k.Key, k => Of(k.Value, chosen));
            var value = Value(isInside ? guard.Inside : guard.Outside, places.Of(chosen), some);
            for (var i = 0; i < chosen.Length; i++)
                value.Bytes.Span.Slice(i * type, type).CopyTo(values.AsSpan(chosen[i] * type));
        }
        return new(guard.Type, [places.Count], values);
    }

    static Tensor Of(Tensor all, int[] chosen)
    {
        var size = all.Type.Size();
        var some = new byte[chosen.Length * size];
        for (var i = 0; i < chosen.Length; i++)
            all.Bytes.Span.Slice(chosen[i] * size, size).CopyTo(some.AsSpan(i * size));
        return new(all.Type, [chosen.Length], some);
    }
}
