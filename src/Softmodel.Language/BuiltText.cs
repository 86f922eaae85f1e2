using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>What lies beside the library of a model of text that has been built, in <see cref="FileName"/>: all that is known of its texts.</summary>
/// <param name="Tokenizer">The tokenizer's file, by its path from the folder.</param>
/// <param name="ContextLength">How many tokens a context, or a text, has room for.</param>
/// <param name="ChatTemplate">The chat template; null where there is none.</param>
/// <param name="QuantisesPerRun">See <see cref="Decoder.QuantisesPerRun"/>.</param>
/// <param name="Pooling">Of an embedding model.</param>
/// <param name="Labels">The classes of a classifier.</param>
/// <param name="Fused">The programs that a language model is fused with.</param>
sealed record BuiltText(string Tokenizer, int ContextLength, string? ChatTemplate = null, bool QuantisesPerRun = false, Pooling? Pooling = null, IReadOnlyList<string>? Labels = null, FusedWith? Fused = null)
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "text.json";

    const string Licences = "LICENSES.txt";

    /// <summary>Whether a folder is one in which such a model has been built.</summary>
    public static bool Is(string folder) => File.Exists(Path.Combine(folder, FileName));

    /// <summary>Writes the file.</summary>
    public void Write(Stream stream) => JsonSerializer.Serialize(stream, this, BuiltTextJson.Default.BuiltText);

    /// <summary>The language model in a folder.</summary>
    public static LanguageModel OpenLanguageModel(string folder, int contextLength, bool contextShift, int threads)
    {
        var (path, text, tokenizer) = Read(ref folder);
        var template = text.ChatTemplate is { } source ? Chat.ChatTemplate.Parse(source, path) : null;
        var model = BuiltModel.Open(folder, threads);
        try
        {
            if (model.Outputs[0].Name != SequenceInputs.Logits && !ExportDecoder.Takes(model.Inputs))
                throw new SoftmodelException($"{folder} is no language model: it takes {string.Join(", ", model.Inputs.Select(i => i.Name))}; EmbeddingModel.Open opens encoders");
            if (contextShift && ExportDecoder.Takes(model.Inputs))
                throw new SoftmodelException($"{folder} is an ONNX export, whose context can't shift; make it larger");
            return new(model.Name, Licence(folder), Decoder.Of(model, contextLength > 0 ? contextLength : text.ContextLength, contextShift, text.QuantisesPerRun), tokenizer, template, text.Fused);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The embedding model in a folder.</summary>
    public static EmbeddingModel OpenEmbeddingModel(string folder, bool normalize, int threads)
    {
        var (_, text, tokenizer) = Read(ref folder);
        var model = BuiltModel.Open(folder, threads);
        if (Encoder.Is(model.Inputs, model.Outputs))
            return new(model.Name, Licence(folder), new(model), tokenizer, text.Pooling ?? Language.Pooling.Mean, normalize, text.ContextLength);
        model.Dispose();
        throw new SoftmodelException($"{folder} is no encoder of texts: it takes {string.Join(", ", model.Inputs.Select(i => i.Name))}");
    }

    /// <summary>The classifier in a folder.</summary>
    public static TextClassifier OpenClassifier(string folder, int threads)
    {
        var (path, text, tokenizer) = Read(ref folder);
        var labels = text.Labels ?? throw new SoftmodelException($"{path}: it has no labels, so that it is no classifier; softmodel train classifier makes one");
        var model = BuiltModel.Open(folder, threads);
        if (TextClassifier.Is(model.Inputs, model.Outputs, labels.Count))
            return new(model.Name, Licence(folder), model, tokenizer, labels, text.ContextLength);
        model.Dispose();
        throw new SoftmodelException($"{folder} is no classifier of {labels.Count} classes: it takes {string.Join(", ", model.Inputs.Select(i => i.Name))} and gives {string.Join(", ", model.Outputs.Select(o => o.Name))}");
    }

    static (string Path, BuiltText Text, Tokenizer Tokenizer) Read(ref string folder)
    {
        folder = Path.GetFullPath(folder);
        var path = Path.Combine(folder, FileName);
        try
        {
            using var file = File.OpenRead(path);
            var text = JsonSerializer.Deserialize(file, BuiltTextJson.Default.BuiltText) ?? throw new JsonException("it is empty");
            return text.ContextLength > 0 ? (path, text, Language.Tokenizer.Open(Path.Combine(folder, Path.GetFileName(text.Tokenizer)))) : throw new JsonException($"'context_length' is {text.ContextLength}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            throw new SoftmodelException($"{path}: it does not describe a model of text that softmodel build has made: {e.Message}", e);
        }
    }

    static string Licence(string folder) => Path.Combine(folder, Licences) is var path && File.Exists(path) ? File.ReadAllText(path) : "";
}

[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BuiltText))]
sealed partial class BuiltTextJson : JsonSerializerContext;
