using Softmodel.Cli.Baselines;
using Softmodel.Graphs;
using Softmodel.Language;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Softmodel.Cli.Bench;

/// <summary>An embedding model with a number of threads on sentences.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Threads">How many threads each used.</param>
/// <param name="Case">How the sentences were given.</param>
/// <param name="Sentences">How many there are.</param>
/// <param name="Tokens">How many tokens they have together.</param>
/// <param name="OursMs">The median of the compiled model for all of them.</param>
/// <param name="PeerMs">The median of ONNX Runtime.</param>
/// <param name="Speedup">The ratio of the medians.</param>
/// <param name="MinCosine">The least cosine between the two embeddings of a sentence.</param>
/// <param name="Runs">How often each was timed.</param>
sealed record SentenceRow(string Model, int Threads, string Case, int Sentences, int Tokens, double OursMs, double PeerMs, double Speedup, double MinCosine, int Runs)
{
    /// <summary>Sentences per second of the compiled model.</summary>
    public double OursPerSecond => Math.Round(Sentences / OursMs * 1000, 1);

    /// <summary>Sentences per second of the baseline.</summary>
    public double PeerPerSecond => Math.Round(Sentences / PeerMs * 1000, 1);
}

/// <summary>Times an embedding model and ONNX Runtime in turns, on the same tokens.</summary>
static class SentenceSpeed
{
    const int Together = 32;

    /// <summary>Sentences of 3 to 40 words, the same every time.</summary>
    public static string[] Generated(int count)
    {
        string[] words = ["the", "a", "of", "and", "to", "in", "is", "was", "that", "it", "for", "on", "with", "ferry", "harbour", "night", "letter", "river", "engine", "garden", "music", "winter", "captain", "window",
            "answer", "bridge", "market", "signal", "children", "remember", "quietly", "between", "yesterday", "unless", "machine", "compiled", "translation", "electricity", "misunderstood", "photographs"];
        var random = new Random(1);
        string Sentence()
        {
            // Short ones are more frequent.
            var length = 3 + (int)(Math.Pow(random.NextDouble(), 2) * 38);
            var chosen = string.Join(" ", Enumerable.Range(0, length).Select(_ => words[random.Next(words.Length)]));
            return $"{char.ToUpperInvariant(chosen[0])}{chosen[1..]}.";
        }
        return [.. Enumerable.Range(0, count).Select(_ => Sentence())];
    }

    /// <summary>Times both.</summary>
    /// <param name="name">The model, by its name in the catalogue or its source.</param>
    /// <param name="loaded">The model.</param>
    /// <param name="texts">The sentences.</param>
    /// <param name="options">How it is compiled.</param>
    /// <param name="runs">How often each is timed.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    public static async Task<SentenceRow[]> Measure(string name, Model loaded, string[] texts, CompileOptions options, int runs, IProgress<string> progress, CancellationToken cancel)
    {
        using var model = await EmbeddingModel.LoadAsync(name, new() { Use = loaded.Use, Compile = options }, progress, cancel);
        using var baseline = OnnxRuntimeBaseline.Load(loaded.Path, model.Threads);
        int[][] tokens = [.. texts.Select(model.TokensOf)];
        var rows = new List<SentenceRow>();
        foreach (var together in (int[])[1, Together])
        {
            progress.Report($"timing {name}: {together} sentences at a time with {model.Threads} threads");
            // Of like length beside one another, as those who use it in earnest do.
            int[][] batches = [.. Enumerable.Range(0, tokens.Length).OrderBy(i => tokens[i].Length).Chunk(together)];
            var given = batches.Select(b => Padded(baseline.Inputs, [.. b.Select(i => tokens[i])])).ToArray();
            var ours = new float[tokens.Length][];
            var its = new float[tokens.Length][];
            void Ours()
            {
                if (together == 1)
                {
                    for (var i = 0; i < tokens.Length; i++)
                        ours[i] = model.Embed([tokens[i]], cancel)[0];
                }
                else
                {
                    ours = model.Embed(tokens, cancel);
                }
            }
            void Its()
            {
                for (var b = 0; b < batches.Length; b++)
                {
                    cancel.ThrowIfCancellationRequested();
                    Pool(baseline.Run(given[b])[0], batches[b], tokens, its);
                }
            }
            var times = Interleaved.Time(runs, [Ours, Its], cancel);
            var cosine = ours.Zip(its, (a, b) => (double)TensorPrimitives.CosineSimilarity(a, b)).Min();
            rows.Add(new(name, model.Threads, together == 1 ? "one at a time" : $"{together} at a time", tokens.Length, tokens.Sum(t => t.Length), times[0].Median, times[1].Median, Math.Round(times[1].Median / times[0].Median, 3), Math.Round(cosine, 7), runs));
        }
        return [.. rows];
    }

    static Tensor[] Padded(IReadOnlyList<string> inputs, int[][] texts)
    {
        var length = texts.Max(t => t.Length);
        return [.. inputs.Select(name =>
        {
            var values = new long[texts.Length * length];
            for (var t = 0; t < texts.Length; t++)
            {
                for (var p = 0; p < texts[t].Length; p++)
                    values[t * length + p] = name switch { "input_ids" => texts[t][p], "attention_mask" => 1, "position_ids" => p, _ => 0 };
            }
            return Tensor.Of<long>(values, texts.Length, length);
        })];
    }

    /// <summary>The mean over the tokens of each text.</summary>
    static void Pool(Tensor output, int[] batch, int[][] tokens, float[][] embeddings)
    {
        var (length, width) = ((int)output.Dims[1], (int)output.Dims[2]);
        var all = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(output.Bytes.Span);
        for (var t = 0; t < batch.Length; t++)
        {
            var pooled = new float[width];
            for (var p = 0; p < tokens[batch[t]].Length; p++)
                TensorPrimitives.Add(pooled, all.Slice((t * length + p) * width, width), pooled);
            TensorPrimitives.Divide(pooled, TensorPrimitives.Norm(pooled), pooled);
            embeddings[batch[t]] = pooled;
        }
    }

    /// <summary>The geometric mean of the speedups of each model and number of threads, and the least cosine.</summary>
    public static IEnumerable<(string Model, int Threads, double Speedup, double Least, double Cosine)> Summaries(IEnumerable<SentenceRow> rows) => rows.GroupBy(r => (r.Model, r.Threads))
        .Select(g => (g.Key.Model, g.Key.Threads, Math.Round(Math.Exp(g.Average(r => Math.Log(r.Speedup))), 3), g.Min(r => r.Speedup), g.Min(r => r.MinCosine)));

    /// <summary>Writes what was found.</summary>
    public static void Show(Terminal terminal, IReadOnlyList<SentenceRow> rows) => terminal.Result(new
    {
        against = "onnxruntime",
        summary = Summaries(rows).Select(s => new { model = s.Model, threads = s.Threads, speedup = s.Speedup, min_speedup = s.Least, min_cosine = s.Cosine }),
        rows,
        machine = Machine.Here,
    }, () =>
    {
        var table = Text.Table("model", "threads", "sentences", "ours", "onnxruntime", "speedup", "least cosine");
        foreach (var row in rows)
            table.Row(row.Model, $"{row.Threads}", $"{row.Sentences}, {row.Case}", $"{row.OursPerSecond:0} per second", $"{row.PeerPerSecond:0} per second", $"{row.Speedup:0.00}", $"{row.MinCosine:0.000000}");
        foreach (var (model, threads, speedup, least, cosine) in Summaries(rows))
            table.Row(model, $"{threads}", "geometric mean", "", "", $"{speedup:0.00}", $"{cosine:0.000000}");
        return table;
    });
}
