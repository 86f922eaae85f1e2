using System.Reflection;
using System.Runtime.Intrinsics;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Compiles C# within this process.</summary>
static class InProcess
{
    static readonly Lazy<MetadataReference[]> references = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => Path.GetFileName(p) is "System.Private.CoreLib.dll" or "System.Runtime.dll" or "System.Runtime.Intrinsics.dll" or "System.Runtime.InteropServices.dll" or "System.Memory.dll" or "System.Numerics.Vectors.dll")
            .Append(typeof(CompiledModel).Assembly.Location)
            .Select(p => MetadataReference.CreateFromFile(p))]);

    /// <summary>The widest vectors, in bits, that this processor has.</summary>
    public static int Width => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    /// <summary>The machine code of a library of C#.</summary>
    /// <exception cref="InvalidOperationException">The C# is wrong: an error of the compiler, not of its user.</exception>
    public static byte[] Assemble(string source, CancellationToken cancellationToken = default) => Assemble([source], cancellationToken);

    /// <inheritdoc cref="Assemble(string, CancellationToken)"/>
    public static byte[] Assemble(string[] sources, CancellationToken cancellationToken = default)
    {
        var trees = sources.Select(s => CSharpSyntaxTree.ParseText(s, new CSharpParseOptions(LanguageVersion.CSharp14), cancellationToken: cancellationToken));
        var compilation = CSharpCompilation.Create("Softmodel.Compiled", trees, references.Value,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, allowUnsafe: true, deterministic: true));
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream, cancellationToken: cancellationToken);
        if (!result.Success)
        {
            var errors = result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Take(5);
            throw new InvalidOperationException($"the emitted C# does not compile: {string.Join("; ", errors.Select(e => $"{e} in '{e.Location.SourceTree?.GetText(cancellationToken).Lines[e.Location.GetLineSpan().StartLinePosition.Line].ToString().Trim()}'"))}");
        }
        return stream.ToArray();
    }

    /// <summary>A model from its compiled C# and its weights.</summary>
    public static CompiledModel Load(byte[] assembly, int width, WeightsFile weights)
    {
        var loaded = new AssemblyLoadContext("Softmodel.Compiled", isCollectible: true).LoadFromStream(new MemoryStream(assembly));
        var type = loaded.GetType($"Softmodel.Compiled.Width{width}.Model", throwOnError: true)!;
        try
        {
            return (CompiledModel)Activator.CreateInstance(type, weights)!;
        }
        catch (TargetInvocationException e) when (e.InnerException is not null)
        {
            throw e.InnerException;
        }
    }

    /// <summary>A program, compiled; its weights lie in a file without a name.</summary>
    /// <param name="program">The program.</param>
    /// <param name="width">The width of vectors in bits.</param>
    /// <param name="cancellationToken">Stops between its stages.</param>
    public static CompiledModel Compile(LoweredProgram program, int width, CancellationToken cancellationToken = default)
    {
        var code = ProgramCode.Write(program, width);
        return Load(Assemble(code.Source, cancellationToken), width, WeightsFile.Nameless(code.Weights.Write));
    }
}
