using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// Which buffers share memory. Buffers that are never needed at the same time share a slot, which is as large as the
/// largest of them. Slots whose sizes depend on numbers that the program finds out on its way are laid out when it has.
/// </summary>
sealed record MemoryPlan(MemoryPlan.Slot[][] Segments, IReadOnlyDictionary<string, int> SegmentOfSymbol)
{
    /// <summary>Buffers that share memory.</summary>
    public sealed record Slot(IReadOnlyList<Buffer> Buffers)
    {
        /// <summary>
        /// Where it begins in its segment, in bytes, where all sizes in that are known; slots then overlap that are not needed at the same
        /// time. Null where they follow one another.
        /// </summary>
        public long? At { get; init; }
    }

    /// <summary>The bytes of a slot that say where they begin, with what vectors read beyond its end.</summary>
    public static long Room(Slot slot) => slot.Buffers.Max(b => Arena.Align(b.Count.Value!.Value * b.Type.Size())) + Arena.Alignment;

    /// <summary>Whether two slots of a segment share memory.</summary>
    public static bool Overlap(Slot a, Slot b) => a.At is { } one && b.At is { } other && one < other + Room(b) && other < one + Room(a);

    /// <summary>Where each buffer lies: in which segment, and in which of its slots.</summary>
    public IEnumerable<(Buffer Buffer, (int Segment, int Slot) Place)> Places =>
        Segments.SelectMany((slots, segment) => slots.SelectMany((slot, i) => slot.Buffers.Select(b => (b, (segment, i)))));

    /// <summary>About how many bytes all slots take.</summary>
    /// <param name="usual">How large sizes usually are.</param>
    public double Bytes(UsualSizes usual) => Segments.Sum(slots => Bytes(slots, usual));

    static double Bytes(Slot[] slots, UsualSizes usual) => slots.Any(s => s.At is not null) ? slots.Max(s => s.At!.Value + Room(s)) : slots.Sum(s => s.Buffers.Max(b => usual.Of(b.Count) * b.Type.Size()) + Arena.Alignment);

    /// <summary>Plans a program's memory; where accesses beyond a buffer are looked for, each has a slot of its own.</summary>
    /// <param name="program">The program.</param>
    /// <param name="operands">For a nest, the nest before it that its kernel computes as well: what that writes needs no memory.</param>
    /// <param name="readsUnpadded">Whether a nest's kernel reads <see cref="Step.Nest.Unpadded"/>.</param>
    public static MemoryPlan Of(LoweredProgram program, IReadOnlyDictionary<Step.Nest, Operand> operands, Func<Step.Nest, bool> readsUnpadded)
    {
        var within = operands.Values.Select(o => o.Nest).ToHashSet<Step>(ReferenceEqualityComparer.Instance);
        var first = new Dictionary<Buffer, int>();
        var last = new Dictionary<Buffer, int>();
        var segmentOf = new Dictionary<string, int>(StringComparer.Ordinal);
        var replacing = new List<(Step.Nest Nest, int At)>();
        var (now, segments) = (0, 1);

        void Touch(Buffer buffer)
        {
            first.TryAdd(buffer, now);
            last[buffer] = now;
        }

        void Walk(Step[] steps)
        {
            foreach (var step in steps)
            {
                now++;
                foreach (var buffer in step is Step.Loop enter ? [enter.Trips, enter.Begin]
                    : within.Contains(step) ? [] : step is Step.Nest nest && operands.TryGetValue(nest, out var operand) ? operand.Nest.Reads.Concat(nest.Buffers).Where(b => b != operand.Nest.Target) : step.Buffers)
                    Touch(buffer);
                foreach (var buffer in step is Step.Nest reader && readsUnpadded(reader) ? reader.Unpadded : [])
                    Touch(buffer);
                switch (step)
                {
                    case Step.Nest { Fold: null } nest when !within.Contains(nest):
                        replacing.Add((nest, now));
                        break;
                    case Step.If branch:
                        Walk(branch.Then);
                        now++;
                        Walk(branch.Else);
                        break;
                    case Step.Loop loop:
                        var begin = now;
                        Touch(loop.Iteration);
                        foreach (var (_, to) in loop.Stacks)
                            Touch(to);
                        Walk(loop.Body);
                        now++;
                        foreach (var (from, to) in loop.Carry.Concat(loop.Stacks))
                        {
                            Touch(from);
                            Touch(to);
                        }
                        Touch(loop.GoOn);
                        Touch(loop.Iteration);
                        // What was there before the loop is needed in every iteration.
                        foreach (var (buffer, at) in first)
                        {
                            if (at <= begin && last[buffer] >= begin)
                                last[buffer] = now;
                        }
                        break;
                }
                foreach (var symbol in Defines(step))
                    segmentOf[symbol] = segments;
                if (Defines(step).Any())
                    segments++;
            }
        }

        Walk(program.Steps);
        now++;
        foreach (var (buffer, _) in program.Outputs)
            Touch(buffer);
        // What is computed element by element from a buffer that nothing reads later is written where that was; both are one from then on.
        var together = new Dictionary<Buffer, List<Buffer>>();
        var headOf = new Dictionary<Buffer, Buffer>();
        foreach (var (nest, at) in GuardPages.AreOn ? [] : replacing)
        {
            var target = nest.Target;
            if (target.Storage != Storage.Arena || first[target] != at || headOf.ContainsKey(target)
                || nest.Reads.FirstOrDefault(b => b != target && b.Storage == Storage.Arena && headOf.GetValueOrDefault(b, b) is var h && last[h] == at && first[h] < at && b.Type == target.Type && b.Count.Equals(target.Count) && nest.Replaces(b)) is not { } read)
                continue;
            var head = headOf.GetValueOrDefault(read, read);
            headOf[target] = head;
            (together.TryGetValue(head, out var all) ? all : together[head] = []).Add(target);
            last[head] = last[target];
        }
        var arena = program.Buffers.Where(b => b.Storage == Storage.Arena && first.ContainsKey(b) && !headOf.ContainsKey(b)).OrderBy(b => first[b]).GroupBy(SegmentOf).ToDictionary(g => g.Key, g => g.ToArray());
        return new([.. Enumerable.Range(0, segments).Select(s => arena.TryGetValue(s, out var buffers) ? Shared(buffers).Select(Whole).ToArray() : [])], segmentOf);

        Slot Whole(Slot slot) => slot with { Buffers = [.. slot.Buffers.SelectMany(b => together.GetValueOrDefault(b, []).Prepend(b))] };

        int SegmentOf(Buffer buffer) => buffer.Count.Symbols.Select(s => segmentOf.GetValueOrDefault(s)).DefaultIfEmpty(0).Max();

        Slot[] Shared(Buffer[] buffers)
        {
            if (GuardPages.AreOn)
                return [.. buffers.Select(b => new Slot([b]))];
            // What has just been let go lies in the cache, so that its place is taken again, unless much less memory does.
            var (inTime, bySize) = (InTime(buffers), buffers.All(b => b.Count.IsKnown) ? Packed(buffers) : BySize(buffers));
            return Bytes(bySize, program.Usual) < MostOfRoom * Bytes(inTime, program.Usual) ? bySize : inTime;
        }

        // In the order in which they are written, each where one lay that is no longer needed and is nearest in size.
        Slot[] InTime(Buffer[] buffers)
        {
            var slots = new List<(List<Buffer> Buffers, int Last)>();
            foreach (var buffer in buffers)
            {
                var size = Size(buffer);
                var free = slots.Where(s => s.Last < first[buffer]).Select(s => s.Buffers).MinBy(b => Math.Abs(b.Max(Size) - size));
                var slot = slots.FindIndex(s => s.Buffers == free);
                if (slot < 0)
                    slots.Add(([buffer], last[buffer]));
                else
                {
                    slots[slot].Buffers.Add(buffer);
                    slots[slot] = slots[slot] with { Last = last[buffer] };
                }
            }
            return [.. slots.Select(s => new Slot(s.Buffers))];
        }

        // The largest first, each where there is the smallest gap between those that are needed at the same time.
        Slot[] Packed(Buffer[] buffers)
        {
            var placed = new List<(Slot Slot, long At, long End)>();
            foreach (var buffer in buffers.OrderByDescending(Size).ThenBy(b => first[b]))
            {
                var slot = new Slot([buffer]);
                var (size, free, best, least) = (Room(slot), 0L, -1L, long.MaxValue);
                foreach (var (other, at, end) in placed)
                {
                    if (last[other.Buffers[0]] < first[buffer] || first[other.Buffers[0]] > last[buffer])
                        continue;
                    if (at - free >= size && at - free < least)
                        (best, least) = (free, at - free);
                    free = Math.Max(free, end);
                }
                var from = best < 0 ? free : best;
                placed.Insert(placed.FindLastIndex(p => p.At <= from) + 1, (slot with { At = from }, from, from + size));
            }
            return [.. placed.Select(p => p.Slot).OrderBy(s => first[s.Buffers[0]])];
        }

        // The largest first, each in the smallest slot where all others lie before or after it (Pisarchyk, Lee: Efficient memory
        // management for deep neural net inference, 2020).
        Slot[] BySize(Buffer[] buffers)
        {
            var slots = new List<List<Buffer>>();
            foreach (var buffer in buffers.OrderByDescending(Size))
            {
                if (slots.LastOrDefault(s => s.All(b => last[b] < first[buffer] || first[b] > last[buffer])) is { } slot)
                    slot.Add(buffer);
                else
                    slots.Add([buffer]);
            }
            return [.. slots.Select(s => new Slot([.. s.OrderBy(b => first[b])]))];
        }

        double Size(Buffer buffer) => program.Usual.Of(buffer.Count) * buffer.Type.Size();
    }

    // Of the memory that the order of time takes, with that of size at least a twentieth must be saved.
    const double MostOfRoom = 0.95;

    /// <summary>The symbols that a step gives values.</summary>
    public static IEnumerable<string> Defines(Step step) => step switch
    {
        Step.Bind bind => bind.Symbols,
        Step.Loop { Count: { } symbol } => [symbol],
        Step.Routine { Op: Op.Call call } => call.Sizes,
        _ => [],
    };
}
