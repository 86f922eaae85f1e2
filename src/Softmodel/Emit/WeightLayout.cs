using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Where each constant lies in the weights file.</summary>
sealed record WeightLayout((Lowering.Buffer Buffer, long Offset)[] Items, long Length)
{
    /// <summary>
    /// Lays constants out one after the other, each at the start of a cache line: first those that are widened once, when
    /// the model is made, then the others in the order in which a run is done with them.
    /// </summary>
    public static WeightLayout Of(Schedule schedule)
    {
        var last = LastSteps(schedule.Program);
        var (items, at) = (new List<(Lowering.Buffer, long)>(), 0L);
        foreach (var buffer in schedule.Buffers.Where(b => b.Storage == Storage.Weight).OrderBy(b => IsWidened(b) ? -1 : last.GetValueOrDefault(b.Name, int.MaxValue)))
        {
            items.Add((buffer, at));
            at += Arena.Align(buffer.Constant!.Bytes.Length);
        }
        return new([.. items], at);
    }

    /// <summary>Whether a constant is read only when the model is made.</summary>
    public static bool IsWidened(Lowering.Buffer buffer) => buffer.Type != buffer.Constant!.Type;

    /// <summary>
    /// The last of a program's outermost steps that needs each constant. Those of the outputs are needed for ever, and so are
    /// tables: the rows that a run picks are few of their pages, and each would have to be found again.
    /// </summary>
    public static Dictionary<string, int> LastSteps(LoweredProgram program)
    {
        var last = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < program.Steps.Length; i++)
        {
            foreach (var buffer in (program with { Steps = [program.Steps[i]] }).AllSteps().SelectMany(s => s.Buffers))
                last[buffer.Name] = i;
        }
        var picked = program.AllSteps().OfType<Step.Nest>().SelectMany(n => Vectorization.Of(n.Value)).OfType<Expr.Load>().Where(l => l.Index.Dynamic.Count > 0).Select(l => l.Buffer);
        foreach (var buffer in picked.Concat(program.Outputs.Select(o => o.Buffer)))
            last[buffer.Name] = int.MaxValue;
        return last;
    }

    /// <summary>Writes the constants.</summary>
    public void Write(Stream stream)
    {
        Span<byte> zeros = stackalloc byte[Arena.Alignment];
        foreach (var (buffer, _) in Items)
        {
            var bytes = buffer.Constant!.Bytes.Span;
            stream.Write(bytes);
            stream.Write(zeros[..(int)(Arena.Align(bytes.Length) - bytes.Length)]);
        }
        stream.Write(zeros);
    }

    /// <summary>Weights are given back so many bytes at a time, or more.</summary>
    const long Stretch = 8 << 20;

    /// <summary>Where those begin that a run reads, if they are enough to be given back once they have been copied; else null.</summary>
    public long? Copied => First >= Stretch ? First : null;

    /// <summary>Where those begin that a run reads.</summary>
    public long First => Items.SkipWhile(i => IsWidened(i.Buffer)).Select(i => i.Offset).FirstOrDefault(Length);

    /// <summary>Before which of the outermost steps a run is done with enough weights to give them back: where these end, and how many bytes they are.</summary>
    public IReadOnlyDictionary<Step, (long End, long All)> Served(Schedule schedule)
    {
        var served = new Dictionary<Step, (long End, long All)>(ReferenceEqualityComparer.Instance);
        var (program, last) = (schedule.Program, LastSteps(schedule.Program));
        var at = Items.TakeWhile(i => IsWidened(i.Buffer)).Count();
        var told = First;
        for (var i = 1; i < program.Steps.Length; i++)
        {
            // What belongs to the operand of a kernel is read by that kernel.
            if (program.Steps[i] is Step.Nest nest && schedule.Operands.ContainsKey(nest))
                continue;
            while (at < Items.Length && last.GetValueOrDefault(Items[at].Buffer.Name, int.MaxValue) < i)
                at++;
            var end = at < Items.Length ? Items[at].Offset : Length;
            if (end - told >= Stretch)
                served[program.Steps[i]] = (told = end, end - First);
        }
        return served;
    }
}
