using System.Reflection;
using System.Runtime.Loader;
using System.Security.Cryptography;
using Softmodel.Emit;

namespace Softmodel.Fusion;

/// <summary>An assembly with methods that are marked <see cref="Runtime.Fusion.ExactAttribute"/>.</summary>
/// <param name="Name">The name of its file in the folder of a fused model.</param>
/// <param name="Bytes">What the file holds.</param>
/// <param name="Programs">The methods, at least one.</param>
sealed record ExactLibrary(string Name, byte[] Bytes, IReadOnlyList<ExactDescriptor> Programs)
{
    /// <summary>The hash of its file.</summary>
    public string Hash => HashOf(Bytes);

    /// <summary>The hash of an assembly.</summary>
    public static string HashOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>Compiles a C# file, or reads an assembly.</summary>
    /// <param name="path">The file; its name ends with <c>.cs</c> or <c>.dll</c>.</param>
    /// <param name="cancellationToken">Stops compiling.</param>
    /// <exception cref="SoftmodelException">There is no such file, it can't be compiled or read, or has no method that can be a program: the message says which and why.</exception>
    public static ExactLibrary Open(string path, CancellationToken cancellationToken)
    {
        byte[] bytes;
        try
        {
            bytes = path.EndsWith(".cs", StringComparison.OrdinalIgnoreCase) ? UserCode.Compile(path, File.ReadAllText(path), cancellationToken) : File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' can't be read: {e.Message}", e);
        }
        return Of(path, Path.ChangeExtension(Path.GetFileName(path), ".dll"), bytes);
    }

    /// <summary>Loads an assembly, and finds its marked methods.</summary>
    /// <param name="path">Where it is from, for messages.</param>
    /// <param name="name">The name that it is kept by.</param>
    /// <param name="bytes">The assembly.</param>
    /// <exception cref="SoftmodelException">It is none, needs another one, or has no method that can be a program.</exception>
    public static ExactLibrary Of(string path, string name, byte[] bytes)
    {
        try
        {
            var programs = ExactDescriptor.In(new AssemblyLoadContext(name, isCollectible: true).LoadFromStream(new MemoryStream(bytes)));
            return programs.Length > 0 ? new(name, bytes, programs)
                : throw new SoftmodelException($"{path}: it has no method that is marked [Exact]; put [Exact(\"what it answers\", \"a question with {{parameter:example}}\")] before a static one");
        }
        catch (BadImageFormatException e)
        {
            throw new SoftmodelException($"{path}: it is no assembly of .NET, or damaged; build it again", e);
        }
        catch (Exception e) when (e is ReflectionTypeLoadException or FileNotFoundException or FileLoadException or TypeLoadException)
        {
            throw new SoftmodelException($"{path}: it needs what is neither .NET nor Softmodel.Runtime; put all that it uses into one assembly. {(e as ReflectionTypeLoadException)?.LoaderExceptions.FirstOrDefault(l => l is not null)?.Message ?? e.Message}", e);
        }
        catch (SoftmodelException e) when (!e.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new SoftmodelException($"{path}: {e.Message}", e);
        }
    }
}
