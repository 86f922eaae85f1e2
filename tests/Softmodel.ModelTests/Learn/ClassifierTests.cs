using System.Numerics.Tensors;
using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Language;
using Softmodel.ModelTests.Speech;
using Softmodel.Tests.Common;

namespace Softmodel.ModelTests.Learn;

/// <summary>Classifiers on MiniLM: trained, built, and opened without a compiler.</summary>
public sealed class ClassifierTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static string Example(string name) => Repository.File($"examples/intents/{name}");

    [Theory]
    [InlineData("minilm")]
    [InlineData("minilm-fp16")]
    public async Task Intents_are_found_in_sentences_that_were_not_trained_on(string encoder)
    {
        await VoiceFolder.Of(encoder);
        var (output, error) = (new StringWriter(), new StringWriter());
        string Place(string name) => Path.Combine(folder, name);
        var code = await CommandLine.Run(["train", "classifier", "--on", encoder, "--data", Example("intents.csv"), "--test", Example("unseen.csv"), "-o", Place("intents"), "--json", "--log", Place("log.jsonl"), "--report", Place("report.html")],
            output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, error.ToString());
        using var result = JsonDocument.Parse(output.ToString());
        double Number(string name) => result.RootElement.GetProperty(name).GetDouble();
        Assert.True(Number("accuracy") >= 0.85 && Number("test_accuracy") >= 0.8, output.ToString());
        // The library finds what was found in training.
        Assert.Equal(Number("accuracy"), Number("library_accuracy"));
        Assert.Equal(10, result.RootElement.GetProperty("classes").GetArrayLength());
        var events = File.ReadLines(Place("log.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        Assert.Equal(Number("steps"), events.Count(e => e.GetProperty("event").GetString() == "step"));
        Assert.Equal("end", events[^1].GetProperty("event").GetString());
        Assert.Contains("<svg", File.ReadAllText(Place("report.html")), StringComparison.Ordinal);
        Assert.Equal(["intents", "log.jsonl", "report.html"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var classifier = TextClassifier.Open(Place("intents"));
        var (label, probability) = classifier.LabelOf("Play me some of the Beatles.");
        Assert.Equal("music", label);
        Assert.Equal(1, TensorPrimitives.Sum<float>(classifier.Probabilities("Will it rain?")), 1e-5);
        Assert.InRange(probability, 0.3f, 1);
        Assert.Contains("empty", Assert.Throws<SoftmodelException>(() => classifier.LabelOf(" ")).Message, StringComparison.Ordinal);
        var classified = new StringWriter();
        Assert.Equal(0, await CommandLine.Run(["classify", Place("intents"), "Play me some of the Beatles.", "--json"], classified, error, TestContext.Current.CancellationToken));
        Assert.Contains("\"label\": \"music\"", classified.ToString(), StringComparison.Ordinal);
    }

    static LabelledText[] Few => [.. new[] { ("turn the lamp on", "lights"), ("switch off the light", "lights"), ("make the room brighter", "lights"), ("dim the lights", "lights"), ("play a song", "music"), ("next track please", "music"), ("put on some jazz", "music"), ("louder music", "music") }
        .Select((e, i) => new LabelledText(e.Item1, e.Item2, $"few:{i + 1}"))];

    [Theory]
    [InlineData(Tuning.LowRank)]
    [InlineData(Tuning.All)]
    public async Task The_encoder_is_tuned_and_the_losses_are_the_same_after_a_stop(Tuning tuning)
    {
        await VoiceFolder.Of("minilm");
        var options = new ClassifierOptions { Tuning = tuning, Rank = 4, Epochs = 3, BatchSize = 2, Threads = 1 };
        using var whole = await TextClassifier.TrainAsync("minilm", Few, options);
        Assert.Equal(tuning == Tuning.LowRank, whole.TrainedParameters < 1_000_000);
        Assert.True(whole.Outcome.Curve.TakeLast(3).Average(p => p.Loss) < whole.Outcome.Curve.Take(3).Average(p => p.Loss), string.Join(" ", whole.Outcome.Curve));
        using var stop = new CancellationTokenSource();
        var checkpoint = Path.Combine(folder, "state");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => TextClassifier.TrainAsync("minilm", Few, options with { Checkpoint = checkpoint }, null, e =>
        {
            if (e is { Event: "step", Step: 4 })
                stop.Cancel();
        }, stop.Token));
        using var resumed = await TextClassifier.TrainAsync("minilm", Few, options with { Checkpoint = checkpoint, Threads = 2 });
        Assert.Equal(whole.Outcome.Curve, resumed.Outcome.Curve);
        var other = await Assert.ThrowsAsync<SoftmodelException>(() => TextClassifier.TrainAsync("minilm", Few[..7], options with { Checkpoint = checkpoint }));
        Assert.Contains("on other data", other.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_encoder_is_refused_by_name()
    {
        await VoiceFolder.Of("silero-vad-v5");
        Assert.Contains("is no encoder of texts", (await Assert.ThrowsAsync<SoftmodelException>(() => TextClassifier.TrainAsync("silero-vad-v5", Few))).Message, StringComparison.Ordinal);
        await VoiceFolder.Of("minilm-fp16");
        Assert.Contains("only a head can be trained", (await Assert.ThrowsAsync<SoftmodelException>(() => TextClassifier.TrainAsync("minilm-fp16", Few, new() { Tuning = Tuning.All }))).Message, StringComparison.Ordinal);
    }
}
