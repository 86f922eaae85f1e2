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
            Op.Accumulate a => (null, $"Routines.Accumulate({In(0)}, {Out(0)}, {Dims(inputs[0].Shape)}, {a.Axis}, Routines.{a.Kind}, {NestCode.Start(a.Kind, inputs[0].Buffer.Type)}, {Bool(a.Exclusive)}, {Bool(a.Reverse)});"),
            Op.TopK t => (null, $"Routines.TopK({In(0)}, {Out(0)}, {Out(1)}, {Dims(inputs[0].Shape)}, {t.Axis}, {SizeCode.Of(t.Count)}, {Bool(t.Largest)});"),
            Op.ScatterElements s => (null, $"Routines.ScatterElements({In(0)}, {In(1)}, {In(2)}, {Out(0)}, {Dims(inputs[0].Shape)}, {Dims(inputs[1].Shape)}, {s.Axis}, Routines.{s.Combine});"),
            Op.ScatterND s => (null, $"Routines.ScatterND({In(0)}, {In(1)}, {In(2)}, {Out(0)}, {Dims(inputs[0].Shape)}, {Dims(inputs[1].Shape)}, Routines.{s.Combine});"),
            Op.Call call => Call(routine, call),
            _ => throw new SoftmodelException($"{routine.Source}: {routine.Op.GetType().Name} cannot be compiled yet"),
        };
    }

    static (string? Sizes, string Statement) Call(Step.Routine routine, Op.Call call)
    {
        var (inputs, outputs) = (routine.Inputs.Items, routine.Outputs.Items);
        string[] found = [.. call.Sizes.Select(s => $"f->{SizeCode.Name(s)}")];
        if (ExactPrograms.Named(call.Program).Callee is Callee.Code code)
        {
            EquatableArray<TensorCode> Tensors((Lowering.Buffer Buffer, Shape Shape)[] items) =>
                items.Select(i => new TensorCode($"f->{i.Buffer.Name}", i.Shape.Dims.Select(SizeCode.Of).ToEquatable(), SizeCode.Of(i.Shape.Count))).ToEquatable();
            return code.Write(new(Tensors(inputs), Tensors(outputs), found.ToEquatable(), call.Arguments));
        }
        string Native((Lowering.Buffer Buffer, Shape Shape)[] items) =>
            $"[{string.Join(", ", items.Select(i => $"new(f->{i.Buffer.Name}, ElementType.{i.Buffer.Type}{string.Concat(i.Shape.Dims.Select(d => $", {SizeCode.Of(d)}"))})"))}]";
        var (given, arguments) = ($"{Method(call)}, {KernelWriter.Literal(ExactPrograms.NameOf(call, routine.Source))}, {Native(inputs)}", $"[{string.Join(", ", call.Arguments)}]");
        return (found.Length == 0 ? null : $"{{ var found = ExactMethods.FindSizes({given}, {arguments}, {found.Length}); {string.Join(" ", found.Select((s, i) => $"{s} = found[{i}];"))} }}",
            $"ExactMethods.Run({given}, {Native(outputs)}, {arguments});");
    }

    static string Method(Op.Call call) => ExactPrograms.Named(call.Program).Callee is Callee.Static method ? method.Name : $"program_{call.Program}";

    /// <summary>Whether the method that is called is only in this process.</summary>
    static bool IsOfProcess(Callee callee) => callee is Callee.Method or Callee.Function;

    static IEnumerable<(string Source, Op.Call Call, Callee Callee)> Calls(LoweredProgram program) =>
        program.AllSteps().OfType<Step.Routine>().Select(r => r.Op is Op.Call call ? (r.Source, call, ExactPrograms.Named(call.Program).Callee) : default).Where(c => c.call is not null);

    /// <summary>The fields of a model with the methods that it calls: they are looked up when it is made.</summary>
    public static string Fields(LoweredProgram program) => string.Concat(Calls(program).Where(c => IsOfProcess(c.Callee)).Select(c => c.Call).DistinctBy(c => c.Program)
        .Select(c => $"    readonly ExactMethod {Method(c)} = ExactMethods.Named({KernelWriter.Literal(c.Program)});\n"));

    /// <summary>The types that exact programs bring with them.</summary>
    public static string Declarations(LoweredProgram program) => string.Concat(Calls(program).Select(c => (c.Callee as Callee.Code)?.Declarations).Where(d => !string.IsNullOrEmpty(d)).Distinct().Select(d => $"{d}\n"));

    /// <summary>Refuses programs that only this process has: for a library that others load.</summary>
    /// <exception cref="SoftmodelException">There is one.</exception>
    public static void RefuseMethods(LoweredProgram program)
    {
        foreach (var (source, call, callee) in Calls(program).Where(c => IsOfProcess(c.Callee)))
            throw new SoftmodelException($"{ExactPrograms.NameOf(call, source)} is a {callee.GetType().Name.ToLowerInvariant()} of this process, which a native library cannot call: register it as C# that is written into the library ({nameof(Callee)}.{nameof(Callee.Code)}), or compile the model in this process");
    }

    static string Bool(bool value) => value ? "true" : "false";
}
