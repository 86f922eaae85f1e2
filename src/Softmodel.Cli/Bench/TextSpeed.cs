using System.Diagnostics;
using Softmodel.Cli.Baselines;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Cli.Bench;

/// <summary>A language model with a number of threads on one piece of work, in tokens per second.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Against">What it is compared with.</param>
/// <param name="Threads">How many threads each used.</param>
/// <param name="Case">What was done.</param>
/// <param name="Tokens">How many tokens were read, or written.</param>
/// <param name="OursMs">The median of the compiled model.</param>
/// <param name="PeerMs">The median of the baseline: of llama.cpp by its own clock.</param>
/// <param name="Speedup">The ratio of the medians.</param>
/// <param name="OursBestMs">The shortest run of the compiled model.</param>
/// <param name="PeerBestMs">The shortest run of the baseline.</param>
/// <param name="Runs">How often each was timed.</param>
/// <param name="IsDecoding">Whether tokens were written one by one, rather than read at once.</param>
sealed record TextRow(string Model, string Against, int Threads, string Case, int Tokens, double OursMs, double PeerMs, double Speedup, double OursBestMs, double PeerBestMs, int Runs, bool IsDecoding)
{
    /// <summary>Tokens per second of the compiled model.</summary>
    public double OursPerSecond => Math.Round(Tokens / OursMs * 1000, 1);

    /// <summary>Tokens per second of the baseline.</summary>
    public double PeerPerSecond => Math.Round(Tokens / PeerMs * 1000, 1);

    /// <summary>How much of the time it takes to read all weights once for each token written; null where that was not asked for.</summary>
    public double? ShareOfLimit { get; init; }
}

/// <summary>What a language model is compared with.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Prefill">Reads a prompt, and says how many milliseconds that took.</param>
/// <param name="Decode">Reads a prompt, writes so many tokens, and says how many milliseconds these took.</param>
/// <param name="Owner">What is disposed of.</param>
sealed record TextBaseline(string Name, Func<int[], double> Prefill, Func<int[], int, double> Decode, IDisposable Owner) : IDisposable
{
    /// <summary>llama.cpp, by its own clock.</summary>
    public static async Task<TextBaseline> LlamaCpp(string path, int threads, int context, IProgress<string> progress, CancellationToken cancel)
    {
        progress.Report("starting llama.cpp");
        var baseline = await Baselines.LlamaCpp.Start(path, threads, context, cancel, progress);
        return new("llama.cpp", tokens =>
        {
            baseline.Prefill(tokens);
            return baseline.OwnMs;
        }, (tokens, count) =>
        {
            baseline.Decode(tokens, count);
            return baseline.OwnMs;
        }, baseline);
    }

    /// <summary>ONNX Runtime, for an export.</summary>
    public static TextBaseline OnnxRuntime(string path, int threads)
    {
        var baseline = new OnnxRuntimeText(OnnxRuntimeBaseline.Load(path, threads));
        return new("onnxruntime", baseline.Prefill, baseline.Decode, baseline);
    }

    /// <summary>Ends it.</summary>
    public void Dispose() => Owner.Dispose();
}

/// <summary>Times a language model and a baseline in turns: llama.cpp, or ONNX Runtime for an export.</summary>
static class TextSpeed
{
    static readonly int[] prompts = [32, 128, 512];
    static readonly int[] before = [16, 256];

    // As many tokens as an answer of a few sentences has.
    const int Written = 64, Context = 2048;

    const string Sentence = "The night ferry left the harbour at eleven, and nobody on deck could say how many lights there were on the other shore. ";

    /// <summary>Times both on all pieces of work.</summary>
    /// <param name="name">What the user calls the model.</param>
    /// <param name="model">The model, in a GGUF file or an export.</param>
    /// <param name="options">How it is compiled.</param>
    /// <param name="runs">How often each is timed.</param>
    /// <param name="limit">What the machine can do; null where that is not asked for.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    public static async Task<TextRow[]> Measure(string name, Model model, CompileOptions options, int runs, Limits? limit, IProgress<string> progress, CancellationToken cancel)
    {
        var tokenizer = Tokenizer.Open(model.Vocabulary ?? TextFiles.TokenizerOf(model.Path));
        int[] tokens = [.. Enumerable.Repeat(tokenizer.Encode(Sentence, parsesSpecial: false), 100).SelectMany(t => t).Take(prompts[^1])];
        var weights = new FileInfo(model.Path).Length;
        using var decoder = Decoder.Of(model.Compile(options, progress, cancel), Context);
        using var baseline = model.IsLanguageModel ? await TextBaseline.LlamaCpp(model.Path, decoder.Model.Threads, Context, progress, cancel) : TextBaseline.OnnxRuntime(model.Path, decoder.Model.Threads);
        var rows = new List<TextRow>();
        TextRow Row(string what, int count, bool isDecoding, Func<double> ours, Func<double> its)
        {
            progress.Report($"timing {name}: {what} with {decoder.Model.Threads} threads");
            var (mine, others) = (new List<double>(), new List<double>());
            for (var round = -1; round < runs; round++)
            {
                cancel.ThrowIfCancellationRequested();
                var (a, b) = (ours(), its());
                if (round >= 0)
                {
                    mine.Add(a);
                    others.Add(b);
                }
            }
            var (our, their) = (Timing.Of(mine), Timing.Of(others));
            return new(name, baseline.Name, decoder.Model.Threads, what, count, our.Median, their.Median, Math.Round(their.Median / our.Median, 3), our.Best, their.Best, runs, isDecoding)
            {
                ShareOfLimit = isDecoding && limit is not null ? Math.Round(weights / limit.BytesPerSecond * 1000 * count / our.Best, 3) : null,
            };
        }
        foreach (var count in prompts)
        {
            rows.Add(Row($"prefill {count}", count, false, () =>
            {
                var sequence = decoder.Begin();
                var clock = Stopwatch.StartNew();
                decoder.Run(new SequenceTokens(sequence, tokens.AsMemory(0, count)));
                var took = clock.Elapsed.TotalMilliseconds;
                decoder.End(sequence);
                return took;
            }, () => baseline.Prefill(tokens[..count])));
        }
        foreach (var count in before)
        {
            rows.Add(Row($"decode {Written} after {count}", Written, true, () =>
            {
                var sequence = decoder.Begin();
                var next = Sampler.Largest(decoder.Run(new SequenceTokens(sequence, tokens.AsMemory(0, count))));
                var clock = Stopwatch.StartNew();
                for (var i = 0; i < Written; i++)
                    next = Sampler.Largest(decoder.Run(new SequenceTokens(sequence, new[] { next })));
                var took = clock.Elapsed.TotalMilliseconds;
                decoder.End(sequence);
                return took;
            }, () => baseline.Decode(tokens[..count], Written)));
        }
        return [.. rows];
    }

    /// <summary>The geometric mean of the speedups of each model and number of threads: of decode, and of prefill.</summary>
    public static IEnumerable<(string Model, int Threads, double Decode, double Prefill)> Summaries(IEnumerable<TextRow> rows) => rows.GroupBy(r => (r.Model, r.Threads))
        .Select(g => (g.Key.Model, g.Key.Threads, Mean(g.Where(r => r.IsDecoding)), Mean(g.Where(r => !r.IsDecoding))));

    static double Mean(IEnumerable<TextRow> rows) => Math.Round(Math.Exp(rows.Average(r => Math.Log(r.Speedup))), 3);

    /// <summary>Writes what was found.</summary>
    public static void Show(Terminal terminal, IReadOnlyList<TextRow> rows) => terminal.Result(new
    {
        against = string.Join(", ", rows.Select(r => r.Against).Distinct()),
        summary = Summaries(rows).Select(s => new { model = s.Model, threads = s.Threads, decode = s.Decode, prefill = s.Prefill }),
        rows,
        machine = Machine.Here,
    }, () =>
    {
        var table = Text.Table("model", "threads", "work", "ours", string.Join(", ", rows.Select(r => r.Against).Distinct()), "speedup", rows.Any(r => r.ShareOfLimit is not null) ? "of the memory bandwidth" : "");
        foreach (var row in rows)
            table.Row(row.Model, $"{row.Threads}", row.Case, $"{row.OursPerSecond:0.0} tokens/s", $"{row.PeerPerSecond:0.0} tokens/s", $"{row.Speedup:0.00}", row.ShareOfLimit is { } share ? $"{share:0%}" : "");
        foreach (var (model, threads, decode, prefill) in Summaries(rows))
            table.Row(model, $"{threads}", "geometric means", $"decode {decode:0.00}", $"prefill {prefill:0.00}", "", "");
        return table;
    });
}
