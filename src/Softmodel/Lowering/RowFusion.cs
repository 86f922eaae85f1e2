namespace Softmodel.Lowering;

/// <summary>
/// Finds nests that can be computed together row by row: softmax, normalization, attention, and states that are computed element by
/// element from one another, as an optimiser's. Nests share rows where each row of what one leaves is read by the same row of another alone.
/// </summary>
static class RowFusion
{
    // So many nests that have nothing to do with the rows may lie between those that have.
    const int MostBetween = 12;

    // A product with this many known numbers is better off alone, where they are laid out as it reads them.
    const int FewWeights = 512;

    // Some rows must stay in the cache together, those of an input too that is so many times as large as usual. A matrix that
    // all rows are multiplied with and that does not stay there is better read for many of them at once.
    const int MostElements = 1 << 15, Longest = 10;

    // A row of elements that are computed one by one is worth its loops.
    const int LeastElements = 128;

    /// <summary>The program with such nests together.</summary>
    public static LoweredProgram Apply(LoweredProgram program)
    {
        var uses = new Dictionary<Buffer, int>();
        foreach (var buffer in program.AllSteps().SelectMany(s => s is Step.Nest nest ? nest.Buffers.Union(nest.Unpadded) : s.Buffers.Distinct()).Concat(program.Outputs.Select(o => o.Buffer)))
            uses[buffer] = uses.GetValueOrDefault(buffer) + 1;
        return program with { Steps = Apply(program.Steps, uses, program.Usual) };
    }

    static Step[] Apply(Step[] steps, Dictionary<Buffer, int> uses, UsualSizes usual)
    {
        var groups = steps.Select((step, i) => step is Step.Nest first ? Candidates(first).Select(rows => Group.Of(steps, i, rows, uses, usual)).OfType<Group>().MaxBy(g => g.Members) : null).ToArray();
        var result = new List<Step>();
        for (var i = 0; i < steps.Length;)
        {
            // A larger group that begins within this one is better than this one.
            if (groups[i] is { } group && !groups.AsSpan(i + 1, group.Length - 1).ToArray().Any(g => g?.Members > group.Members))
            {
                result.AddRange(group.Steps);
                i += group.Length;
                continue;
            }
            result.Add(steps[i++] switch
            {
                Step.If branch => branch with { Then = Apply(branch.Then, uses, usual), Else = Apply(branch.Else, uses, usual) },
                Step.Loop loop => loop with { Body = Apply(loop.Body, uses, usual) },
                var step => step,
            });
        }
        return [.. result];
    }

    /// <summary>
    /// The loops of a nest that may be rows: those that move its target furthest, or one of two that moves it least. With more
    /// than two, a column of the last is many elements far from one another: a task would have too few of them for vectors.
    /// </summary>
    static IEnumerable<Axis[]> Candidates(Step.Nest nest)
    {
        if (!MayJoin(nest))
            yield break;
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        for (var count = axes.Length; count > 0; count--)
            yield return axes[..count];
        if (axes.Length == 2)
            yield return axes[^1..];
    }

    static bool MayJoin(Step.Nest nest) => nest.At.Dynamic.Count == 0 && nest.Fold is not { IsWindow: true } && nest.Axes.All(a => a.Extent.Value == 1 || nest.At.Stride(a).Value != 0)
        && !(nest.Fold?.Term is Expr.Apply { Operands: [var a, var b] } && a.Loads.Concat(b.Loads).Any(l => l.Storage == Storage.Weight && l.Count.Value > FewWeights));

    /// <summary>Whether a nest multiplies all rows with the same numbers, too many of them to stay in the cache.</summary>
    static bool HasLargeMatrix(Step.Nest nest, Axis[] rows, UsualSizes usual) => nest.Fold?.Term is Expr.Apply { Operands: [Expr.Load a, Expr.Load b] }
        && new[] { a, b }.Any(l => l.Index.Dynamic.Count == 0 && !l.Axes.Any(rows.Contains) && usual.Of(l.Buffer.Count) >= MostElements);

    /// <summary>Some steps of which some are computed together.</summary>
    /// <param name="Steps">The steps, those computed together as one.</param>
    /// <param name="Length">How many steps they were.</param>
    /// <param name="Members">How many of them are computed together.</param>
    sealed record Group(Step[] Steps, int Length, int Members)
    {
        /// <summary>The steps from one on, as far as they share its rows; null where nothing is gained.</summary>
        public static Group? Of(Step[] steps, int start, Axis[] rows, Dictionary<Buffer, int> uses, UsualSizes usual)
        {
            var members = new List<(Step.Nest Nest, Axis[] Rows, int At)>();
            var between = new List<int>();
            var (gains, taken) = (false, 0);
            // Where nothing is summed, what is gained is that a row is read again before it has left the cache.
            var isStream = steps[start] is Step.Nest { Fold: null } first && usual.Of(first.Target.Count) >= MostElements && usual.Of(first.At.Stride(rows[^1])) is >= LeastElements and <= MostElements / 4;
            for (var i = start; i < steps.Length && steps[i] is Step.Nest nest; i++)
            {
                if (i == start)
                {
                    if (HasLargeMatrix(nest, rows, usual))
                        return null;
                    members.Add((nest, rows, i));
                    continue;
                }
                var touched = nest.Buffers.ToHashSet();
                if (members.Any(m => m.Nest.Target == nest.Target || m.Nest.Reads.Contains(nest.Target)))
                    break;
                if (!members.Any(m => touched.Contains(m.Nest.Target)))
                {
                    between.Add(i);
                    if (between.Count - taken > MostBetween)
                        break;
                    continue;
                }
                if (!MayJoin(nest) || Shared(nest, members) is not { } own || HasLargeMatrix(nest, own, usual))
                    break;
                // What it reads beside them, of the same rows, is computed with them as well.
                foreach (var at in isStream && nest.Target.Storage == Storage.State ? between.ToArray() : [])
                {
                    var beside = (Step.Nest)steps[at];
                    if (nest.Reads.Contains(beside.Target) && beside.Fold is null && MayJoin(beside) && beside.Axes.Length >= rows.Length && Shared(nest, [(beside, beside.Axes[..rows.Length], at)]) is { } same && same.SequenceEqual(own)
                        && between.All(b => b <= at || !((Step.Nest)steps[b]).Buffers.Contains(beside.Target)))
                    {
                        members.Insert(members.FindLastIndex(m => m.At < at) + 1, (beside, beside.Axes[..rows.Length], at));
                        between.Remove(at);
                        taken = Math.Min(taken, between.Count);
                    }
                }
                gains |= nest.Fold is { } fold ? fold.Term.Loads.Any(b => members.Any(m => m.Nest.Target == b)) : isStream && nest.Target.Storage == Storage.State && members.All(m => m.Nest.Fold is null);
                members.Add((nest, own, i));
                taken = between.Count;
            }
            if (!gains)
                return null;
            var last = members[^1].At;
            var shared = rows.Select((a, i) => new Axis($"i_row{i}", a.Extent)).ToArray();
            var together = members.Select(m => Renamed(m.Nest, m.Rows, shared)).ToArray();
            var isPrivate = from m in together
                            let buffer = m.Target
                            where buffer.Storage == Storage.Arena && uses[buffer] == together.Count(t => t.Buffers.Contains(buffer))
                            let size = m.At.Stride(shared[^1])
                            where m.At.Offset.Value == 0 && m.At.AtStart(shared).IsWithin(size) && shared.All(a => a == shared[^1] || m.At.Stride(a).ExactQuotient(size) is not null)
                            select (buffer, size);
            var fused = new Step.Fused(shared, together, [.. isPrivate.DistinctBy(p => p.buffer)]);
            if (fused.Private.Sum(p => p.Size.Estimate(s => Longest * usual.Of(s))) > MostElements)
                return null;
            return new([.. between.Where(i => i < last).Select(i => steps[i]), fused], last - start + 1, members.Count);
        }
    }

    /// <summary>
    /// The loops of a nest that are the rows of others, given what it reads of them; null where it reads other rows, or the
    /// rows are not all its own.
    /// </summary>
    static Axis[]? Shared(Step.Nest nest, List<(Step.Nest Nest, Axis[] Rows, int At)> members)
    {
        Axis[]? rows = null;
        var fits = true;
        Visit(nest.Value, []);
        if (nest.Fold is { } fold)
            Visit(fold.Term, []);
        // A row is one of the result, not one term of a sum.
        return fits && rows is not null && rows.Distinct().Count() == rows.Length && rows.All(nest.Axes.Contains) ? rows : null;

        void Visit(Expr e, List<Expr.Guard> within)
        {
            if (!fits)
                return;
            if (e is Expr.Load load)
            {
                foreach (var (member, own, _) in members.Where(m => m.Nest.Target == load.Buffer))
                {
                    if (Rows(load.Index, member, own, within) is not { } read || (rows is not null && !rows.SequenceEqual(read)))
                    {
                        fits = false;
                        return;
                    }
                    rows = read;
                }
            }
            if (e is Expr.Guard guard)
            {
                Visit(guard.Inside, [.. within, guard]);
                Visit(guard.Outside, within);
                foreach (var (value, _) in guard.Index.Dynamic)
                    Visit(value, within);
                return;
            }
            foreach (var operand in e.Operands)
                Visit(operand, within);
        }
    }

    /// <summary>The loops that are rows of a member where a position is of what it leaves.</summary>
    static Axis[]? Rows(Index read, Step.Nest member, Axis[] own, List<Expr.Guard> within)
    {
        if (read.Dynamic.Count > 0)
            return null;
        return SameTerms(read, member, own) ?? SameQuotient(read, member, own, within);
    }

    /// <summary>Where each loop of the one is a loop of the other.</summary>
    static Axis[]? SameTerms(Index read, Step.Nest member, Axis[] own)
    {
        if (!read.Offset.Equals(member.At.Offset) || read.Terms.Count > member.At.Terms.Count)
            return null;
        var rows = new Axis[own.Length];
        foreach (var (axis, stride) in read.Terms)
        {
            if (member.At.Terms.FirstOrDefault(t => t.Stride.Equals(stride) && t.Axis.Extent.Equals(axis.Extent)).Axis is not { } same)
                return null;
            if (Array.IndexOf(own, same) is >= 0 and var at)
                rows[at] = axis;
        }
        return rows.All(r => r is not null) ? rows : null;
    }

    /// <summary>Where rows follow one another, and the position within a row is never outside of it.</summary>
    static Axis[]? SameQuotient(Index read, Step.Nest member, Axis[] own, List<Expr.Guard> within)
    {
        var size = member.At.Stride(own[^1]);
        if (member.At.Offset.Value != 0 || !member.At.AtStart(own).IsWithin(size) || read.Divide(size) is not var (row, rest))
            return null;
        if (!rest.IsWithin(size))
        {
            // What is read under a condition is within the row if the condition says so.
            var inRow = from g in within
                        where g.Index.Dynamic.Count == 0 && (size - g.Size).IsNeverNegative
                        let split = (read + g.Index * -1).Divide(size)
                        where split is var (_, left) && left.Equals(Index.Zero)
                        select split.Value.Quotient;
            if (inRow.FirstOrDefault() is not { } guarded)
                return null;
            row = guarded;
        }
        if (row.Offset.Value != 0 || row.Terms.Count != own.Length)
            return null;
        var rows = own.Select(a => member.At.Stride(a).ExactQuotient(size) is { } stride
            ? row.Terms.FirstOrDefault(t => t.Stride.Equals(stride) && t.Axis.Extent.Equals(a.Extent)).Axis : null).OfType<Axis>().ToArray();
        return rows.Length == own.Length ? rows : null;
    }

    /// <summary>The nest with other objects for some of its loops.</summary>
    static Step.Nest Renamed(Step.Nest nest, Axis[] from, Axis[] to)
    {
        Axis Name(Axis axis) => Array.IndexOf(from, axis) is >= 0 and var i ? to[i] : axis;
        Index Move(Index index)
        {
            Index moved = index.Offset;
            foreach (var (axis, stride) in index.Terms)
                moved += (Index)Name(axis) * stride;
            return moved;
        }
        var rewriting = new ExprRewriting(Move, from.Contains);
        Fold? fold = null;
        if (nest.Fold is { } old)
        {
            var result = new Expr.Accumulated(old.Result.Type, old.Result.Axes.Select(Name));
            rewriting.Replace(old.Result, result);
            // Fused rows read the copy with zeros around it.
            fold = old with { Term = rewriting.Apply(old.Term), Result = result, Unpadded = null };
        }
        return nest with { Axes = [.. nest.Axes.Select(Name)], At = rewriting.Apply(nest.At), Value = rewriting.Apply(nest.Value), Fold = fold };
    }
}
