using System.Text.Json;
using Softmodel.Emit.Native;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Cli.Bench;

/// <summary>A native library in the cache, where what is measured again is not built again.</summary>
/// <param name="Folder">Where it and all that goes with it lies.</param>
/// <param name="Prefix">What its functions' names begin with.</param>
/// <param name="CodeBytes">The bytes of the library.</param>
/// <param name="WeightBytes">The bytes of the weights beside it.</param>
sealed record NativeLibrary(string Folder, string Prefix, long CodeBytes, long WeightBytes)
{
    static readonly SemaphoreSlim oneBuild = new(1);

    /// <summary>The library.</summary>
    public string Path => System.IO.Path.Combine(Folder, $"lib{Prefix}.so");

    /// <summary>Its weights.</summary>
    public string Weights => System.IO.Path.Combine(Folder, $"{Prefix}.weights");

    /// <summary>The library of a model: from the cache, or built and kept.</summary>
    /// <param name="model">The model.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops the build, and leaves nothing of it.</param>
    /// <exception cref="SoftmodelException">It can't be built: a tool is missing, or the system is not one that libraries are built on.</exception>
    public static async Task<NativeLibrary> Of(Model model, IProgress<string>? progress, CancellationToken cancel)
    {
        // A compiler that was built anew may write another one.
        var versions = $"{typeof(NativeBuild).Assembly.ManifestModule.ModuleVersionId} {typeof(CompiledModel).Assembly.ManifestModule.ModuleVersionId}";
        var cache = StoreSettings.FromEnvironment().Cache;
        var folders = System.IO.Path.Combine(cache, "native");
        await oneBuild.WaitAsync(cancel);
        try
        {
            if (!OwnFolder.Make(folders))
                throw new SoftmodelException($"'{folders}' is another user's, or others can write to it: no library is loaded from there; name a folder of your own in SOFTMODEL_CACHE");
            var key = $"{versions} {string.Join(" ", model.Files.Select(f => FileHashes.Of(f, cache, cancel)))} {model.Use.Key} {model.Name}";
            return await Task.Run(() => KeptFolder.Get(folders, key, $"library of {model.Name}", manifest => Open(manifest, cache, cancel),
                stage => model.BuildAsync(stage, new(), progress, cancel).GetAwaiter().GetResult(), cancel), cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{folders}: a library can't be kept there ({e.Message}); free space, or name another folder in SOFTMODEL_CACHE", e);
        }
        finally
        {
            oneBuild.Release();
        }
    }

    /// <summary>The library in a folder of the cache, after all files there have been looked at.</summary>
    /// <exception cref="DamageException">One is not as it was written.</exception>
    public static NativeLibrary Open(Manifest manifest, string cache, CancellationToken cancel)
    {
        manifest.Check(cache, cancel);
        using var description = JsonDocument.Parse(manifest.Bytes("MODEL.json"));
        var bytes = description.RootElement.GetProperty("bytes");
        return new(manifest.Folder, description.RootElement.GetProperty("prefix").GetString()!, bytes.GetProperty("code").GetInt64(), bytes.GetProperty("weights").GetInt64());
    }
}
