using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Compiles C# files of users.</summary>
static class UserCode
{
    const int ShownErrors = 5;

    // What projects of .NET use without saying so, and where what is marked comes from.
    const string Usings = """
        global using global::System;
        global using global::System.Collections.Generic;
        global using global::System.IO;
        global using global::System.Linq;
        global using global::Softmodel.Runtime.Fusion;
        """;

    static readonly Lazy<MetadataReference[]> references = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => Path.GetFileName(p) is var name && (name.StartsWith("System.", StringComparison.Ordinal) || name is "mscorlib.dll" or "netstandard.dll"))
            .Append(typeof(CompiledModel).Assembly.Location)
            .Select(p => MetadataReference.CreateFromFile(p))]);

    /// <summary>The assembly of a file, which may use .NET and Softmodel.Runtime.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="source">What it holds.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SoftmodelException">It does not compile: the message has file, line and reason.</exception>
    public static byte[] Compile(string path, string source, CancellationToken cancellationToken)
    {
        var options = new CSharpParseOptions(LanguageVersion.CSharp14);
        var compilation = CSharpCompilation.Create(Path.GetFileNameWithoutExtension(path), [CSharpSyntaxTree.ParseText(source, options, path, cancellationToken: cancellationToken), CSharpSyntaxTree.ParseText(Usings, options, cancellationToken: cancellationToken)],
            references.Value, new(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, deterministic: true, nullableContextOptions: NullableContextOptions.Enable));
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream, cancellationToken: cancellationToken);
        if (result.Success)
            return stream.ToArray();
        var errors = result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).ToArray();
        throw new SoftmodelException($"{string.Join('\n', errors.Take(ShownErrors).Select(Shown))}\n{path} has {errors.Length} error{(errors.Length == 1 ? "" : "s")}: mend the file, which may use .NET and Softmodel.Runtime");
    }

    static string Shown(Diagnostic error)
    {
        var place = error.Location.GetLineSpan();
        return $"{place.Path}({place.StartLinePosition.Line + 1},{place.StartLinePosition.Character + 1}): {error.Id}: {error.GetMessage(System.Globalization.CultureInfo.InvariantCulture)}";
    }
}
