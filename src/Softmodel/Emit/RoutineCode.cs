using Softmodel.Graphs;
using Softmodel.Lowering;


namespace Softmodel.Emit;

/// <summary>Operations that are routines of their own, as C# statements.</summary>
static class RoutineCode
{
    /// <summary>
    /// The statements of a routine. What <c>Sizes</c> gives are those that find out the symbols that the routine defines;
    /// its results have a place only after them.
    /// </summary>
    /// <exception cref="SoftmodelException">There is none for the operation.</exception>
    public static (string? Sizes, string Statement) Write(Step.Routine routine)
    {
        var (inputs, outputs) = (routine.Inputs.Items, routine.Outputs.Items);
        string In(int i) => $"f->{inputs[i].Buffer.Name}";
        string Out(int i) => $"f->{outputs[i].Buffer.Name}";
        string Dims(Shape shape) => $"[{string.Join(", ", shape.Dims.Select(SizeCode.Of))}]";
        return routine.Op switch
        {
            Op.Random random => (null, $"Philox.{random.Distribution}(Seed, {random.Stream}, 0, new Span<float>({Out(0)}, checked((int)({SizeCode.Of(random.Shape.Count)}))));"),
            Op.Accumulate a => (null, $"Routines.Accumulate({In(0)}, {Out(0)}, {Dims(inputs[0].Shape)}, {a.Axis}, {Bool(a.Kind == Reduction.Product)}, {Bool(a.Exclusive)}, {Bool(a.Reverse)});"),
            Op.TopK t => (null, $"Routines.TopK({In(0)}, {Out(0)}, {Out(1)}, {Dims(inputs[0].Shape)}, {t.Axis}, {SizeCode.Of(t.Count)}, {Bool(t.Largest)});"),
            Op.ScatterElements s => (null, $"Routines.ScatterElements({In(0)}, {In(1)}, {In(2)}, {Out(0)}, {Dims(inputs[0].Shape)}, {Dims(inputs[1].Shape)}, {s.Axis}, Routines.{s.Combine});"),
            Op.ScatterND s => (null, $"Routines.ScatterND({In(0)}, {In(1)}, {In(2)}, {Out(0)}, {Dims(inputs[0].Shape)}, {Dims(inputs[1].Shape)}, Routines.{s.Combine});"),
            Op.Call { Program: "NonZero" } call => (
                $"f->{SizeCode.Name(call.Results[0].Shape[1].SymbolName!)} = Routines.CountNonZero({In(0)}, {SizeCode.Of(inputs[0].Shape.Count)});",
                $"Routines.NonZero({In(0)}, {Out(0)}, {Dims(inputs[0].Shape)}, {SizeCode.Of(call.Results[0].Shape[1])});"),
            Op.Call call => throw new SoftmodelException($"{routine.Source}: the program {call.Program} cannot be compiled yet"),
            _ => throw new SoftmodelException($"{routine.Source}: {routine.Op.GetType().Name} cannot be compiled yet"),
        };
    }

    static string Bool(bool value) => value ? "true" : "false";
}
