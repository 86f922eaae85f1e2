namespace Softmodel.Bench.Fuzz;

/// <summary>A kind of models that are damaged.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="File">What a damaged model is called: a file, or a folder.</param>
/// <param name="MostBytes">Larger models are left out where nothing else is said.</param>
/// <param name="Corpus">The models below a folder that have at most so many bytes.</param>
/// <param name="Write">Writes one of them to a place, damaged.</param>
sealed record FuzzFormat(string Name, string File, long MostBytes, Func<string, long, string[]> Corpus, Action<string, string, Random> Write)
{
    static readonly FuzzFormat onnx = new("onnx", "model.onnx", 100_000, (folder, most) => Files(folder, "*.onnx", most), (model, to, random) =>
    {
        System.IO.File.Delete(to);
        System.IO.File.WriteAllBytes(to, OnnxMutation.Of(System.IO.File.ReadAllBytes(model), random));
    });

    static readonly FuzzFormat gguf = new("gguf", "model.gguf", 1_000_000, (folder, most) => [.. Files(folder, "*.gguf", most), .. GgufModel.Made], (model, to, random) =>
    {
        System.IO.File.Delete(to);
        System.IO.File.WriteAllBytes(to, GgufMutation.Of(GgufModel.Open(model), random));
    });

    static readonly FuzzFormat safetensors = new("safetensors", "model", 1_000_000, (folder, most) =>
        [.. Files(folder, SafetensorsMutation.Weights, most).Select(f => Path.GetDirectoryName(f)!).Where(f => System.IO.File.Exists(Path.Combine(f, SafetensorsMutation.Config)))], SafetensorsMutation.Write);

    /// <summary>All of them.</summary>
    public static readonly FuzzFormat[] All = [onnx, gguf, safetensors];

    /// <summary>The kind of that name.</summary>
    public static FuzzFormat Of(string name) => All.First(f => f.Name == name);

    /// <summary>The first kind of which models lie below a folder.</summary>
    public static FuzzFormat Within(string folder) => All.FirstOrDefault(f => Directory.EnumerateFiles(folder, f == safetensors ? SafetensorsMutation.Weights : $"*.{f.Name}", SearchOption.AllDirectories).Any(), gguf);

    static string[] Files(string folder, string pattern, long most) =>
        [.. Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories).Where(f => new FileInfo(f).Length <= most).Order(StringComparer.Ordinal)];
}
