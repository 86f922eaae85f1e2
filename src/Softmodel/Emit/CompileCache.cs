using System.Security.Cryptography;
using System.Text;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>
/// Compiled programs, each in a folder named after the hash of what it was made of. A folder is complete from the moment that
/// it has its name, so that processes may look for it and make it at once.
/// </summary>
/// <param name="root">The folder of all caches; null where nothing is kept.</param>
sealed class CompileCache(string? root)
{
    const string Code = "program.dll", Weights = "weights";

    /// <summary>The program for a key: from the cache, or made and kept.</summary>
    /// <param name="key">What it is made of.</param>
    /// <param name="width">The width of its vectors in bits.</param>
    /// <param name="make">Makes it: the assembly, and its constants.</param>
    /// <param name="cancel">Stops before it is kept.</param>
    public CompiledModel Get(string key, int width, Func<(byte[] Assembly, WeightLayout Weights)> make, CancellationToken cancel)
    {
        // A compiler that was built anew may write other programs.
        var version = typeof(CompileCache).Assembly.ManifestModule.ModuleVersionId;
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{version} {(GuardPages.AreOn ? "guarded " : "")}{key}")))[..32];
        var folders = Path.Combine(root ?? Path.GetTempPath(), root is null ? "softmodel-once" : "compiled");
        var folder = Path.Combine(folders, name);
        if (root is not null && Open(folder, width) is { } kept)
            return kept;
        var (assembly, weights) = make();
        cancel.ThrowIfCancellationRequested();
        var stage = Path.Combine(folders, $".{name}-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(stage);
            WeightsFile.Write(Path.Combine(stage, Weights), weights.Write);
            File.WriteAllBytes(Path.Combine(stage, Code), assembly);
            if (root is null)
                return Open(stage, width)!;
            Move(stage, folder);
            return Open(folder, width) ?? throw new SoftmodelException($"{folder}: what was just compiled is gone; is another program emptying the cache?");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{folders}: a compiled model can't be kept there ({e.Message}); free space, or name another folder in SOFTMODEL_CACHE", e);
        }
        finally
        {
            Remove(stage);
        }
    }

    static void Move(string stage, string folder)
    {
        try
        {
            Directory.Move(stage, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            // Another process was quicker: its program is the same.
        }
    }

    static CompiledModel? Open(string folder, int width)
    {
        var code = Path.Combine(folder, Code);
        if (!File.Exists(code))
            return null;
        var weights = WeightsFile.Open(Path.Combine(folder, Weights));
        try
        {
            return InProcess.Load(File.ReadAllBytes(code), width, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    static void Remove(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        // On Unix what is mapped stays until it is unmapped.
        Directory.Delete(folder, recursive: true);
    }
}
