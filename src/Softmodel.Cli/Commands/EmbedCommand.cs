using System.CommandLine;
using System.Numerics.Tensors;
using Softmodel.Cli.Arrays;
using Softmodel.Compile;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel embed</c>: sentence embeddings and their cosine similarities.</summary>
static class EmbedCommand
{
    // More are no table.
    const int MostCompared = 12;

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "An embedding model: a name of the catalogue, an ONNX file, a folder with config.json and safetensors, or a source." };
        var texts = new Argument<string[]>("text") { Description = "The sentences; - reads them from standard input, one a line.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "Write the embeddings to a .npy, .npz or .json file, one row per text.", HelpName = "FILE" };
        var pooling = new Option<Pooling?>("--pooling") { Description = "How token embeddings are pooled; by default as the model's files say, else mean." };
        var raw = new Option<bool>("--no-normalize") { Description = "Do not L2-normalize the embeddings." };
        var most = new Option<int>("--max-tokens") { Description = "Truncate texts to this many tokens; by default to the positions that the model has.", DefaultValueFactory = _ => 0 };
        var tokenizer = new Option<string>("--tokenizer") { Description = "The tokenizer, where it is not beside the model.", HelpName = "FILE" };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var use = new UseChoice();
        var verb = new Verb("embed", "Compute sentence embeddings and their cosine similarities, with int16 quantisation unless --quantize none is given.",
            "embed minilm \"A cat sleeps.\" \"The kitten is asleep.\" \"Prices rise.\"", "embed minilm - -o lines.npy", "embed gte-small \"A cat sleeps.\" --json")
        { model, texts, output, pooling, raw, most, tokenizer, threads };
        use.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var name = parsed.GetRequiredValue(model);
            if (parsed.GetValue(output) is { } file)
                WholeFile.Check(file);
            string[] given = parsed.GetRequiredValue(texts) is ["-"] ? await TextLines.Read(cancel) : parsed.GetRequiredValue(texts);
            if (!TextFiles.IsBuilt(name))
                await terminal.Fetch(name, cancel);
            var options = new EmbeddingOptions
            {
                Pooling = parsed.GetValue(pooling),
                Normalize = !parsed.GetValue(raw),
                MaxTokens = parsed.GetValue(most),
                Tokenizer = parsed.GetValue(tokenizer),
                Use = use.Of(parsed, new(), Quantization.Int16),
                Compile = new() { Threads = parsed.GetValue(threads) },
            };
            using var loaded = await terminal.Working(progress => EmbeddingModel.LoadAsync(name, options, progress, cancel));
            int[] tokens = [.. given.Select((t, i) => Counted(loaded, t, i, terminal))];
            var embeddings = await terminal.Working(progress =>
            {
                progress.Report($"embedding {given.Length} texts");
                return Task.Run(() => loaded.Embed(given, cancel), cancel);
            });
            if (parsed.GetValue(output) is { } path)
                ArrayFiles.Write(path, [("embeddings", Graphs.Tensor.Of<float>([.. embeddings.SelectMany(e => e)], given.Length, loaded.Dimensions))], 0);
            terminal.Result(new
            {
                model = loaded.Name,
                dimensions = loaded.Dimensions,
                embeddings = given.Select((t, i) => new { text = t, tokens = tokens[i], embedding = parsed.GetValue(output) is null ? embeddings[i] : null }),
                cosines = given.Length <= MostCompared ? Cosines(embeddings) : null,
            }, () =>
            {
                if (given.Length > MostCompared)
                    return Text.Table("texts", "dimensions", "written to").Row($"{given.Length}", $"{loaded.Dimensions}", parsed.GetValue(output) ?? "nowhere: -o names a file");
                var table = Text.Table(["text", "tokens", .. given.Select((_, i) => $"cosine with {i + 1}")]);
                foreach (var (row, i) in Cosines(embeddings).Select((r, i) => (r, i)))
                    table.Row([$"{i + 1} {given[i]}", $"{tokens[i]}", .. row.Select(c => $"{c:0.000}")]);
                return table;
            });
            return CommandLine.Done;
        }, Verb.Json());
    }

    static int Counted(EmbeddingModel model, string text, int index, Terminal terminal)
    {
        var count = model.CountTokens(text, out var isCut);
        if (isCut)
            terminal.Say($"text {index + 1} is longer than {model.MaxTokens} tokens and was truncated");
        return count;
    }

    static double[][] Cosines(float[][] embeddings) => [.. embeddings.Select(a => embeddings.Select(b => Math.Round(TensorPrimitives.CosineSimilarity(a, b), 4)).ToArray())];
}
