using Softmodel.Arrays;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Trace;

namespace Softmodel.ModelTests.Trace;

/// <summary>What a use needs is found in networks that were trained, and cutting it costs that use.</summary>
public class TraceTests
{
    /// <summary>Sums of five digits with a number of carries, as the network of <c>shared/circuits</c> reads and writes them.</summary>
    static ExampleSet Sums(Subject subject, int seed, int count, Func<int, bool> fits)
    {
        var (random, tokens, targets) = (new Random(seed), new List<long>(), new List<long>());
        while (targets.Count < count * 17)
        {
            var (a, b) = (random.Next(100_000), random.Next(100_000));
            if (!fits(Enumerable.Range(1, 5).Count(i => (int)Math.Pow(10, i) is var place && a % place + b % place >= place)))
                continue;
            long[] answer = [.. $"{a + b:000000}".Select(d => d - '0')];
            tokens.AddRange([.. $"{a:00000}".Select(d => (long)(d - '0')), 10, .. $"{b:00000}".Select(d => (long)(d - '0')), 11, .. answer[..5]]);
            targets.AddRange([.. Enumerable.Repeat(-1L, 11), .. answer]);
        }
        var folder = Directory.CreateTempSubdirectory("trace-");
        try
        {
            using (var file = File.Create(Path.Combine(folder.FullName, "sums.npz")))
                Npz.Write(file, [("tokens", Tensor.Of<long>([.. tokens], count, 17)), (Cases.Targets, Tensor.Of<long>([.. targets], count, 17))]);
            return Cases.Read(folder.FullName, subject, 2);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_circuit_has_neurons_that_carry()
    {
        using var model = Model.Load(Path.Combine(Shared.Folder("circuits"), "five-digit-addition.onnx"));
        var subject = Cases.Of(model.Imported, null, Measures.LogProbability, out _);
        Assert.Equal([(4, 32)], Site.Of(subject.Graph, Role.Heads).Select(s => (s.Parts, s.Inner)));
        Assert.Equal([512], Site.Of(subject.Graph, Role.MlpHidden).Select(s => s.Parts));
        var traced = Tracing.Run(subject, Sums(subject, 1, 128, n => n >= 4), Sums(subject, 2, 128, n => n == 0), new() { Roles = [Role.MlpHidden], Counts = [15], Draws = 5 },
            cancellationToken: TestContext.Current.CancellationToken);
        var (named, random) = (traced.Ablations[0], traced.Ablations[1]);
        Assert.True(traced.Before is { Use.Accuracy: > 0.95, Against.Accuracy: > 0.9 }, $"{traced.Before.Use.Accuracy}, {traced.Before.Against.Accuracy}");
        Assert.True(named.UseAccuracy.Mean < 0.6, $"{named}");
        Assert.True(traced.Before.Use.Accuracy - named.UseAccuracy.Mean > traced.Before.Against.Accuracy - named.AgainstAccuracy.Mean + 0.2, $"{named}");
        Assert.True(random.UseAccuracy.Least > 0.8, $"{random}");
    }

    /// <summary>Three examples of a kind, and a fourth that is asked.</summary>
    static ExampleSet Asked<T>(Tokenizer tokenizer, string name, IReadOnlyList<T> things, int count, Func<T, string> question, Func<T, string> answer)
    {
        var random = new Random(3);
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(path, random.GetItems(things.ToArray(), count).Select(thing =>
            {
                var shots = things.Where(t => !Equals(t, thing)).ToArray();
                random.Shuffle(shots);
                return $"{string.Concat(shots.Take(3).Select(s => $"{question(s)}{answer(s)}, "))}{question(thing)}\t{answer(thing)}";
            }));
            return Prompts.Set(name, Prompts.Read(path, tokenizer));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_language_model_has_heads_that_sums_need_and_words_do_not()
    {
        using var model = Model.Load(Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf"));
        var subject = Prompts.Of(model.Imported, Measures.LogProbability);
        var tokenizer = LanguageModelLoading.ReadText(model, null).Tokenizer;
        (int A, int B)[] pairs = [.. from a in Enumerable.Range(1, 8) from b in Enumerable.Range(1, 9 - a) select (a, b)];
        string[] words = ["cat", "dog", "tree", "house", "car", "book", "bird", "king", "road", "hand", "door", "ship", "star", "game", "ball", "tool"];
        var sums = Asked(tokenizer, "sums", pairs, 16, p => $"{p.A} + {p.B} = ", p => $"{p.A + p.B}");
        var copies = Asked(tokenizer, "words", words, 16, w => $"{w} + {w} =", w => $" {w}");
        var traced = Tracing.Run(subject, sums, copies, new() { Roles = [Role.Heads], Counts = [12], Draws = 2 }, cancellationToken: TestContext.Current.CancellationToken);
        var (named, random) = (traced.Ablations[0], traced.Ablations[1]);
        Assert.True(traced.Before is { Use.Accuracy: > 0.8, Against.Accuracy: > 0.7 }, $"{traced.Before.Use.Accuracy}, {traced.Before.Against.Accuracy}");
        Assert.True(named.UseAccuracy.Mean < 0.5 * traced.Before.Use.Accuracy, $"{named}");
        Assert.True(named.AgainstAccuracy.Mean > 0.7 * traced.Before.Against.Accuracy, $"{named}");
        Assert.True(random.UseAccuracy.Mean > named.UseAccuracy.Mean + 0.2, $"{random}");
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    [InlineData("gemma2")]
    [InlineData("mixtral")]
    public void Scores_are_the_slopes_of_cuts_in_every_architecture(string architecture)
    {
        using var model = Model.Load(Shared.Folder($"lm/families/{architecture}"));
        var subject = Prompts.Of(model.Imported, Measures.LogProbability);
        var set = Prompts.Set("tokens", [new([1, 2, 3, 4], 5), new([6, 7, 8], 9)]);
        Site[] sites = [.. Site.Of(subject.Graph, Role.Heads), .. Site.Of(subject.Graph, Role.MlpOutput)];
        using var tracer = new Tracer(subject, sites, 1, null, TestContext.Current.CancellationToken);
        var scores = SiteAttribution.ByGradients(tracer, set, [0, 1], Replacements.Zero);
        // A larger step makes a router choose another expert.
        const float little = 0.005f;
        for (var site = 0; site < sites.Length; site++)
        {
            double Cut(float share) => tracer.Run(set, [0, 1], (at, _, cut, _) => cut.Fill(at == site ? share : 0)).Measure;
            Assert.Equal((Cut(-little) - Cut(little)) / (2 * little), scores[site].Drops.Sum(), 1e-3);
        }
        Assert.Contains(scores, s => s.Drops.Any(d => d != 0));
    }
}
