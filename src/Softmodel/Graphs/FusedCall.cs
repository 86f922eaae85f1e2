using System.Buffers;
using Softmodel.Runtime;
using Softmodel.Runtime.Fusion;

namespace Softmodel.Graphs;

/// <summary>What a fused decoder does between its lower and its upper layers: see <see cref="FusedStep"/>.</summary>
static class FusedCall
{
    public static readonly ExactProgram Program = new("fused_step")
    {
        FoundSizes = 3,
        Types = (operands, arguments, sizes) =>
        {
            var (asked, ends) = (operands[0].Shape[0], 2 * arguments[0]);
            return
            [
                new(ElementType.Int64, new(asked)), new(ElementType.Int64, new(asked, ends)), new(ElementType.Int64, new(asked, sizes[0])),
                new(ElementType.Int64, new(sizes[1])), new(ElementType.Int64, new(sizes[2])),
            ];
        },
        Reference = Reference,
        Callee = new Callee.Static($"global::{typeof(FusedStep).FullName}.{nameof(FusedStep.Run)}", FusedStep.Run),
    };

    static unsafe Tensor[] Reference(IReadOnlyList<Tensor> operands, IReadOnlyList<long> arguments)
    {
        var pins = new List<MemoryHandle>();
        NativeTensor[] Pinned(IEnumerable<Tensor> tensors) => [.. tensors.Select(t =>
        {
            var pin = t.Bytes.Pin();
            pins.Add(pin);
            return new NativeTensor(pin.Pointer, t.Type, t.Dims);
        })];
        try
        {
            long[] given = [.. arguments];
            var inputs = Pinned(operands);
            var found = ExactMethods.FindSizes(FusedStep.Run, Program.Name, inputs, given, Program.FoundSizes);
            var types = Program.Types([.. operands.Select(t => t.TensorType)], given, [.. Enumerable.Range(0, Program.FoundSizes).Select(i => (Dim)found[i])]);
            Tensor[] outputs = [.. types.Select(t => new Tensor(t.Element, t.Shape.Known!, new byte[t.Shape.Known!.Aggregate(8L, (a, b) => a * b)]))];
            ExactMethods.Run(FusedStep.Run, Program.Name, inputs, Pinned(outputs), given);
            return outputs;
        }
        finally
        {
            foreach (var pin in pins)
                pin.Dispose();
        }
    }
}
