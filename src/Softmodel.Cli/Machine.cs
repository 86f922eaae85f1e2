using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;
using Microsoft.ML.OnnxRuntime;
using Softmodel.Emit;

namespace Softmodel.Cli;

/// <summary>What figures were measured on, and with: without it they say little.</summary>
/// <param name="Processor">The name that the processor gives itself; its architecture where it gives none.</param>
/// <param name="Cores">How many processors this process may use.</param>
/// <param name="VectorBits">The widest vectors that it has, in bits.</param>
/// <param name="System">The operating system.</param>
/// <param name="Dotnet">The version of .NET.</param>
/// <param name="Softmodel">The version of this program.</param>
/// <param name="Onnxruntime">The version of ONNX Runtime that comes with it.</param>
sealed record Machine(string Processor, int Cores, int VectorBits, string System, string Dotnet, string Softmodel, string Onnxruntime)
{
    /// <summary>This machine.</summary>
    public static Machine Here { get; } = new(Brand(), Environment.ProcessorCount, InProcess.Width, RuntimeInformation.OSDescription, Environment.Version.ToString(),
        Version(typeof(Machine)), Version(typeof(InferenceSession)));

    static unsafe string Brand()
    {
        // The leaves that hold the processor's name, each 16 letters of it.
        const int most = unchecked((int)0x80000000), first = unchecked((int)0x80000002), leaves = 3;
        if (!X86Base.IsSupported || (uint)X86Base.CpuId(most, 0).Eax < unchecked((uint)first) + leaves - 1)
            return RuntimeInformation.ProcessArchitecture.ToString();
        var letters = stackalloc int[4 * leaves];
        for (var leaf = 0; leaf < leaves; leaf++)
            (letters[4 * leaf], letters[4 * leaf + 1], letters[4 * leaf + 2], letters[4 * leaf + 3]) = X86Base.CpuId(first + leaf, 0);
        return Encoding.ASCII.GetString((byte*)letters, 16 * leaves).Trim('\0', ' ');
    }

    // Without what may follow the number, such as the commit it was built from.
    static string Version(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
