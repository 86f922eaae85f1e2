using System.CommandLine;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Verify;
using Softmodel.Language;
using Softmodel.Sources;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel verify</c>: does a compiled model compute what ONNX Runtime computes?</summary>
static class VerifyCommand
{
    public static Command Create()
    {
        var choice = new ModelChoice(several: true);
        var threshold = new Option<double>("--threshold") { Description = "The least SNR that passes, in decibels. What is below it must be no farther from the reference evaluator in double precision than ONNX Runtime is.", DefaultValueFactory = _ => 50, HelpName = "DB" };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var bits = new Option<int>("--vector-bits") { Description = "SIMD width: 512, 256 or 128 bits; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var oracle = new Option<string>("--oracle") { Description = "For a language model, a file with expected outputs; by default one beside it, or else llama.cpp or the reference evaluator.", HelpName = "FILE" };
        var inputs = ModelChoice.Inputs();
        var cases = new Option<int?>("--cases") { Description = "Compare on at most so many cases, spread over all of them but for the longest; language models on all.", HelpName = "N" };
        cases.Validators.Add(found =>
        {
            if (found.GetValueOrDefault<int?>() < 1)
                found.AddError("--cases is 1 or more");
        });
        var verb = new Verb("verify", "Compare a compiled model with an oracle. Voices with ONNX Runtime on 20 texts and several speakers, with and without noise; language models with transformers' outputs in a file, or with llama.cpp; others with ONNX Runtime on generated inputs.",
            "verify tts-en", "verify --all", "verify model.onnx --size batch=1 --threshold 80", "verify model.onnx --inputs cases", "verify tts-en --cases 4", "verify smollm2", "verify ../shared/lm/families") { threshold, threads, bits, oracle, inputs, cases };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var options = new VerifyOptions(new() { Threads = parsed.GetValue(threads), VectorBits = parsed.GetValue(bits) }, parsed.GetValue(threshold), parsed.GetValue(inputs), parsed.GetValue(cases));
            string[] names = [.. choice.Names(parsed).SelectMany(n => LanguageOracle.Below(n) is { Length: > 0 } several ? several : [n])];
            if (options.Inputs is not null && names.Length > 1)
                throw new UsageException("--inputs is for one model");
            var results = new List<object>();
            foreach (var name in names)
            {
                // Of several models those that can be compared are; one alone says what is wrong.
                var found = await ModelChoice.Try(name, names.Length > 1, async () =>
                {
                    using var model = await choice.Load(name, parsed, terminal, cancel);
                    return await terminal.Working<object>(progress => Task.Run<object>(async () => model.IsLanguageModel && !Encoder.Is(model.Inputs, model.Outputs)
                        ? await LanguageOracle.Verify(name, model, parsed.GetValue(oracle), options.Compile, progress, cancel)
                        : ModelVerification.Verify(name, await Source.Resolve(name, null, cancel), model, options, progress, cancel), cancel));
                });
                results.Add(found);
                if (names.Length > 1)
                    terminal.Say($"{name}: {(found is FailedModel failed ? failed.Error : IsOk(found) ? "ok" : "differs")} ({results.Count} of {names.Length})");
            }
            Show(terminal, results, options.Threshold);
            return results.All(IsOk) ? CommandLine.Done : CommandLine.Failed;
        }, Verb.Json());
    }

    static bool IsOk(object result) => result is Verified { Ok: true } or LanguageVerified { Ok: true };

    static void Show(Terminal terminal, List<object> results, double threshold)
    {
        Verified[] compared = [.. results.OfType<Verified>()];
        LanguageVerified[] languages = [.. results.OfType<LanguageVerified>()];
        terminal.Result(new
        {
            oracle = compared.Length > 0 || languages.Length == 0 ? $"onnxruntime {OnnxRuntimeBaseline.Version}" : languages[0].Oracle,
            threshold_db = threshold,
            min_snr_db = compared.Length > 0 ? compared.Min(r => r.MinSnrDb) : (double?)null,
            ok = results.All(IsOk),
            models = results,
            machine = Machine.Here,
        }, () => results.Count > 1 ? Overview(results, threshold) : languages is [var language] ? Language(language) : Cases(compared[0], threshold));
    }

    /// <summary>Several models, a row for each.</summary>
    static Spectre.Console.Table Overview(List<object> results, double threshold)
    {
        var table = Text.Table("model", "oracle", "cases", "min SNR", "against float64", "the oracle", "");
        foreach (var result in results)
        {
            _ = result switch
            {
                Verified one => table.Row(one.Model, one.Oracle, $"{one.Cases.Length}", $"{one.MinSnrDb:0.0} dB", Distance(one.ExactSnrDb, one.ExactDistortionDb), Distance(one.OracleExactSnrDb, one.OracleExactDistortionDb),
                    one.Ok ? one.MinSnrDb < threshold ? "ok, no farther than the oracle" : "ok" : one.Cases.FirstOrDefault(c => c.Fault is not null)?.Fault ?? $"below {threshold} dB"),
                LanguageVerified text => table.Row(text.Model, text.Oracle, $"{text.Cases}", $"{text.Top1:P2} of its tokens", "", "", text.Ok ? "ok" : "differs"),
                FailedModel failed => table.Row(failed.Model, "", "", "", "", "", failed.Error),
                _ => table,
            };
        }
        if (results.OfType<Verified>().ToArray() is { Length: > 0 } compared)
            table.Row($"{results.Count(IsOk)} of {results.Count} pass", "", "", $"{compared.Average(c => c.MinSnrDb):0.0} dB, the mean", "", "", "");
        return table;
    }

    static string Distance(double? snr, double? distortion) => distortion is { } far ? $"{far:0.00} dB of mel cepstral distortion" : snr is { } ratio ? $"{ratio:0.0} dB" : "";

    static Spectre.Console.Table Language(LanguageVerified text) =>
        Text.Table("model", "oracle", "tokens", "top-1 agreement", "perplexity", "the oracle's", "max abs difference", "greedy tokens", "texts tokenized", "chat rendered", "")
            .Row(text.Model, text.Oracle, $"{text.Cases}", $"{text.Top1:P2}", $"{text.Perplexity:0.0000}", $"{text.OraclePerplexity:0.0000}", $"{text.MaxAbs:G3}", $"{text.Greedy}", $"{text.Tokenized}", text.Chat is { } chat ? chat ? "yes" : "no" : "", text.Ok ? "ok" : "differs");

    static Spectre.Console.Table Cases(Verified result, double threshold)
    {
        var isWidened = result.OracleAsIsSnrDb is not null;
        string[] own = isWidened ? ["the oracle's own SNR, where it is widened"] : [];
        var table = Text.Table(["model", "run", "elements", "SNR", "max abs difference", "against float64", "the oracle", "", .. own]);
        foreach (var one in result.Cases)
        {
            own = isWidened ? [one.OracleAsIsFault is not null ? "of another size" : one.OracleAsIsSnrDb is { } snr ? $"{snr:0.0} dB" : ""] : [];
            table.Row([result.Model, one.Name, $"{one.Elements:N0}", $"{one.SnrDb:0.0} dB", $"{one.MaxAbs:G3}", Distance(one.ExactSnrDb, one.ExactDistortionDb), Distance(one.OracleExactSnrDb, one.OracleExactDistortionDb),
                string.Join("; ", new[] { one.Fault ?? (one.SnrDb < threshold ? $"below {threshold} dB" : "ok"), one.Rounding }.OfType<string>()), .. own]);
        }
        own = isWidened ? [$"{result.OracleAsIsMedianSnrDb:0.0} dB, the median"] : [];
        table.Row([result.Model, $"all, against {result.Oracle}", "", $"{result.MinSnrDb:0.0} dB", $"{result.MaxAbs:G3}", Distance(result.ExactSnrDb, result.ExactDistortionDb), Distance(result.OracleExactSnrDb, result.OracleExactDistortionDb),
            result.Ok ? result.MinSnrDb < threshold ? "ok, no farther than the oracle" : "ok" : $"below {threshold} dB", .. own]);
        return table;
    }
}
