using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Cli.Baselines;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Language;
using Softmodel.Language.Chat;
using Softmodel.Load;
using Softmodel.Sources;

namespace Softmodel.Cli.Verify;

/// <summary>What was found of a language model.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Oracle">What it was compared with.</param>
/// <param name="Cases">How many tokens were compared.</param>
/// <param name="Top1">For which share of them the most likely next token is the oracle's.</param>
/// <param name="Perplexity">The perplexity of the oracle's text; null where it has none.</param>
/// <param name="OraclePerplexity">The same as the oracle computes it.</param>
/// <param name="MaxAbs">The largest difference of a logit, or of a log-probability; null where none were given.</param>
/// <param name="Greedy">How many tokens of the oracle's greedy text were written, of how many.</param>
/// <param name="Tokenized">How many texts became the oracle's tokens, of how many.</param>
/// <param name="Chat">Whether the oracle's chat was rendered and tokenized exactly; null where it has none.</param>
/// <param name="Ok">Whether it comes up to the bars.</param>
sealed record LanguageVerified(string Model, string Oracle, int Cases, double Top1, double? Perplexity, double? OraclePerplexity, double? MaxAbs, Share? Greedy, Share? Tokenized, bool? Chat, bool Ok);

/// <summary>So many of so many.</summary>
readonly record struct Share(int Of, int All)
{
    public bool IsWhole => Of == All;

    public override string ToString() => $"{Of} of {All}";
}

/// <summary>What another program computed of a language model: beside the model, as a file.</summary>
static class LanguageOracle
{
    // The logits of tiny networks, of which the largest are about 1; the likelihood of a text; the best token.
    const double MostDifference = 2e-4, MostLikelihood = 0.005, LeastTop1 = 0.99;

    // How many tokens of llama.cpp's are the best for us, too; logits of real models, of which the largest are about 20.
    const double MinBaselineShare = 0.9, MostLogitDifference = 0.01;

    const int Written = 32;

    // Room for the oracles' texts.
    const int Room = 4096;

    const string CaseName = "case.json";

    /// <summary>The folders below one that hold a model and what it computes, in order.</summary>
    public static string[] Below(string folder) => !Directory.Exists(folder) || Checkpoint.Is(folder) ? []
        : [.. Directory.EnumerateDirectories(folder).Where(f => File.Exists(Path.Combine(f, CaseName)) && Checkpoint.Is(f)).Order(StringComparer.Ordinal)];

    /// <summary>Compares a model with its oracle.</summary>
    /// <param name="name">What the user calls it.</param>
    /// <param name="model">The model.</param>
    /// <param name="oracle">The oracle's file; null for the one beside the model, or where there is none for llama.cpp or the reference evaluator.</param>
    /// <param name="options">How it is compiled.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="SoftmodelException">The model can't be compiled, or the oracle can't be read.</exception>
    public static async Task<LanguageVerified> Verify(string name, Model model, string? oracle, CompileOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        if (Directory.Exists(model.Path) && File.Exists(Path.Combine(model.Path, CaseName)))
            return Architecture(name, model, options, progress, cancel);
        var folder = Path.GetDirectoryName(model.Path)!;
        if (oracle is null && File.Exists(Path.Combine(folder, "greedy200.txt")) && Path.GetExtension(model.Path) == ".bin")
            return Story(name, model, Path.Combine(folder, "greedy200.txt"), options, progress, cancel);
        oracle ??= new[] { folder, StoreSettings.FromEnvironment().Models }.OfType<string>().SelectMany(f => Directory.EnumerateFiles(f, "*-oracle.json")).FirstOrDefault(f => Names(f, model.Path));
        return oracle is not null ? Stream(name, model, oracle, options, progress, cancel)
            : Path.GetExtension(model.Path) == ".gguf" ? await Baseline(name, model, options, progress, cancel)
            : Evaluated(name, model, options, progress, cancel);
    }

    const string Text = "The night ferry left the harbour at eleven, and nobody on deck could say how many lights there were on the other shore.";

    static int[] TokensOf(Model model) => Tokenizer.Open(model.Vocabulary ?? TextFiles.TokenizerOf(model.Path)) is var tokenizer && tokenizer.Encode(Text, parsesSpecial: false) is var tokens
        ? tokenizer.Begin is { } begin && tokens[0] != begin ? [begin, .. tokens] : tokens : [];

    /// <summary>A GGUF file of which no file says what it computes: after each token that llama.cpp writes, the one that comes next.</summary>
    static async Task<LanguageVerified> Baseline(string name, Model model, CompileOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        var prompt = TokensOf(model);
        using var decoder = Decoder.Of(model.Compile(options, progress, cancel), Room);
        using var baseline = await LlamaCpp.Start(model.Path, decoder.Model.Threads, 512, cancel, progress);
        progress.Report($"comparing {name} with llama.cpp");
        var written = baseline.Decode(prompt, Written - 1).Tokens;
        var logits = decoder.Run(new SequenceTokens(decoder.Begin(), (int[])[.. prompt, .. written[..^1]], AllLogits: true));
        var same = 0;
        for (var i = 0; i < written.Length; i++)
            same += Sampler.Largest(logits.Slice((prompt.Length - 1 + i) * decoder.Vocabulary, decoder.Vocabulary)) == written[i] ? 1 : 0;
        // It rounds what is multiplied with weights of few bits, so that tokens that are nearly as likely change places.
        return new(name, baseline.Version, written.Length, (double)same / written.Length, null, null, null, new(same, written.Length), null, null, same >= MinBaselineShare * written.Length);
    }

    /// <summary>A model of which neither a file nor another program says what it computes: its logits, from the reference evaluator in double precision.</summary>
    static LanguageVerified Evaluated(string name, Model model, CompileOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        var tokens = TokensOf(model);
        using var decoder = Decoder.Of(model.Compile(options, progress, cancel), Room);
        var logits = decoder.Run(new SequenceTokens(decoder.Begin(), tokens, AllLogits: true));
        progress.Report($"evaluating {name} in double precision on {tokens.Length} tokens");
        var graph = model.Imported;
        Tensor[] given = [.. graph.Arguments.Select(v => Given(v.Name, tokens))];
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (i, axis, symbol, less) in Graph.SizeBindings([.. graph.Arguments]))
            sizes[symbol] = given[i].Dims[axis] - less.Evaluate(s => sizes[s]);
        var rest = new Queue<Tensor>(given);
        // Nothing was read before: what is remembered is zero.
        Tensor State(Value value) => value.Shape.Dims.Select(d => d.Evaluate(s => sizes[s])).ToArray() is var dims ? Tensor.Of(value.Type.Element, dims, new double[Tensor.CountOf(dims)]) : given[0];
        Tensor[] inputs = [.. graph.Inputs.Select((value, i) => DoublePrecision.Of(graph.States.Any(s => s.Input == i) ? State(value) : rest.Dequeue()))];
        var expected = Evaluator.Run(DoublePrecision.Of(graph), inputs, cancellationToken: cancel)[0];
        var (same, largest, width) = (0, 0.0, decoder.Vocabulary);
        for (var t = 0; t < tokens.Length; t++)
        {
            var best = 0;
            for (var k = 0; k < width; k++)
            {
                var exact = expected.Float((long)t * width + k);
                largest = double.IsNaN(logits[t * width + k]) ? double.MaxValue : Math.Max(largest, Math.Abs(logits[t * width + k] - exact));
                best = exact > expected.Float((long)t * width + best) ? k : best;
            }
            same += Sampler.Largest(logits.Slice(t * width, width)) == best ? 1 : 0;
        }
        return new(name, "the reference evaluator in double precision", tokens.Length, (double)same / tokens.Length, null, null, largest, null, null, null, same >= LeastTop1 * tokens.Length && largest <= MostLogitDifference);
    }

    static Tensor Given(string name, int[] tokens)
    {
        Tensor Numbers(Func<int, long> number) => Tensor.Vector<long>([.. Enumerable.Range(0, tokens.Length).Select(number)]);
        return name switch
        {
            SequenceInputs.Tokens => Numbers(i => tokens[i]),
            SequenceInputs.Sequences => Numbers(_ => 0),
            SequenceInputs.CellSequences => Numbers(_ => 1),
            SequenceInputs.HasInitialState => Tensor.Vector(new long[SequenceInputs.MostSequences]),
            _ => Numbers(i => i),
        };
    }

    static bool Names(string oracle, string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(oracle));
        return json.RootElement.TryGetProperty("model", out var model) && model.GetString() == Path.GetFileName(path);
    }

    static int[] Numbers(JsonElement root, string name) => [.. root.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>A tiny model of an architecture: the logits of some tokens, and what is written greedily from the first eight.</summary>
    static LanguageVerified Architecture(string name, Model model, CompileOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(model.Path, CaseName)));
        var (tokens, greedy) = (Numbers(json.RootElement, "tokens"), Numbers(json.RootElement, "greedy_from_first_8"));
        var from = $"{json.RootElement.GetProperty("made_with").GetString()}";
        var compiled = model.Compile(options, progress, cancel);
        var isDecoder = compiled.Outputs[0].Name == SequenceInputs.Logits;
        var path = Path.Combine(model.Path, isDecoder ? "logits.npy" : "hidden.npy");
        var expected = Npy.Read(File.ReadAllBytes(path), path).Values<float>().ToArray();
        if (!isDecoder)
        {
            using var encoder = new Encoder(compiled);
            var hidden = encoder.Run(tokens);
            var most = Difference(expected, hidden);
            return new(name, from, tokens.Length, 1, null, null, most, null, null, null, most <= MostDifference);
        }
        using var decoder = Decoder.Of(compiled, Room);
        var logits = decoder.Run(new SequenceTokens(decoder.Begin(), tokens, AllLogits: true));
        var (largest, same, width) = (Difference(expected, logits), 0, decoder.Vocabulary);
        for (var i = 0; i < tokens.Length; i++)
            same += Sampler.Largest(logits.Slice(i * width, width)) == Sampler.Largest(expected.AsSpan(i * width, width)) ? 1 : 0;
        var written = Greedy(decoder, tokens[..8], greedy);
        return new(name, from, tokens.Length, (double)same / tokens.Length, null, null, largest, written, null, null, largest <= MostDifference && written.IsWhole);
    }

    static double Difference(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        if (expected.Length != actual.Length)
            return double.MaxValue;
        var worst = 0.0;
        for (var i = 0; i < expected.Length; i++)
            worst = float.IsNaN(actual[i]) ? double.MaxValue : Math.Max(worst, Math.Abs((double)expected[i] - actual[i]));
        return worst;
    }

    static Share Greedy(Decoder decoder, int[] prompt, int[] expected)
    {
        var (sequence, same) = (decoder.Begin(), 0);
        var logits = decoder.Run(new SequenceTokens(sequence, prompt));
        foreach (var token in expected)
        {
            var next = Sampler.Largest(logits);
            if (next != token)
                break;
            same++;
            logits = decoder.Run(new SequenceTokens(sequence, new[] { next }));
        }
        decoder.End(sequence);
        return new(same, expected.Length);
    }

    /// <summary>A model of stories: the text that it writes greedily from nothing.</summary>
    static LanguageVerified Story(string name, Model model, string path, CompileOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        const int count = 200;
        var tokenizer = Directory.EnumerateFiles(Path.GetDirectoryName(path)!, "tok*.bin").Select(Tokenizer.Open).FirstOrDefault()
            ?? throw new SoftmodelException($"{path}: there is no tokenizer (tok*.bin) beside it");
        using var decoder = Decoder.Of(model.Compile(options, progress, cancel), Room);
        var (sequence, tokens) = (decoder.Begin(), new List<int>());
        for (var next = tokenizer.Begin!.Value; tokens.Count < count;)
        {
            next = Sampler.Largest(decoder.Run(new SequenceTokens(sequence, new[] { next })));
            tokens.Add(next);
        }
        // A token after another: how many of them make the text, as far as it goes.
        var text = File.ReadAllText(path).TrimEnd('\n');
        var same = Enumerable.Range(0, count + 1).Last(n => text.StartsWith(tokenizer.Decode([.. tokens.Take(n)]).TrimEnd('\n'), StringComparison.Ordinal));
        var isWhole = tokenizer.Decode([.. tokens]).TrimEnd('\n') == text;
        return new(name, Path.GetFileName(path), count, (double)same / count, null, null, null, new(same, count), null, null, isWhole);
    }

    /// <summary>A model as it is used: a long text, its tokens, and a chat.</summary>
    static LanguageVerified Stream(string name, Model model, string path, CompileOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        var stream = json.RootElement.GetProperty("stream");
        var (ids, top, chat) = (Numbers(stream, "ids"), Numbers(stream, "top1"), json.RootElement.GetProperty("chat"));
        double[] likelihoods = [.. stream.GetProperty("next_token_nll").EnumerateArray().Select(e => e.GetDouble())];
        using var decoder = Decoder.Of(model.Compile(options, progress, cancel), Room);
        progress.Report($"reading {ids.Length} tokens");
        var sequence = decoder.Begin();
        var logits = decoder.Run(new SequenceTokens(sequence, ids, AllLogits: true));
        var (width, same, sum, worst) = (decoder.Vocabulary, 0, 0.0, 0.0);
        for (var i = 0; i < ids.Length; i++)
        {
            var row = logits.Slice(i * width, width);
            same += Sampler.Largest(row) == top[i] ? 1 : 0;
            if (i < likelihoods.Length)
            {
                var likelihood = -LogProbability(row, ids[i + 1]);
                (sum, worst) = (sum + likelihood, Math.Max(worst, Math.Abs(likelihood - likelihoods[i])));
            }
        }
        decoder.End(sequence);
        var greedy = Greedy(decoder, Numbers(chat, "ids"), Numbers(chat, "greedy_48"));
        var tokenizer = Tokenizer.Open(model.Path);
        var texts = json.RootElement.GetProperty("tokenize").EnumerateArray().ToArray();
        var tokenized = new Share(texts.Count(t => tokenizer.Encode(t.GetProperty("text").GetString()!, parsesSpecial: true).AsSpan().SequenceEqual(Numbers(t, "ids"))), texts.Length);
        var rendered = ChatTemplate.Open(model.Path)!.Render([.. chat.GetProperty("messages").EnumerateArray().Select(m => new ChatMessage(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!))], new());
        var isChat = rendered == chat.GetProperty("rendered").GetString() && tokenizer.Encode(rendered, parsesSpecial: true).AsSpan().SequenceEqual(Numbers(chat, "ids"));
        var (mean, expected, share) = (sum / likelihoods.Length, likelihoods.Average(), (double)same / ids.Length);
        return new(name, json.RootElement.GetProperty("made_with").GetString()!, ids.Length, share, Math.Exp(mean), Math.Exp(expected), worst, greedy, tokenized, isChat,
            tokenized.IsWhole && isChat && share >= LeastTop1 && Math.Abs(mean - expected) <= MostLikelihood * expected && greedy.IsWhole);
    }

    static double LogProbability(ReadOnlySpan<float> logits, int token)
    {
        var max = float.NegativeInfinity;
        foreach (var logit in logits)
            max = Math.Max(max, logit);
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - max);
        return logits[token] - max - Math.Log(sum);
    }
}
