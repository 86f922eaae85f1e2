using Softmodel.Cli;
using Softmodel.Cli.Training;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Load;
using Softmodel.Passes;

namespace Softmodel.ModelTests.Learn;

/// <summary>Low-rank adapters on language models.</summary>
public sealed class TuningTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static (Model Model, Tokenizer Tokenizer) Small()
    {
        var path = Path.Combine(Shared.Folder("lm"), "stories260K.bin");
        var model = Model.Load(path);
        return (model, LanguageModelLoading.ReadText(model, null).Tokenizer);
    }

    static readonly string[] sentences = ["The robot counted its seven bolts.", "A robot oiled both of its knees.", "Seven robots stood in the rain.", "The old robot had a rusty bolt.", "Its knees were full of oil.", "The robot said that bolts are good."];

    static TuningText[] Texts(Tokenizer tokenizer, int from, int count) =>
        [.. Enumerable.Range(from, count).Select(i => LanguageTuning.Pieces([.. tokenizer.Before, .. tokenizer.Encode($"{sentences[i % 6]} {sentences[(i * 5 + 2) % 6]}", false)], 100, $"sentence {i}")[0])];

    [Fact]
    public void A_model_learns_and_what_ships_has_learnt_it()
    {
        var (model, tokenizer) = Small();
        using var _ = model;
        var texts = Texts(tokenizer, 0, 24);
        var options = new TuningOptions { Rank = 4, Epochs = 4, Rate = 3e-3, Threads = 1 };
        var tuned = LanguageTuning.Run(model, tokenizer, texts, Texts(tokenizer, 3, 2), options, null, null, TestContext.Current.CancellationToken);
        Assert.True(tuned.After < tuned.Before / 2, $"{tuned.Before} to {tuned.After}");
        Assert.True(tuned.AgainstAfter < tuned.AgainstBefore);
        // The same texts without the cache and with what ships, whose adapters are none that would be trained.
        var shipped = new TunedNetworks(new TunedNetworks(model.Imported, 4, 1).Shipped(tuned.Adapters), 1, 9).OfTokens();
        var held = ClassifierTraining.Split([.. texts.Select(_ => 0)], options.Validation, options.Seed).HeldOut.Select(i => texts[i]).ToArray();
        var results = Evaluator.Run(shipped, LanguageTuning.BatchOf(held, []).Inputs);
        Assert.Equal(tuned.After, Math.Exp(results[0].Float(0)), tuned.After * 1e-3);
    }

    [Fact]
    public void What_a_model_expects_in_texts_of_its_own_is_kept()
    {
        var (model, tokenizer) = Small();
        using var _ = model;
        var (texts, token) = (Texts(tokenizer, 0, 24), TestContext.Current.CancellationToken);
        var options = new TuningOptions { Rank = 4, Epochs = 4, Rate = 3e-3, Threads = 1, Keep = 0 };
        var free = LanguageTuning.Run(model, tokenizer, texts, [], options, null, null, token);
        Assert.Null(free.Divergence);
        var kept = LanguageTuning.Run(model, tokenizer, texts, [], options with { Keep = 3 }, null, null, token);
        // What the free one has come to, in the same texts.
        var own = KeptTexts.Write(model, tokenizer, 8, 48, options.Seed, 1, null, token);
        double Divergence(Tuned tuned)
        {
            var network = new TunedNetworks(model.Imported, options.Rank, options.Seed).OfTokens(1);
            var now = Parameters.Replace(network, Evaluator.Fold, tuned.Adapters.ToDictionary(a => a.Key, a => (Replacement)((builder, parameter) => builder.Apply(parameter with { Value = a.Value }))));
            return Evaluator.Run(now, LanguageTuning.BatchOf([texts[0]], own).Inputs)[2].Float(0);
        }
        var (before, after) = (Divergence(free), Divergence(kept));
        Assert.Equal(after, kept.Divergence!.Value, 0.02 * after);
        Assert.True(after < before / 3, $"{before} to {after}");
        Assert.True(kept.After < kept.Before / 1.5, $"{kept.Before} to {kept.After}");
        // Texts do not depend on the number of threads, or a training that was stopped could not go on.
        var same = KeptTexts.Write(model, tokenizer, 8, 48, options.Seed, 2, null, token);
        Assert.Equal(own.SelectMany(t => t.Tokens), same.SelectMany(t => t.Tokens));
        Assert.Equal(own.SelectMany(t => t.Probabilities), same.SelectMany(t => t.Probabilities));
    }

    [Fact]
    public void Adapters_become_part_of_the_weights()
    {
        var (model, tokenizer) = Small();
        using var _ = model;
        var (texts, token) = (Texts(tokenizer, 0, 24), TestContext.Current.CancellationToken);
        var options = new TuningOptions { Rank = 4, Epochs = 2, Rate = 3e-3, Threads = 1, Keep = 0 };
        var tuned = LanguageTuning.Run(model, tokenizer, texts, [], options, null, null, token);
        var whole = LanguageTuning.Merge(model, tuned, texts, [], options, null, null, token);
        Assert.Equal(tuned.After, whole.After, 1e-3 * tuned.After);
        Assert.Equal(tuned.After, LanguageTuning.Merge(model, tuned, texts, [], options, BlockFormat.Q8_0, null, token).After, 0.05 * tuned.After);
        Assert.DoesNotContain(Parameters.Of(whole.Graph), p => p.Name.EndsWith(".lora_A", StringComparison.Ordinal));
        Assert.Equal(Parameters.Of(model.Imported).Count(), Parameters.Of(whole.Graph).Count());
        Assert.Contains("weights can't be stored as Q6_K", Assert.Throws<SoftmodelException>(() => LanguageTuning.Merge(model, tuned, texts, [], options, BlockFormat.Q6_K, null, token)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Losses_are_the_same_after_a_stop_and_for_every_number_of_threads()
    {
        var (model, tokenizer) = Small();
        using var _ = model;
        var texts = Texts(tokenizer, 0, 12);
        var options = new TuningOptions { Rank = 2, Epochs = 2, BatchSize = 2, Threads = 1 };
        var whole = LanguageTuning.Run(model, tokenizer, texts, [], options, null, null, TestContext.Current.CancellationToken);
        using var stop = new CancellationTokenSource();
        var stopped = options with { Checkpoint = Path.Combine(folder, "state"), Threads = 2 };
        Assert.Throws<OperationCanceledException>(() => LanguageTuning.Run(model, tokenizer, texts, [], stopped, null, e =>
        {
            if (e is { Event: "step", Step: 3 })
                stop.Cancel();
        }, stop.Token));
        Assert.Equal(whole.Outcome.Curve, LanguageTuning.Run(model, tokenizer, texts, [], stopped, null, null, TestContext.Current.CancellationToken).Outcome.Curve);
    }

    [Fact]
    public void Answers_of_chats_are_what_is_learned()
    {
        var gguf = Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf");
        using var model = Model.Load(gguf);
        var (tokenizer, template, _) = LanguageModelLoading.ReadText(model, null);
        var path = Path.Combine(folder, "chats.jsonl");
        TuningText[] Read(string line, int most = 512)
        {
            File.WriteAllText(path, line);
            return Chats.Read(path, tokenizer, template!, most);
        }
        string Learned(TuningText text) => tokenizer.Decode([.. text.Answers.Select(a => text.Tokens[a])]);
        var one = Read("{\"prompt\": \"Who are you?\", \"completion\": \"I am  a\\nrobot.\"}\n")[0];
        Assert.StartsWith("I am  a\nrobot.<|im_end|>", Learned(one), StringComparison.Ordinal);
        Assert.Contains("Who are you?", tokenizer.Decode(one.Tokens.AsSpan(0, one.Answers[0])), StringComparison.Ordinal);
        Assert.EndsWith("<|im_start|>assistant\n", tokenizer.Decode(one.Tokens.AsSpan(0, one.Answers[0])), StringComparison.Ordinal);
        var two = Read("\n{\"messages\": [{\"role\": \"system\", \"content\": \"Be short.\"}, {\"role\": \"user\", \"content\": \"One?\"}, {\"role\": \"assistant\", \"content\": \"Two.\"}, {\"role\": \"user\", \"content\": \"Three?\"}, {\"role\": \"assistant\", \"content\": \"Four.\"}]}")[0];
        Assert.Equal("chats.jsonl:2", two.Where);
        Assert.Matches("^Two\\.<\\|im_end\\|>\\s*Four\\.<\\|im_end\\|>\\s*$", Learned(two));
        void Refused(string line, string message, int most = 512) => Assert.Contains(message, Assert.Throws<SoftmodelException>(() => Read(line, most)).Message, StringComparison.Ordinal);
        Refused("{\"messages\": [{\"role\": \"user\", \"content\": \"One?\"}]}", "chats.jsonl:1: it has no answer");
        Refused("{\"messages\": [{\"role\": \"assistant\", \"content\": \" \"}]}", "chats.jsonl:1: its 'content' is missing, empty or no text");
        Refused("{\"messages\": \"no\"}", "chats.jsonl:1: it has neither 'messages' nor 'prompt' and 'completion'");
        Refused("{\"prompt\": \"One?\"}", "its 'completion' is missing");
        Refused("[1]", "chats.jsonl:1: it is no JSON object");
        Refused("{\"prompt\": \"One?\", \"completion\": \"Two.\"}", "its answers lie beyond 10 tokens", 10);
    }

    [Fact]
    public async Task What_cannot_be_tuned_is_refused_by_name()
    {
        var data = Path.Combine(folder, "chats.jsonl");
        File.WriteAllText(data, "{\"prompt\": \"Hello?\", \"completion\": \"Hello.\"}\n");
        async Task Refused(string model, string message)
        {
            var error = new StringWriter();
            Assert.Equal(1, await CommandLine.Run(["tune", model, "--data", data, "-o", Path.Combine(folder, "out")], new StringWriter(), error, TestContext.Current.CancellationToken));
            Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
        }
        await Refused(Path.Combine(Shared.Folder("lm"), "stories260K.bin"), "has no chat template");
    }
}
