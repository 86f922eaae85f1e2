namespace Softmodel.Lowering;

/// <summary>How a nest is computed, where not by plain loops.</summary>
abstract record NestKernel
{
    private NestKernel() { }

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

/// <summary>A program, and how and where it is computed.</summary>
/// <param name="Program">The program; constants lie as its kernels read them.</param>
/// <param name="Target">What kernels were chosen for.</param>
/// <param name="Kernels">The kernels of nests; others are plain loops.</param>
/// <param name="Operands">For a nest, the nest before it that its kernel computes as well: it writes the operand.</param>
/// <param name="Tied">For a nest that picks rows of a product's weight, the same as it reads them from the panels of the product.</param>
/// <param name="Rows">What kernels of fused rows compute, one after the other.</param>
/// <param name="Memory">Which buffers share memory.</param>
sealed record Schedule(LoweredProgram Program, Target Target, IReadOnlyDictionary<Step.Nest, NestKernel> Kernels, IReadOnlyDictionary<Step.Nest, Step.Nest> Operands,
    IReadOnlyDictionary<Step.Nest, Step.Nest> Tied, IReadOnlyDictionary<Step.Fused, FusedRows> Rows, MemoryPlan Memory)
{
    readonly HashSet<Step> taken = Operands.Values.ToHashSet<Step>(ReferenceEqualityComparer.Instance);

    /// <summary>Whether the kernel of the next nest computes this one as well.</summary>
    public bool IsTaken(Step.Nest nest) => taken.Contains(nest);

    /// <summary>The register tile of a nest; null where it has none.</summary>
    public NestKernel.Tiled? Tiled(Step step) => step is Step.Nest nest ? Kernels.GetValueOrDefault(nest) as NestKernel.Tiled : null;

    /// <summary>What the kernel of a nest reads, with what it computes its operand from.</summary>
    public IEnumerable<Buffer> ReadsOf(Step.Nest nest)
    {
        var (operand, unpadded) = (Operands.GetValueOrDefault(nest), UnpaddedOf(nest, Kernels.GetValueOrDefault(nest)));
        // A kernel that reads what lies within the zeros reads the copy with zeros around it nowhere.
        var copy = unpadded is not null && nest.Fold!.Term is Expr.Apply { Operands: [Expr.Load padded, ..] } ? padded.Buffer : null;
        return nest.Reads.Concat(unpadded is null ? [] : [unpadded]).Concat(operand?.Reads ?? []).Where(b => b != operand?.Target && b != copy).Distinct();
    }

    // What a kernel reads in place of a copy with zeros around it.
    static Buffer? UnpaddedOf(Step.Nest nest, NestKernel? kernel) => kernel switch
    {
        NestKernel.Windowed { Window.Read.Buffer: var read } when nest.Unpadded.Contains(read) => read,
        NestKernel.Tiled { Tile.GatheredFrom: { } read } when nest.Unpadded.Contains(read) => read,
        _ => null,
    };

    /// <summary>Chooses how a program is computed.</summary>
    /// <param name="program">The program.</param>
    /// <param name="width">The bits of a vector.</param>
    public static Schedule Of(LoweredProgram program, int width)
    {
        var target = new Target(width, program.Usual);
        var kernels = new Dictionary<Step.Nest, NestKernel>(ReferenceEqualityComparer.Instance);
        var tied = new Dictionary<Step.Nest, Step.Nest>(ReferenceEqualityComparer.Instance);
        var operands = new Dictionary<Step.Nest, Step.Nest>(ReferenceEqualityComparer.Instance);
        var within = program.AllSteps().OfType<Step.Fused>().SelectMany(g => g.Members).ToHashSet<Step>(ReferenceEqualityComparer.Instance);
        var nests = program.AllSteps().OfType<Step.Nest>().Where(n => !within.Contains(n)).ToArray();
        foreach (var nest in nests)
        {
            NestKernel? kernel = Panel.Of(nest, target) is { } panel ? new NestKernel.Panelled(panel)
                : Window.Of(nest) is { } window ? new NestKernel.Windowed(window)
                : Tile.OfConvolution(nest, target) is { } tile ? new NestKernel.Tiled(tile, false, null)
                : Transposition.Of(nest) is { } transposition ? new NestKernel.Transposed(transposition)
                : PaddedCopy.Of(nest) is { } copy ? new NestKernel.Padded(copy) : null;
            if (kernel is not null)
                kernels[nest] = kernel;
        }
        // A constant that one kernel alone reads can lie in the order in which it reads it.
        var readers = program.AllSteps().Where(s => !within.Contains(s)).SelectMany(s => s.Buffers.Distinct()).GroupBy(b => b).ToDictionary(g => g.Key, g => g.Count());
        foreach (var output in program.Outputs)
            readers[output.Buffer] = 2;
        foreach (var (product, kernel) in kernels)
        {
            if (kernel is NestKernel.Panelled { Panel: var panel })
            {
                foreach (var weight in panel.Constants.Where(w => readers[w] > 1 && program.Outputs.All(o => o.Buffer != w)))
                    Tie(weight, product, panel);
            }
        }
        var replaced = new Dictionary<Buffer, Buffer>();
        foreach (var (nest, kernel) in kernels.ToArray())
        {
            if (kernel is NestKernel.Tiled { Tile: { Packable: { } weight } tile } && readers[weight] == 1)
            {
                replaced.Add(weight, tile.Pack());
                kernels[nest] = new NestKernel.Tiled(tile, true, ToomCook.Of(nest, target) is { } quick && quick.Weights == weight ? quick : null);
            }
        }
        var added = new List<Buffer>();
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
        foreach (var (before, step) in Neighbours(program.Steps))
        {
            if (before is Step.Nest operand && step is Step.Nest nest && readers.GetValueOrDefault(operand.Target) == 2 && program.Outputs.All(o => o.Buffer != operand.Target) && !tied.ContainsKey(operand)
                && (LeavesOut(nest, operand) || CanTake(kernels.GetValueOrDefault(nest), operand)))
            {
                operands.Add(nest, operand);
                readers.Remove(operand.Target);
            }
        }
        var memory = MemoryPlan.Of(program, operands, nest => UnpaddedOf(nest, kernels.GetValueOrDefault(nest)) is not null);
        // What no step reads, such as weights that lie in parts elsewhere, is left out.
        var left = program with { Buffers = [.. program.Buffers.Where(b => b.Storage is Storage.Input or Storage.State || readers.ContainsKey(b)).Select(b => replaced.GetValueOrDefault(b, b)), .. added] };
        var rows = new Dictionary<Step.Fused, FusedRows>(ReferenceEqualityComparer.Instance);
        foreach (var fused in program.AllSteps().OfType<Step.Fused>())
            rows[fused] = FusedRows.Of(fused with { Members = [.. fused.Members.Select(m => tied.GetValueOrDefault(m, m))] }, target);
        return new(left, target, kernels, operands, tied, rows, memory);

        // What others pick of a product's weight is picked from its panels, where all that read it can.
        void Tie(Buffer weight, Step.Nest product, Panel panel)
        {
            var picking = new Dictionary<Step.Nest, Step.Nest>(ReferenceEqualityComparer.Instance);
            foreach (var step in program.AllSteps().Where(s => s != (Step)product && s.Buffers.Contains(weight)))
            {
                if (step is Step.Fused)
                    continue;
                if (step is not Step.Nest nest || kernels.ContainsKey(nest) || TiedWeights.InPanels(tied.GetValueOrDefault(nest, nest), weight, panel) is not { } picks)
                    return;
                picking[nest] = picks;
            }
            foreach (var (nest, picks) in picking)
                tied[nest] = picks;
            readers[weight] = 1;
        }

        bool LeavesOut(Step.Nest nest, Step.Nest copy) => UnpaddedOf(nest, kernels.GetValueOrDefault(nest)) is { } read && nest.Fold!.LeavesOut(copy, read);
    }

    static bool CanTake(NestKernel? kernel, Step.Nest operand) => kernel switch
    {
        NestKernel.Tiled { Fast: { } fast } => fast.CanTake(operand) is not null,
        NestKernel.Tiled { IsPacked: true, Tile: var tile } => tile.CanTake(operand) is not null,
        _ => false,
    };

    static IEnumerable<(Step Before, Step Step)> Neighbours(Step[] steps) => steps.Zip(steps.Skip(1)).Concat(steps.SelectMany(s => s switch
    {
        Step.If branch => Neighbours(branch.Then).Concat(Neighbours(branch.Else)),
        Step.Loop loop => Neighbours(loop.Body),
        _ => [],
    }));
}
