using System.Text;
using Softmodel.Graphs;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Emit;

/// <summary>A program as it is kept.</summary>
/// <param name="Assembly">Its code.</param>
/// <param name="Weights">Its constants.</param>
/// <param name="MadeOf">The files that it was made of besides those that its key names: where they differ, it is made again.</param>
sealed record CompiledCode(byte[] Assembly, WeightLayout Weights, IReadOnlyList<string> MadeOf);

/// <summary>
/// Compiled programs, each in a folder of its own. Code is read once, hashed, and loaded from
/// memory; nothing is loaded from a folder that another user can write to.
/// </summary>
/// <param name="root">The folder of all caches; null where nothing is kept.</param>
sealed class CompileCache(string? root)
{
    const string Code = "program.dll", Weights = "weights", MadeOf = "made-of";

    /// <summary>The program for a key: from the cache, or made and kept.</summary>
    /// <param name="key">What it is made of.</param>
    /// <param name="name">What it is called, for people.</param>
    /// <param name="beside">The folder that the files of <see cref="CompiledCode.MadeOf"/> lie in.</param>
    /// <param name="width">The width of its vectors in bits.</param>
    /// <param name="make">Makes it.</param>
    /// <param name="cancellationToken">Stops before it is kept.</param>
    public CompiledModel Get(string key, string name, string beside, int width, Func<CompiledCode> make, CancellationToken cancellationToken)
    {
        var folders = root is null ? null : Path.Combine(root, "compiled");
        try
        {
            if (folders is not null && !OwnFolder.Make(folders))
            {
                Repairs.Tell($"'{folders}' is another user's, or others can write to it: nothing compiled is loaded from there or kept; name a folder of your own in SOFTMODEL_CACHE");
                folders = null;
            }
            if (folders is null)
            {
                var made = make();
                cancellationToken.ThrowIfCancellationRequested();
                return Load(made.Assembly, width, WeightsFile.Nameless(made.Weights.Write));
            }
            // A compiler that was built anew may write other programs.
            key = $"{typeof(CompileCache).Assembly.ManifestModule.ModuleVersionId} {typeof(CompiledModel).Assembly.ManifestModule.ModuleVersionId} {(GuardPages.AreOn ? "guarded " : "")}{ExactPrograms.Key}{key}";
            return KeptFolder.Get(folders, key, $"program of {name}", manifest => Open(manifest, beside, width, cancellationToken), stage =>
            {
                var made = make();
                cancellationToken.ThrowIfCancellationRequested();
                WeightsFile.Write(Path.Combine(stage, Weights), made.Weights.Write);
                OwnFolder.Write(Path.Combine(stage, Code), made.Assembly);
                OwnFolder.Write(Path.Combine(stage, MadeOf), string.Concat(made.MadeOf.Select(f => $"{FileHashes.Of(Path.Combine(beside, f), root, cancellationToken)} {f}\n")));
            }, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{folders ?? Path.GetTempPath()}: a compiled model can't be kept there ({e.Message}); free space, or name another folder in {(folders is null ? "TMPDIR" : "SOFTMODEL_CACHE")}", e);
        }
    }

    CompiledModel? Open(Manifest manifest, string beside, int width, CancellationToken cancellationToken)
    {
        foreach (var line in Encoding.UTF8.GetString(manifest.Bytes(MadeOf)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var (hash, file) = (line[..line.IndexOf(' ')], Path.Combine(beside, line[(line.IndexOf(' ') + 1)..]));
            if (!File.Exists(file) || FileHashes.Of(file, root, cancellationToken) != hash)
                return null;
        }
        var code = manifest.Bytes(Code);
        return Load(code, width, WeightsFile.Open(manifest.Open(Weights, root, cancellationToken)));
    }

    static CompiledModel Load(byte[] code, int width, WeightsFile weights)
    {
        try
        {
            return InProcess.Load(code, width, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }
}
