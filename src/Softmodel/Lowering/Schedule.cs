namespace Softmodel.Lowering;

/// <summary>How a nest is computed.</summary>
abstract record NestKernel
{
    private NestKernel() { }

    /// <summary>By plain loops.</summary>
    public sealed record Plain(Loops Loops) : NestKernel;

    /// <summary>As a register tile.</summary>
    /// <param name="Tile">The tile.</param>
    /// <param name="IsPacked">Whether the constant factor lies in panels.</param>
    /// <param name="Fast">The fast algorithm that takes its place where rows are long enough; null where there is none.</param>
    public sealed record Tiled(Tile Tile, bool IsPacked, ToomCook? Fast) : NestKernel;

    /// <summary>By panels of columns of a factor that is computed from constants.</summary>
    public sealed record Panelled(Panel Panel) : NestKernel;

    /// <summary>By a window that moves over maps.</summary>
    public sealed record Windowed(Window Window) : NestKernel;

    /// <summary>By squares that are turned in registers.</summary>
    public sealed record Transposed(Transposition Copy) : NestKernel;

    /// <summary>Row by row, with one number around what is copied.</summary>
    public sealed record Padded(PaddedCopy Copy) : NestKernel;
}

/// <summary>A nest that the kernel of the next one computes as well: it writes the operand.</summary>
/// <param name="Nest">The nest.</param>
/// <param name="Part">As much of it as a block needs; null where the kernel does without, as it reads what was copied.</param>
sealed record Operand(Step.Nest Nest, OperandPart? Part);

/// <summary>Some elements of an operand, in the thread's scratch.</summary>
/// <param name="Channel">The loop over channels.</param>
/// <param name="Element">The loop over elements of a row.</param>
/// <param name="Loops">The loops of what is computed of a channel.</param>
sealed record OperandPart(Axis Channel, Axis Element, Loops Loops)
{
    /// <summary>A channel's part of an operand.</summary>
    public static OperandPart Of(Step.Nest operand, Axis channel, Axis element) => new(channel, element, Loops.Of(RowsPart.Restricted(operand, [channel, element])));
}

/// <summary>A nest that picks rows of products' weights.</summary>
/// <param name="Nest">The nest as it reads them from the panels of the products.</param>
/// <param name="Weights">The weights.</param>
sealed record Picking(Step.Nest Nest, IReadOnlyList<Buffer> Weights);

/// <summary>A program, and how and where it is computed.</summary>
/// <param name="Program">The program; its constants lie as the model has them.</param>
/// <param name="Target">What kernels were chosen for.</param>
/// <param name="Kernels">The kernels of nests, but for those that are computed together with others.</param>
/// <param name="Operands">For a nest, the nest before it that its kernel computes as well.</param>
/// <param name="Tied">The nests that pick rows of a product's weight from its panels.</param>
/// <param name="Rows">What kernels of fused rows compute, one after the other.</param>
/// <param name="Memory">Which buffers share memory.</param>
/// <param name="Buffers">The buffers that its kernels read and write; constants lie as they read them.</param>
sealed record Schedule(LoweredProgram Program, Target Target, IReadOnlyDictionary<Step.Nest, NestKernel> Kernels, IReadOnlyDictionary<Step.Nest, Operand> Operands,
    IReadOnlyDictionary<Step.Nest, Picking> Tied, IReadOnlyDictionary<Step.Fused, FusedRows> Rows, MemoryPlan Memory, IReadOnlyList<Buffer> Buffers)
{
    readonly HashSet<Step> taken = Operands.Values.Select(o => o.Nest).ToHashSet<Step>(ReferenceEqualityComparer.Instance);

    /// <summary>Whether the kernel of the next nest computes this one as well.</summary>
    public bool IsTaken(Step.Nest nest) => taken.Contains(nest);

    readonly Dictionary<Buffer, (int, int)> places = Memory.Places.DistinctBy(p => p.Buffer).ToDictionary(p => p.Buffer, p => p.Place);

    /// <summary>Whether a nest writes where something lies that it reads.</summary>
    public bool IsInPlace(Step.Nest nest) => nest.Reads.Any(b => b == nest.Target || (places.TryGetValue(b, out var read) && places.TryGetValue(nest.Target, out var written) && read == written));

    /// <summary>The register tile of a nest; null where it has none.</summary>
    public NestKernel.Tiled? Tiled(Step step) => step is Step.Nest nest ? Kernels.GetValueOrDefault(nest) as NestKernel.Tiled : null;

    /// <summary>What the kernel of a nest reads, with what it computes its operand from.</summary>
    public IEnumerable<Buffer> ReadsOf(Step.Nest nest)
    {
        var (operand, unpadded) = (Operands.GetValueOrDefault(nest)?.Nest, UnpaddedOf(nest, Kernels.GetValueOrDefault(nest)));
        // A kernel that reads what lies within the zeros reads the copy with zeros around it nowhere.
        var copy = unpadded is not null && nest.Fold!.Term is Expr.Apply { Operands: [Expr.Load padded, ..] } ? padded.Buffer : null;
        return nest.Reads.Concat(unpadded is null ? [] : [unpadded]).Concat(operand?.Reads ?? []).Where(b => b != operand?.Target && b != copy).Distinct();
    }

    /// <summary>What a kernel reads in place of a copy with zeros around it; null where it reads the copy.</summary>
    public static Buffer? UnpaddedOf(Step.Nest nest, NestKernel? kernel) => kernel switch
    {
        NestKernel.Windowed { Window.Read.Buffer: var read } when nest.Unpadded.Contains(read) => read,
        NestKernel.Tiled { Tile.GatheredFrom: { } read } when nest.Unpadded.Contains(read) => read,
        _ => null,
    };

    /// <summary>Chooses how a program is computed.</summary>
    /// <param name="program">The program.</param>
    /// <param name="width">The bits of a vector.</param>
    public static Schedule Of(LoweredProgram program, int width) => KernelChoice.Of(program, new(width, program.Usual));

    /// <summary>A program with what was decided of it: constants are laid out as its kernels read them.</summary>
    /// <inheritdoc cref="Schedule(LoweredProgram, Target, IReadOnlyDictionary{Step.Nest, NestKernel}, IReadOnlyDictionary{Step.Nest, Operand}, IReadOnlyDictionary{Step.Nest, Picking}, IReadOnlyDictionary{Step.Fused, FusedRows}, MemoryPlan, IReadOnlyList{Buffer})"/>
    public static Schedule LaidOut(LoweredProgram program, Target target, IReadOnlyDictionary<Step.Nest, NestKernel> kernels, IReadOnlyDictionary<Step.Nest, Operand> operands,
        IReadOnlyDictionary<Step.Nest, Picking> tied, IReadOnlyDictionary<Step.Fused, FusedRows> rows, MemoryPlan memory)
    {
        var readers = KernelChoice.Readers(program);
        // All that read a tied weight read its panels.
        foreach (var weight in tied.Values.SelectMany(t => t.Weights))
            readers[weight] = 1;
        foreach (var operand in operands.Values)
            readers.Remove(operand.Nest.Target);
        var (replaced, added) = (new Dictionary<Buffer, Buffer>(), new List<Buffer>());
        foreach (var tile in kernels.Values.OfType<NestKernel.Tiled>().Where(t => t.IsPacked).Select(t => t.Tile))
            replaced.Add(tile.Packable!, tile.Pack());
        foreach (var panel in kernels.Values.OfType<NestKernel.Panelled>().Select(k => k.Panel))
        {
            foreach (var (old, made) in panel.Pack(b => readers[b] > 1, added.Count))
            {
                if (made.Name == old.Name)
                    replaced.Add(old, made);
                else
                    added.Add(made);
            }
        }
        // What no step reads, such as weights that lie in parts elsewhere, is left out.
        return new(program, target, kernels, operands, tied, rows, memory,
            [.. program.Buffers.Where(b => b.Storage is Storage.Input or Storage.State || readers.ContainsKey(b)).Select(b => replaced.GetValueOrDefault(b, b)), .. added]);
    }
}
