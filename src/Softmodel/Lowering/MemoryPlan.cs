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
    public sealed record Slot(IReadOnlyList<Buffer> Buffers);

    /// <summary>Where each buffer lies: in which segment, and in which of its slots.</summary>
    public IEnumerable<(Buffer Buffer, (int Segment, int Slot) Place)> Places =>
        Segments.SelectMany((slots, segment) => slots.SelectMany((slot, i) => slot.Buffers.Select(b => (b, (segment, i)))));

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
        // The buffers of each slot, and the last step at which one of them is needed.
        var slots = Enumerable.Range(0, segments).Select(_ => new List<(List<Buffer> Buffers, int Last)>()).ToArray();
        foreach (var buffer in program.Buffers.Where(b => b.Storage == Storage.Arena && first.ContainsKey(b)).OrderBy(b => first[b]))
        {
            var segment = buffer.Count.Symbols.Select(s => segmentOf.GetValueOrDefault(s)).DefaultIfEmpty(0).Max();
            var size = Bytes(buffer);
            var free = GuardPages.AreOn ? null : slots[segment].Where(s => s.Last < first[buffer]).Select(s => s.Buffers).MinBy(b => Math.Abs(b.Max(Bytes) - size));
            var slot = slots[segment].FindIndex(s => s.Buffers == free);
            if (slot < 0)
                slots[segment].Add(([buffer], last[buffer]));
            else
            {
                slots[segment][slot].Buffers.Add(buffer);
                slots[segment][slot] = slots[segment][slot] with { Last = last[buffer] };
            }
        }
        return new([.. slots.Select(s => s.Select(slot => new Slot(slot.Buffers)).ToArray())], segmentOf);

        double Bytes(Buffer buffer) => program.Usual.Of(buffer.Count) * buffer.Type.Size();
    }

    /// <summary>The symbols that a step gives values.</summary>
    public static IEnumerable<string> Defines(Step step) => step switch
    {
        Step.Bind bind => bind.Symbols,
        Step.Loop { Count: { } symbol } => [symbol],
        Step.Routine { Op: Op.Call call } => call.Sizes,
        _ => [],
    };
}
