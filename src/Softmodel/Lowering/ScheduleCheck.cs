namespace Softmodel.Lowering;

/// <summary>
/// Whether a schedule finds in memory what it reads: its steps are followed in their order, and each slot of the memory plan is known
/// to hold what was written to it last. It knows nothing of how the plan was made.
/// </summary>
static class ScheduleCheck
{
    /// <summary>What is wrong with a schedule; nothing where it can be run.</summary>
    public static IReadOnlyList<string> Faults(Schedule schedule)
    {
        var (faults, slotOf) = (new List<string>(), new Dictionary<Buffer, (int Segment, int Slot)>());
        foreach (var (buffer, place) in schedule.Memory.Places)
        {
            if (!slotOf.TryAdd(buffer, place))
                faults.Add($"{buffer.Name} has two places");
        }
        var beside = schedule.Memory.Segments.Index().SelectMany(s => s.Item.Index().Select(slot => (Place: (s.Index, slot.Index),
            Others: s.Item.Index().Where(o => o.Index != slot.Index && MemoryPlan.Overlap(o.Item, slot.Item)).Select(o => (s.Index, o.Index)).ToHashSet()))).ToDictionary(p => p.Place, p => p.Others);
        var held = Follow(schedule.Program.Steps, []);
        foreach (var (buffer, _) in schedule.Program.Outputs)
            Read("the output", buffer, held);
        return [.. faults.Distinct()];

        // What slots hold after some steps, given what they held before.
        Dictionary<(int, int), Buffer> Follow(Step[] steps, Dictionary<(int, int), Buffer> before)
        {
            var held = new Dictionary<(int, int), Buffer>(before);
            foreach (var step in steps)
            {
                switch (step)
                {
                    case Step.Nest nest when schedule.IsTaken(nest):
                        break;
                    case Step.Nest nest:
                        Kernel(nest.Source, schedule.ReadsOf(nest), [nest.Target], held, nest.Replaces);
                        break;
                    case Step.Fused fused:
                        var made = fused.Private.Select(p => p.Buffer).ToHashSet();
                        var reads = new List<Buffer>();
                        foreach (var member in fused.Members)
                        {
                            reads.AddRange(member.Reads.Where(b => !made.Contains(b)));
                            made.Add(member.Target);
                        }
                        Kernel(string.Join("; ", fused.Members.Select(m => m.Source)), reads, fused.Members.Select(m => m.Target).Where(b => fused.Private.All(p => p.Buffer != b)), held);
                        break;
                    case Step.Routine routine:
                        Kernel(routine.Source, routine.Inputs.Items.Select(i => i.Buffer), routine.Outputs.Items.Select(o => o.Buffer), held);
                        break;
                    case Step.Bind bind:
                        Read(bind.Node, bind.Source, held);
                        break;
                    case Step.Copy copy:
                        Kernel($"the copy to {copy.To.Name}", [copy.From], [copy.To], held);
                        break;
                    case Step.If branch:
                        Read("the condition", branch.Condition, held);
                        var (then, other) = (Follow(branch.Then, held), Follow(branch.Else, held));
                        held = new(then.Where(s => other.GetValueOrDefault(s.Key) == s.Value));
                        break;
                    case Step.Loop loop:
                        Read("the loop", loop.Trips, held);
                        Read("the loop", loop.Begin, held);
                        // What the second iteration finds is what every later one does.
                        var once = Iteration(loop, held);
                        held = new(Iteration(loop, once).Where(s => once.GetValueOrDefault(s.Key) == s.Value));
                        break;
                }
            }
            return held;
        }

        Dictionary<(int, int), Buffer> Iteration(Step.Loop loop, Dictionary<(int, int), Buffer> before)
        {
            var held = new Dictionary<(int, int), Buffer>(before);
            Write(loop.Iteration, held);
            held = Follow(loop.Body, held);
            foreach (var (from, to) in loop.Stacks.Concat(loop.Carry))
                Kernel($"what the loop leaves in {to.Name}", [from], [to], held);
            Read("the loop", loop.GoOn, held);
            return held;
        }

        void Kernel(string what, IEnumerable<Buffer> reads, IEnumerable<Buffer> writes, Dictionary<(int, int), Buffer> held, Func<Buffer, bool>? replaces = null)
        {
            var (read, written) = (reads.Distinct().ToArray(), writes.Distinct().ToArray());
            foreach (var buffer in read.Except(written))
                Read(what, buffer, held);
            foreach (var buffer in written)
            {
                if (slotOf.TryGetValue(buffer, out var slot) && read.Concat(written).FirstOrDefault(b => b != buffer && slotOf.TryGetValue(b, out var other) && (beside[slot].Contains(other) || (other == slot && replaces?.Invoke(b) is not true))) is { } overwritten)
                    faults.Add($"{what}: {buffer.Name} is written where {overwritten.Name} lies");
                Write(buffer, held);
            }
        }

        void Write(Buffer buffer, Dictionary<(int, int), Buffer> held)
        {
            if (slotOf.TryGetValue(buffer, out var slot))
            {
                foreach (var other in beside[slot])
                    held.Remove(other);
                held[slot] = buffer;
            }
            else if (buffer.Storage == Storage.Arena)
                faults.Add($"{buffer.Name} is written and has no place");
        }

        void Read(string what, Buffer buffer, Dictionary<(int, int), Buffer> held)
        {
            if (buffer.Storage != Storage.Arena)
                return;
            if (!slotOf.TryGetValue(buffer, out var slot))
                faults.Add($"{what}: {buffer.Name} is read and has no place");
            else if (held.GetValueOrDefault(slot) is var there && there != buffer)
                faults.Add($"{what}: {buffer.Name} is read where {there?.Name ?? "nothing"} lies");
        }
    }
}
