using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Cli;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Training;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Language;
using Softmodel.Load;
using Softmodel.ModelTests.Speech;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Learn;

/// <summary>A teacher that was imported, and a student that is ten lines.</summary>
public sealed class DistillationTests(ITestOutputHelper output) : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    const int Words = 200, Length = 17, Width = 24;

    // In nats, of 200 words: a student that has learned nothing has 0.18.
    const double Reached = 0.005;

    static Term Student(Network net, Term ids)
    {
        var x = net.Embedding("embeddings", ids, Words, Width, 0.2) + net.Normal("positions", 0.02, Length, Width);
        foreach (var layer in net.Blocks("layers", 2))
        {
            x += layer.Attention("attention", layer.LayerNorm("norm1", x), heads: 2);
            x += layer.Linear("down", layer.Linear("up", layer.LayerNorm("norm2", x), 4 * Width).Gelu(), Width);
        }
        return net.Linear("head", net.LayerNorm("norm", x), Words);
    }

    static Term Ids(Network net) => net.Input("ids", ElementType.Int64, 1, Length);

    /// <summary>The network of the zoo, with the logits that its kind is trained with: the product with the embedding of each word.</summary>
    string Teacher()
    {
        using var file = OnnxFile.Open(Path.Combine(Shared.Folder("zoo"), "roberta", "model.onnx"));
        var encoder = OnnxImport.Read(file.Model, Evaluator.Fold);
        var words = Parameters.Of(encoder).Single(p => p.Name.EndsWith("word_embeddings.weight", StringComparison.Ordinal)).Value;
        var net = new Network("teacher");
        var ids = Ids(net);
        return Written(net.Build(("logits", new Term(net.Builder, Rewriting.Append(net.Builder, encoder, [ids.Value])[0]).Contract("btc,wc->btw", ids.Constant(words)))));
    }

    static Graph Student()
    {
        var net = new Network("student", seed: 7);
        return net.Build(("logits", Student(net, Ids(net))));
    }

    string Written(Graph graph)
    {
        var path = Path.Combine(folder, $"{graph.Name}.onnx");
        OnnxExport.Write(graph, path);
        return path;
    }

    string Sentences(int count)
    {
        var random = new Random(1);
        var path = Path.Combine(folder, "sentences.npz");
        using var file = File.Create(path);
        Npz.Write(file, [("ids", Tensor.Of<long>([.. Enumerable.Range(0, count * Length).Select(_ => (long)random.Next(Words))], count, Length))]);
        return path;
    }

    static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var (written, error) = (new StringWriter(), new StringWriter());
        return (await CommandLine.Run(arguments, written, error, TestContext.Current.CancellationToken), written.ToString(), error.ToString());
    }

    [Fact]
    public async Task A_student_of_two_layers_says_what_its_teacher_says()
    {
        var (teacher, student, built, log) = (Teacher(), Written(Student()), Path.Combine(folder, "small"), Path.Combine(folder, "log.jsonl"));
        var (code, text, error) = await Run("distil", teacher, "--student", student, "--data", Sentences(2000), "--epochs", "3", "--rate", "5e-3", "-o", built, "--json", "--log", log, "--report", Path.Combine(folder, "report.html"));
        Assert.True(code == 0, error);
        using var result = JsonDocument.Parse(text);
        var logits = result.RootElement.GetProperty("outputs").EnumerateArray().Single();
        output.WriteLine($"{logits}");
        Assert.Equal("kl", logits.GetProperty("loss").GetString());
        Assert.InRange(logits.GetProperty("after").GetDouble(), 0, Reached);
        Assert.True(logits.GetProperty("before").GetDouble() > 10 * Reached, text);
        Assert.Equal(result.RootElement.GetProperty("steps").GetInt64(), File.ReadLines(log).Count(l => l.Contains("\"step\",", StringComparison.Ordinal)));
        Assert.Contains("<svg", await File.ReadAllTextAsync(Path.Combine(folder, "report.html"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.False(File.Exists($"{built}.checkpoint"));

        // What lies in the folder is what was trained: as a library, and in ONNX Runtime.
        var ids = Tensor.Of<long>([.. Enumerable.Range(0, Length).Select(i => (long)i * 11 % Words)], [1, Length]);
        using var runtime = OnnxRuntimeBaseline.Load(await File.ReadAllBytesAsync(Path.Combine(built, "small.onnx"), TestContext.Current.CancellationToken));
        using var library = BuiltModel.Open(built);
        var agreement = Agreement.Of(library.Run((IReadOnlyList<Tensor>)[ids]), runtime.Run([ids]));
        Assert.True(agreement.SnrDb > 100, $"{agreement.SnrDb} dB");
    }

    [Fact]
    public void Losses_are_the_same_after_a_stop()
    {
        using var teacher = Model.Load(Teacher());
        var examples = DistillationData.Read(Sentences(40), teacher, 0);
        var options = new DistillationOptions { Epochs = 2, Threads = 1 };
        var whole = Distillation.Run(teacher, Student(), examples, options, null, null, TestContext.Current.CancellationToken);
        using var stop = new CancellationTokenSource();
        var stopped = options with { Checkpoint = Path.Combine(folder, "state"), Threads = 2 };
        Assert.Throws<OperationCanceledException>(() => Distillation.Run(teacher, Student(), examples, stopped, null, e =>
        {
            if (e is { Event: "step", Step: 50 })
                stop.Cancel();
        }, stop.Token));
        Assert.Equal(whole.Outcome.Curve, Distillation.Run(teacher, Student(), examples, stopped, null, null, TestContext.Current.CancellationToken).Outcome.Curve);
    }

    [Fact]
    public async Task Texts_of_different_lengths_are_padded_and_the_padding_is_not_compared()
    {
        await VoiceFolder.Of("minilm");
        var texts = Path.Combine(folder, "texts.txt");
        await File.WriteAllLinesAsync(texts, ["Good morning.", "", "The ferry leaves at seven, and it doesn't wait for anyone.", "Rain.", "Who goes there?", "An old map of the coast."], TestContext.Current.CancellationToken);
        var student = Path.Combine(folder, "student.txt");
        await File.WriteAllTextAsync(student, """
            graph student
              input input_ids: Int64[batch,length]
              input attention_mask: Int64[batch,length]
              words: Float32[30522,384] = parameter normal(0.05)
              scale: Float32[384] = parameter normal(1)
              embedded: Float32[batch,length,384] = gather(words, input_ids) axis=0
              mixed: Float32[batch,length,384] = multiply(embedded, scale)
              output last_hidden_state = mixed
            end
            """, TestContext.Current.CancellationToken);
        var (code, text, error) = await Run("distil", "minilm", "--student", student, "--data", texts, "--epochs", "30", "--batch", "3", "--rate", "0.05", "--loss", "cosine", "-o", Path.Combine(folder, "small"), "--json");
        Assert.True(code == 0, error);
        using var result = JsonDocument.Parse(text);
        Assert.Equal(5, result.RootElement.GetProperty("examples").GetInt32());
        // The sentence that was held out has words that no other has, whose embeddings nothing can be known of.
        var hidden = result.RootElement.GetProperty("outputs").EnumerateArray().Single();
        Assert.True(hidden.GetProperty("after").GetDouble() < 0.75 * hidden.GetProperty("before").GetDouble(), text);
        using var built = EmbeddingModel.Open(Path.Combine(folder, "small"));
        Assert.Equal(384, built.Embed("Good morning.").Length);
    }

    [Fact]
    public async Task A_student_that_does_not_match_is_refused_by_name_and_shape()
    {
        var (teacher, sentences) = (Teacher(), Sentences(4));
        async Task Refused(string message, string student, string? data = null)
        {
            var (code, _, error) = await Run("distil", teacher, "--student", student, "--data", data ?? sentences, "-o", Path.Combine(folder, "none"));
            Assert.Equal(1, code);
            Assert.Contains(message, error, StringComparison.Ordinal);
            Assert.False(Directory.Exists(Path.Combine(folder, "none")));
        }
        string Of(Func<Network, (string, Term)> build)
        {
            var net = new Network("other");
            return Written(net.Build(build(net)));
        }
        await Refused("the student takes 'ids' as Int64[1,16], and its teacher as Int64[1,17]", Of(net => ("logits", net.Embedding("words", net.Input("ids", ElementType.Int64, 1, 16), Words, Words))));
        await Refused("the student takes 'tokens', Int64[1,17], and its teacher does not: it takes 'ids', Int64[1,17]", Of(net => ("logits", net.Embedding("words", net.Input("tokens", ElementType.Int64, 1, Length), Words, Words))));
        await Refused("the student gives 'logits' as Float32[1,17,100], and its teacher gives 'logits' as Float32[1,17,200]", Of(net => ("logits", net.Embedding("words", Ids(net), Words, 100))));
        var student = Written(Student());
        await Refused("there are 1 examples; two or more are needed", student, Sentences(1));
        var strange = Path.Combine(folder, "strange.npz");
        using (var file = File.Create(strange))
            Npz.Write(file, [("words", Tensor.Of<long>([1, 2], 2, 1))]);
        await Refused("there is no input 'words'; the inputs are ids", student, strange);
        await Refused("there is no such folder, and it is no .npz, .txt or .jsonl file", student, Path.Combine(folder, "nothing"));
    }
}
