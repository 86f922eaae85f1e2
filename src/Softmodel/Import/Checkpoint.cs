using Softmodel.Graphs;
using Softmodel.Import.Gguf;
using Softmodel.Import.Llama2c;
using Softmodel.Import.Safetensors;
using Softmodel.Language.Tokens;
using Softmodel.Runtime;

namespace Softmodel.Import;

/// <summary>
/// The weights and settings of a trained language model, whatever files they lie in, under the names that transformers gives
/// them. Weights are slices of mapped files, valid until <see cref="Dispose"/>.
/// </summary>
/// <param name="Path">The file or folder, for messages.</param>
/// <param name="Settings">What <c>config.json</c> says, or what another format says in its words.</param>
/// <param name="Find">The weight of a name; null where there is none.</param>
/// <param name="files">What is disposed of.</param>
internal sealed record Checkpoint(string Path, Settings Settings, Func<string, Weight?> Find, IReadOnlyList<IDisposable> files) : IDisposable
{
    const string Config = "config.json", Single = "model.safetensors", Index = "model.safetensors.index.json";

    /// <summary>What a GGUF file says besides; null where it is none.</summary>
    public GgufMetadata? Metadata { get; init; }

    /// <summary>Whether a path is that of a checkpoint, by its name and its first bytes.</summary>
    public static bool Is(string path)
    {
        if (Directory.Exists(path))
            return File.Exists(System.IO.Path.Combine(path, Config));
        if (!File.Exists(path))
            return false;
        if (IsSafetensors(path))
            return File.Exists(Beside(path));
        try
        {
            using var file = MappedFile.Open(path);
            var start = file.Slice(0, (int)Math.Min(file.Length, Llama2cFile.HeaderLength)).Span;
            return start.StartsWith("GGUF"u8) || Llama2cFile.Is(start, file.Length);
        }
        catch (SoftmodelException)
        {
            // Whoever opens it says why it can't be read.
            return false;
        }
    }

    static bool IsSafetensors(string path) => System.IO.Path.GetExtension(path).Equals(".safetensors", StringComparison.OrdinalIgnoreCase);

    static string Beside(string path) => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, Config);

    /// <summary>The files that a checkpoint is made of besides the one at its path: its settings, where they lie beside its weights.</summary>
    public static IEnumerable<string> More(string path) => IsSafetensors(path) && File.Exists(Beside(path)) ? [Beside(path)] : [];

    /// <summary>Opens a GGUF file, a folder with <c>config.json</c> and safetensors, a file of safetensors beside which that lies, or a file of llama2.c.</summary>
    /// <param name="path">The file or folder.</param>
    /// <exception cref="SoftmodelException">It can't be read, or is damaged, or of none of these formats.</exception>
    public static Checkpoint Open(string path)
    {
        if (Directory.Exists(path))
            return Folder(path);
        if (IsSafetensors(path))
            return Files(path, Settings.Read(Beside(path)), [path]);
        using (var file = MappedFile.Open(path))
        {
            if (!file.Slice(0, (int)Math.Min(4, file.Length)).Span.SequenceEqual("GGUF"u8))
                return Llama2cFile.Open(path);
        }
        return GgufNames.Checkpoint(GgufFile.Open(path));
    }

    static Checkpoint Folder(string path)
    {
        var index = System.IO.Path.Combine(path, Index);
        string[] names = [Single];
        if (!File.Exists(System.IO.Path.Combine(path, Single)) && File.Exists(index))
        {
            var map = Settings.Read(index).Within("weight_map") ?? throw new SoftmodelException($"{index}: 'weight_map' is missing");
            names = [.. map.Names.Select(n => map.Text(n) ?? throw new SoftmodelException($"{index}: it names no file for '{n}'")).Distinct()];
            if (names.FirstOrDefault(n => System.IO.Path.GetFileName(n) != n || n is "" or "." or ".." || n.Contains('\\')) is { } outside)
                throw new SoftmodelException($"{index}: it names the file '{outside}', but a model may only name files in its own folder");
        }
        return Files(path, Settings.Read(System.IO.Path.Combine(path, Config)), names.Select(n => System.IO.Path.Combine(path, n)));
    }

    static Checkpoint Files(string path, Settings settings, IEnumerable<string> names)
    {
        var (files, weights) = (new List<SafetensorsFile>(), new Dictionary<string, Weight>(StringComparer.Ordinal));
        try
        {
            foreach (var name in names)
            {
                files.Add(SafetensorsFile.Open(name));
                foreach (var (key, weight) in files[^1].Tensors)
                    weights[key] = weight;
            }
            return new(path, settings, weights.GetValueOrDefault, files);
        }
        catch
        {
            files.ForEach(f => f.Dispose());
            throw;
        }
    }

    /// <summary>Unmaps the files; the weights can't be used any more.</summary>
    public void Dispose()
    {
        foreach (var file in files)
            file.Dispose();
    }
}
