using Softmodel.Import;
using Softmodel.Language;
using Softmodel.Language.Tokens;
using Softmodel.Sources;

namespace Softmodel.Load;

/// <summary>Finds what belongs to a model of text: its tokenizer and its settings.</summary>
static class TextFiles
{
    const string Json = "tokenizer.json", Config = "config.json", TokenizerConfig = "tokenizer_config.json", Gguf = "tokenizer.gguf", Bin = "tokenizer.bin";

    /// <summary>Where the tokenizer of a model lies: in its file, or beside it.</summary>
    /// <param name="model">The file or folder of a model.</param>
    /// <exception cref="SoftmodelException">It is not there, or there are several.</exception>
    public static string TokenizerOf(string model)
    {
        if (Directory.Exists(model) || TokenizerFile.StartsAsGguf(model))
            return model;
        var folder = FolderOf(model);
        string[] beside = [.. Directory.GetFiles(folder, Path.GetExtension(model) == ".bin" ? "tok*.bin" : Json)];
        return beside.FirstOrDefault(f => Path.GetFileName(f) == "tokenizer.bin") ?? beside switch
        {
            [var only] => only,
            [] => throw new SoftmodelException($"{model}: it has no tokenizer, and beside it lies none (tokenizer.json, or tokenizer.bin for the files of llama2.c); put it there, or name it with --tokenizer"),
            _ => throw new SoftmodelException($"{model}: beside it lie several tokenizers ({string.Join(", ", beside.Select(Path.GetFileName).Order(StringComparer.Ordinal))}); name one with --tokenizer"),
        };
    }

    /// <summary>What the <c>config.json</c> of a model says; null where there is none.</summary>
    /// <param name="model">The file or folder of the model.</param>
    public static Settings? SettingsOf(string model) => Path.Combine(FolderOf(model), Config) is var path && File.Exists(path) ? Settings.Read(path) : null;

    /// <summary>The folder where what belongs to a model's file lies: its own, or that above where exports lie in one called <c>onnx</c>.</summary>
    static string FolderOf(string model)
    {
        if (Directory.Exists(model))
            return model;
        var folder = new DirectoryInfo(Path.GetDirectoryName(Path.GetFullPath(model))!);
        return folder is { Name: "onnx", Parent: { } above } && !File.Exists(Path.Combine(folder.FullName, Json)) ? above.FullName : folder.FullName;
    }

    /// <summary>A tokenizer as it lies beside a library that has been built.</summary>
    /// <param name="path">A GGUF file, a <c>tokenizer.json</c> or the folder where it lies, or a <c>tokenizer.bin</c> of llama2.c.</param>
    /// <returns>Its file, and all files that are to be written; of a GGUF file what it says of the model, without its tensors.</returns>
    public static (string Name, IReadOnlyList<(string Name, Action<Stream> Write)> Files) TokenizerToShip(string path)
    {
        static (string, Action<Stream>) Copied(string name, string path) => (name, stream => stream.Write(File.ReadAllBytes(path)));
        var json = Directory.Exists(path) ? Path.Combine(path, Json) : path;
        if (Path.GetExtension(json).Equals(".json", StringComparison.OrdinalIgnoreCase))
        {
            var config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(json))!, TokenizerConfig);
            return (Json, File.Exists(config) ? [Copied(Json, json), Copied(TokenizerConfig, config)] : [Copied(Json, json)]);
        }
        return TokenizerFile.StartsAsGguf(path) ? (Gguf, [(Gguf, stream => stream.Write(GgufMetadata.Alone(path)))]) : (Bin, [Copied(Bin, path)]);
    }

    /// <summary>Whether a source is a folder in which a model of text has been built; a name of the catalogue is one of the catalogue.</summary>
    public static bool IsBuilt(string source) => Catalogue.Find(source) is null && BuiltText.Is(source);
}
