using System.Reflection;
using System.Text;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>A program as C#, and the weights that it reads.</summary>
/// <param name="Source">The C#, for one width of vectors.</param>
/// <param name="Weights">The tensors in the order in which the weights file holds them.</param>
/// <param name="Kernels">The kernel that a step became, and the name of its method; several may share one.</param>
/// <param name="Timed">The steps that it times, where it does, in the order of <see cref="ProgramCode.TicksField"/>.</param>
sealed record ProgramSource(string Source, WeightLayout Weights, IReadOnlyDictionary<Step, (string Name, KernelCode Code)> Kernels, IReadOnlyList<Step> Timed);

/// <summary>Writes a program as C#.</summary>
static class ProgramCode
{
    /// <summary>The field of a program that times its steps: how long each has taken so far, in ticks of the stopwatch.</summary>
    public const string TicksField = "Ticks";

    /// <summary>The C# of a program for vectors of 512, 256 or 128 bits.</summary>
    /// <param name="program">The program.</param>
    /// <param name="width">The bits of a vector.</param>
    /// <param name="isTimed">Whether it says how long each of its steps takes.</param>
    public static ProgramSource Write(LoweredProgram program, int width, bool isTimed = false) => Write(Schedule.Of(program, width), isTimed);

    /// <summary>The C# of a schedule.</summary>
    /// <inheritdoc cref="Write(LoweredProgram, int, bool)"/>
    public static ProgramSource Write(Schedule schedule, bool isTimed = false)
    {
        var (weights, kernels, width) = (WeightLayout.Of(schedule), new KernelTable(), schedule.Target.Width);
        var run = RunCode.Of(schedule, kernels, weights.Served(schedule), isTimed);
        var model = new ModelCode(schedule, weights, run);
        var code = new StringBuilder();
        code.Append("// Made by Softmodel; not to be edited.\n#nullable enable\n");
        code.Append("using System;\nusing System.Numerics;\nusing System.Runtime.CompilerServices;\nusing System.Runtime.InteropServices;\nusing System.Runtime.Intrinsics;\nusing System.Runtime.Intrinsics.X86;\nusing Softmodel;\nusing Softmodel.Runtime;\n");
        code.Append($"using V = System.Runtime.Intrinsics.Vector{width}<float>;\nusing VI = System.Runtime.Intrinsics.Vector{width}<int>;\nusing VS = System.Runtime.Intrinsics.Vector{width}<short>;\nusing VX = System.Runtime.Intrinsics.Vector{width};\n\n");
        code.Append($"namespace Softmodel.Compiled.Width{width};\n\n");
        model.Frame(code);
        kernels.Write(code);
        model.Class(code);
        kernels.WriteMethods(code, width, schedule.Kernels.Values.OfType<NestKernel.Tiled>().Select(t => t.Fast).OfType<ToomCook>().Select(f => f.Algorithm));
        code.Append(RoutineCode.Declarations(schedule.Program)).Append(Prelude());
        return new(code.ToString(), weights, kernels.OfSteps, run.Timed ?? []);
    }

    /// <summary>What all programs have in common, at the end of each source.</summary>
    public static string Prelude()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Emit.Prelude.cs.txt")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
