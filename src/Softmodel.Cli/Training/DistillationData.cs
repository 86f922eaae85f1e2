using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Load;
using Softmodel.Runtime;

namespace Softmodel.Cli.Training;

/// <summary>Reads what a teacher is run on.</summary>
static class DistillationData
{
    /// <summary>The examples of a file or folder.</summary>
    /// <param name="path">
    /// A .npz file with an array for each input, whose rows along the first axis are examples; a folder of cases, as for <c>softmodel verify</c>;
    /// or, for a model with a tokenizer, texts: a .txt file with one in each line, or a .jsonl file whose objects have <c>text</c>.
    /// </param>
    /// <param name="teacher">The teacher.</param>
    /// <param name="most">The most tokens of a text; 0 for as many as the teacher has positions.</param>
    /// <exception cref="SoftmodelException">It can't be read, or does not fit the teacher.</exception>
    public static InputSet[] Read(string path, Model teacher, int most)
    {
        if (Directory.Exists(path))
            return InputFolder.Read(path, teacher.Inputs, new Dictionary<string, Tensor>());
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".npz" => Rows(path, teacher.Inputs),
            ".txt" => Texts(LabelledTexts.Decoded(path).Split('\n').Index().Select(l => (l.Item.Trim(), $"{path}:{l.Index + 1}")).Where(l => l.Item1.Length > 0), path, teacher, most),
            ".jsonl" => Texts(LabelledTexts.JsonLines(path).Select(l => (TextOf(l.Object, $"{path}:{l.Line}"), $"{path}:{l.Line}")), path, teacher, most),
            _ => throw new SoftmodelException($"{path}: there is no such folder, and it is no .npz, .txt or .jsonl file"),
        };
    }

    static string TextOf(JsonElement line, string where) => line.TryGetProperty("text", out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text
        : throw new SoftmodelException($"{where}: its 'text' is missing, empty or no text");

    static InputSet[] Texts(IEnumerable<(string Text, string Where)> texts, string path, Model teacher, int most)
    {
        if (!TextInputs.Are(teacher.Inputs) || !TextInputs.IsTable(teacher.Inputs))
            throw new SoftmodelException($"{path} has texts, and the teacher takes {string.Join(", ", teacher.Inputs)}; give it a .npz file, or a folder of .npz or .npy files");
        var tokenizer = Tokenizer.Open(teacher.Vocabulary ?? TextFiles.TokenizerOf(teacher.Path));
        var longest = TextFiles.SettingsOf(teacher.Path)?.Integer("max_position_embeddings", EmbeddingModelLoading.DefaultMost) ?? EmbeddingModelLoading.DefaultMost;
        var limit = most > 0 ? Math.Min(most, longest) : longest;
        InputSet[] all = [.. texts.Select(t =>
        {
            var tokens = TextInputs.TokensOf(tokenizer, t.Text, limit);
            return new InputSet(t.Where, teacher.Inputs.ToDictionary(i => i.Name, i => Tensor.Of<long>([.. tokens.Select((token, p) => TextInputs.ValueOf(i.Name, token, 0, p))], 1, tokens.Length), StringComparer.Ordinal));
        })];
        return all.Length > 0 ? all : throw new SoftmodelException($"{path} is empty");
    }

    static InputSet[] Rows(string path, IReadOnlyList<TensorInfo> inputs)
    {
        var arrays = Npz.Read(path).ToDictionary(a => a.Name, a => a.Tensor, StringComparer.Ordinal);
        if (arrays.Keys.FirstOrDefault(n => inputs.All(i => i.Name != n)) is { } more)
            throw new SoftmodelException($"{path}: there is no input '{more}'; the inputs are {string.Join(", ", inputs)}");
        var count = -1L;
        foreach (var input in inputs)
        {
            var array = arrays.GetValueOrDefault(input.Name) ?? throw new SoftmodelException($"{path}: the input {input} is missing");
            if (array.Type != input.Type || array.Rank != input.Rank || array.Rank == 0 || Enumerable.Range(1, array.Rank - 1).Any(axis => input.Sizes[axis] >= 0 && array.Dims[axis] != input.Sizes[axis]))
                throw new SoftmodelException($"{path}: '{input.Name}' is {array.TensorType}, and the teacher takes {input}; its rows along the first axis are examples");
            if (input.Sizes[0] is not (1 or -1))
                throw new SoftmodelException($"{path}: the teacher takes {input}, whose rows are not examples; give a folder with a .npz file for each example");
            if (count >= 0 && array.Dims[0] != count)
                throw new SoftmodelException($"{path}: '{input.Name}' has {array.Dims[0]} rows, and another array {count}");
            count = array.Dims[0];
        }
        Tensor Row(Tensor array, int index)
        {
            var size = (int)(array.Bytes.Length / count);
            return new(array.Type, [1, .. array.Dims[1..]], array.Bytes.Slice(index * size, size));
        }
        return [.. Enumerable.Range(0, (int)Math.Max(0, count)).Select(i => new InputSet($"{Path.GetFileName(path)}[{i}]", inputs.ToDictionary(v => v.Name, v => Row(arrays[v.Name], i), StringComparer.Ordinal)))];
    }
}
