namespace Softmodel.Lowering;

/// <summary>Chooses the kernels of a program: each nest's own, which of them compute another's operand, and which weights are stored once.</summary>
static class KernelChoice
{
    /// <summary>The schedule of a program.</summary>
    /// <param name="program">The program.</param>
    /// <param name="target">What kernels are chosen for.</param>
    public static Schedule Of(LoweredProgram program, Target target)
    {
        var within = Fused(program);
        var nests = program.AllSteps().OfType<Step.Nest>().Where(n => !within.Contains(n)).ToArray();
        var kernels = new Dictionary<Step.Nest, NestKernel>(ReferenceEqualityComparer.Instance);
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
        var readers = Readers(program);
        var tied = Tied(program, kernels, readers);
        foreach (var (nest, kernel) in kernels.ToArray())
        {
            if (kernel is NestKernel.Tiled { Tile: { Packable: { } weight } tile } && readers[weight] == 1)
                kernels[nest] = new NestKernel.Tiled(tile, true, ToomCook.Of(nest, target) is { } quick && quick.Weights == weight ? quick : null);
        }
        var operands = Operands(program, kernels, readers, tied);
        var taken = operands.Values.Select(o => o.Nest).ToHashSet<Step>(ReferenceEqualityComparer.Instance);
        foreach (var nest in nests.Where(n => !taken.Contains(n) && !kernels.ContainsKey(n)))
            kernels[nest] = new NestKernel.Plain(Loops.Of(tied.GetValueOrDefault(nest)?.Nest ?? nest));
        var rows = new Dictionary<Step.Fused, FusedRows>(ReferenceEqualityComparer.Instance);
        foreach (var fused in program.AllSteps().OfType<Step.Fused>())
            rows[fused] = FusedRows.Of(fused with { Members = [.. fused.Members.Select(m => tied.GetValueOrDefault(m)?.Nest ?? m)] }, target);
        var memory = MemoryPlan.Of(program, operands, nest => Schedule.UnpaddedOf(nest, kernels.GetValueOrDefault(nest)) is not null);
        return Schedule.LaidOut(program, target, kernels, operands, tied, rows, memory);
    }

    static HashSet<Step> Fused(LoweredProgram program) => program.AllSteps().OfType<Step.Fused>().SelectMany(g => g.Members).ToHashSet<Step>(ReferenceEqualityComparer.Instance);

    /// <summary>How many steps read or write each buffer; for what must be as the program has it, more than one.</summary>
    public static Dictionary<Buffer, int> Readers(LoweredProgram program)
    {
        var within = Fused(program);
        var readers = program.AllSteps().Where(s => !within.Contains(s)).SelectMany(s => s.Buffers.Distinct()).GroupBy(b => b).ToDictionary(g => g.Key, g => g.Count());
        foreach (var output in program.Outputs)
            readers[output.Buffer] = 2;
        return readers;
    }

    /// <summary>What others pick of a product's weight is picked from its panels, where all that read it can; from then on the product alone reads it.</summary>
    static Dictionary<Step.Nest, Picking> Tied(LoweredProgram program, Dictionary<Step.Nest, NestKernel> kernels, Dictionary<Buffer, int> readers)
    {
        var tied = new Dictionary<Step.Nest, Picking>(ReferenceEqualityComparer.Instance);
        foreach (var (product, kernel) in kernels)
        {
            if (kernel is NestKernel.Panelled { Panel: var panel })
            {
                foreach (var weight in panel.Constants.Where(w => readers[w] > 1 && program.Outputs.All(o => o.Buffer != w)))
                    Tie(weight, product, panel);
            }
        }
        return tied;

        void Tie(Buffer weight, Step.Nest product, Panel panel)
        {
            var picking = new Dictionary<Step.Nest, Picking>(ReferenceEqualityComparer.Instance);
            foreach (var step in program.AllSteps().Where(s => s != (Step)product && s.Buffers.Contains(weight)))
            {
                if (step is Step.Fused)
                    continue;
                if (step is not Step.Nest nest || kernels.ContainsKey(nest) || TiedWeights.InPanels(tied.GetValueOrDefault(nest)?.Nest ?? nest, weight, panel) is not { } picks)
                    return;
                picking[nest] = new(picks, [.. tied.GetValueOrDefault(nest)?.Weights ?? [], weight]);
            }
            foreach (var (nest, picks) in picking)
                tied[nest] = picks;
            readers[weight] = 1;
        }
    }

    /// <summary>The nests that the kernel of the next one computes as well, since it alone reads what they write.</summary>
    static Dictionary<Step.Nest, Operand> Operands(LoweredProgram program, Dictionary<Step.Nest, NestKernel> kernels, Dictionary<Buffer, int> readers, Dictionary<Step.Nest, Picking> tied)
    {
        var operands = new Dictionary<Step.Nest, Operand>(ReferenceEqualityComparer.Instance);
        foreach (var (before, step) in Neighbours(program.Steps))
        {
            if (before is Step.Nest operand && step is Step.Nest nest && readers.GetValueOrDefault(operand.Target) == 2 && program.Outputs.All(o => o.Buffer != operand.Target) && !tied.ContainsKey(operand)
                && TakenBy(nest, kernels.GetValueOrDefault(nest), operand) is { } taken)
            {
                operands.Add(nest, taken);
                readers.Remove(operand.Target);
            }
        }
        return operands;
    }

    /// <summary>The nest before another as the kernel of that computes it; null where it can't.</summary>
    public static Operand? TakenBy(Step.Nest nest, NestKernel? kernel, Step.Nest operand) =>
        Schedule.UnpaddedOf(nest, kernel) is { } read && nest.Fold!.LeavesOut(operand, read) ? new(operand, null) : kernel switch
        {
            NestKernel.Tiled { Fast: { } fast } => fast.CanTake(operand),
            NestKernel.Tiled { IsPacked: true, Tile: var tile } => tile.CanTake(operand),
            _ => null,
        } is var (channel, element) ? new(operand, OperandPart.Of(operand, channel, element)) : null;

    static IEnumerable<(Step Before, Step Step)> Neighbours(Step[] steps) => steps.Zip(steps.Skip(1)).Concat(steps.SelectMany(s => s switch
    {
        Step.If branch => Neighbours(branch.Then).Concat(Neighbours(branch.Else)),
        Step.Loop loop => Neighbours(loop.Body),
        _ => [],
    }));
}
