using System.Security.Cryptography;
using System.Text;
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
        var key = SHA256.HashData(Encoding.UTF8.GetBytes($"{versions} {FileHashes.Of(model.Path, cache, cancel)} {model.Options.Key} {model.Name}"));
        var folder = System.IO.Path.Combine(cache, "native", Convert.ToHexStringLower(key)[..32]);
        await oneBuild.WaitAsync(cancel);
        try
        {
            if (!Directory.Exists(folder))
                await Build(model, folder, progress, cancel);
        }
        finally
        {
            oneBuild.Release();
        }
        using var description = JsonDocument.Parse(await File.ReadAllBytesAsync(System.IO.Path.Combine(folder, "MODEL.json"), cancel));
        var bytes = description.RootElement.GetProperty("bytes");
        return new(folder, description.RootElement.GetProperty("prefix").GetString()!, bytes.GetProperty("code").GetInt64(), bytes.GetProperty("weights").GetInt64());
    }

    static async Task Build(Model model, string folder, IProgress<string>? progress, CancellationToken cancel)
    {
        var stage = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(folder)!, $".{System.IO.Path.GetFileName(folder)}-{Guid.NewGuid():N}");
        try
        {
            await model.BuildAsync(stage, new(), progress, cancel);
            Directory.Move(stage, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            // Another process was quicker: its library is the same.
        }
        finally
        {
            if (Directory.Exists(stage))
                Directory.Delete(stage, recursive: true);
        }
    }
}
