using System.Diagnostics;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Workloads;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Cli.Bench;

/// <summary>What it takes a language model from the start of a process to the logits of its first token, and to hold some more.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Threads">How many threads each used.</param>
/// <param name="PromptTokens">How many tokens were read first; as many as <paramref name="MoreTokens"/> were then read one by one.</param>
/// <param name="MoreTokens">How many.</param>
/// <param name="ColdMs">The median of a program in C with the native library, from its start to the first logits.</param>
/// <param name="PeerColdMs">The same of a process of Node.js with llama.cpp.</param>
/// <param name="PeerNodeMs">How much of that it took Node.js to start and to load llama.cpp's library.</param>
/// <param name="LoadMs">The median time to load the model with tokenizer and template in a process that has done so before.</param>
/// <param name="PeerLoadMs">The median time in which llama.cpp finds the model in its file and makes a context.</param>
/// <param name="PeakBytes">The most memory that the native program held.</param>
/// <param name="PeerPeakBytes">The same of llama.cpp's process.</param>
/// <param name="PeerEmptyBytes">How much of that Node.js and the library held without a model.</param>
/// <param name="FileBytes">The size of the model's file.</param>
/// <param name="StateBytes">What the compiled model keeps from run to run for these tokens.</param>
/// <param name="Runs">How often each was started.</param>
sealed record TextColdRow(string Model, int Threads, int PromptTokens, int MoreTokens, double ColdMs, double PeerColdMs, double PeerNodeMs, double LoadMs, double PeerLoadMs, long PeakBytes, long PeerPeakBytes, long PeerEmptyBytes, long FileBytes, long StateBytes, int Runs)
{
    const long Allowed = 64 << 20;

    /// <summary>The speedup of the cold start.</summary>
    public double ColdSpeedup => Math.Round(PeerColdMs / ColdMs, 2);

    /// <summary>Whether the native program holds no more than the file's size, what it keeps from run to run, and 64 MB.</summary>
    public bool IsWithinMemory => PeakBytes <= FileBytes + StateBytes + Allowed;
}

/// <summary>Starts a language model and llama.cpp in turns, each in a new process.</summary>
static class TextCold
{
    const int Prompt = 32, More = 64, Context = 2048;

    /// <summary>Starts both.</summary>
    /// <param name="name">The model, by its name in the catalogue or its source.</param>
    /// <param name="model">The same, in a GGUF file.</param>
    /// <param name="options">How it is compiled.</param>
    /// <param name="rounds">How often each is started.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="SoftmodelException">There is no C compiler, or a program fails.</exception>
    public static async Task<TextColdRow> Measure(string name, Model model, CompileOptions options, int rounds, IProgress<string> progress, CancellationToken cancel)
    {
        var tokenizer = Tokenizer.Open(model.Vocabulary ?? TextFiles.TokenizerOf(model.Path));
        int[] tokens = [.. Enumerable.Range(0, Prompt + More).Select(i => 5 + i * 97 % (tokenizer.Count - 5))];
        using var folder = new TemporaryFolder();
        using (var decoder = Decoder.Of(model.Compile(options, progress, cancel), Context))
        {
            Workload[] runs = [.. Runs(tokens, [.. decoder.Model.Inputs.Select(i => i.Name)])];
            ProgramAlone.WriteInputs(folder.File("inputs"), runs, [.. decoder.Model.Inputs.Select(i => i.Name)]);
        }
        var state = State(model, options, tokens, progress, cancel);
        var native = await ProgramAlone.Native(await NativeLibrary.Of(model, progress, cancel), options.Threads, folder.File("inputs"), folder, cancel);
        var (ours, its, loads, itsLoads, nodes) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>());
        var (peak, itsPeak, itsEmpty) = (0L, 0L, 0L);
        for (var round = -1; round < rounds; round++)
        {
            progress.Report($"starting {name} with {options.Threads} threads, {round + 1} of {rounds}");
            var took = await native.Run(cancel);
            var clock = Stopwatch.StartNew();
            using (await LanguageModel.LoadAsync(name, new() { Use = model.Use, Compile = options }, progress, cancel))
                clock.Stop();
            var since = Stopwatch.GetTimestamp();
            using var baseline = await LlamaCpp.Start(model.Path, options.Threads, Context, cancel);
            baseline.Prefill(tokens[..Prompt]);
            var first = Stopwatch.GetElapsedTime(since).TotalMilliseconds;
            baseline.Decode(tokens[..Prompt], More);
            (peak, itsPeak, itsEmpty) = (Math.Max(peak, took.PeakBytes), Math.Max(itsPeak, baseline.PeakMemory), Math.Max(itsEmpty, baseline.EmptyMemory));
            if (round < 0)
                continue;
            ours.Add(took.FirstMs);
            loads.Add(clock.Elapsed.TotalMilliseconds);
            its.Add(first);
            itsLoads.Add(baseline.LoadMs);
            nodes.Add(baseline.ReadyMs - baseline.LoadMs);
        }
        static double Median(List<double> all) => Math.Round(Timing.Of(all).Median, 1);
        return new(name, options.Threads, Prompt, More, Median(ours), Median(its), Median(nodes), Median(loads), Median(itsLoads), peak, itsPeak, itsEmpty, new FileInfo(model.Path).Length, state, rounds);
    }

    static long State(Model model, CompileOptions options, int[] tokens, IProgress<string> progress, CancellationToken cancel)
    {
        using var decoder = Decoder.Of(model.Compile(options, progress, cancel), Context);
        var sequence = decoder.Begin();
        decoder.Run(new SequenceTokens(sequence, tokens.AsMemory(0, Prompt)));
        for (var i = Prompt; i < tokens.Length; i++)
            decoder.Run(new SequenceTokens(sequence, tokens.AsMemory(i, 1)));
        return decoder.Model.StateBytes;
    }

    /// <summary>What a decoder is given for a prompt, and then for some more tokens one by one.</summary>
    static IEnumerable<Workload> Runs(int[] tokens, IReadOnlyList<string> inputs)
    {
        for (var (from, to) = (0, Prompt); from < tokens.Length; (from, to) = (to, to + 1))
        {
            var (first, count) = (from, to - from);
            Tensor Numbers(int length, Func<int, long> number) => Tensor.Of<long>([.. Enumerable.Range(0, length).Select(number)], length);
            yield return new($"{to}", inputs.ToDictionary(n => n, n => n switch
            {
                SequenceInputs.Tokens => Numbers(count, i => tokens[first + i]),
                SequenceInputs.Positions or SequenceInputs.Cells => Numbers(count, i => first + i),
                SequenceInputs.Sequences => Numbers(count, _ => 0),
                SequenceInputs.LogitsIndices => Numbers(1, _ => count - 1),
                SequenceInputs.CellPositions => Numbers(first + count, i => i),
                SequenceInputs.CellSequences => Numbers(first + count, _ => 1),
                _ => Numbers(SequenceInputs.MostSequences, i => i == 0 && first > 0 ? 1 : 0),
            }));
        }
    }

    /// <summary>Writes what was found.</summary>
    public static void Show(Terminal terminal, IReadOnlyList<TextColdRow> rows) => terminal.Result(new { against = "llama.cpp", rows, machine = Machine.Here }, () =>
    {
        var table = Text.Table("model", "threads", "from start to first token", "llama.cpp", "speedup", "load", "llama.cpp", "memory", "llama.cpp", "file and state");
        foreach (var row in rows)
        {
            table.Row(row.Model, $"{row.Threads}", $"{row.ColdMs:0} ms", $"{row.PeerColdMs:0} ms, {row.PeerNodeMs:0} of them Node.js", $"{row.ColdSpeedup:0.0}", $"{row.LoadMs:0} ms", $"{row.PeerLoadMs:0} ms",
                Text.Size(row.PeakBytes), $"{Text.Size(row.PeerPeakBytes)}, {Text.Size(row.PeerEmptyBytes)} of them Node.js", $"{Text.Size(row.FileBytes)} and {Text.Size(row.StateBytes)}");
        }
        return table;
    });
}
