using Softmodel.Cli.Baselines;
using Softmodel.Evaluate;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Learn;

/// <summary>A teacher that was imported, and a student that is ten lines.</summary>
public class DistillationTests(ITestOutputHelper output)
{
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

    static Tensor Sentence(Random random) => Tensor.Of<long>([.. Enumerable.Range(0, Length).Select(_ => (long)random.Next(Words))], [1, Length]);

    [Fact]
    public void A_student_of_two_layers_says_what_its_teacher_says()
    {
        using var file = OnnxFile.Open(Path.Combine(Shared.Folder("zoo"), "roberta", "model.onnx"));
        var teacher = OnnxImport.Read(file.Model, Evaluator.Fold);
        var words = Parameters.Of(teacher).Single(p => p.Name.EndsWith("word_embeddings.weight", StringComparison.Ordinal)).Value;
        var net = new Network("distillation", seed: 7);
        var ids = Ids(net);
        // As its kind is trained: the logits of a word are the product with its embedding.
        var theirs = new Term(net.Builder, Rewriting.Append(net.Builder, teacher, [ids.Value])[0]).Contract("btc,wc->btw", ids.Constant(words));
        var network = net.Build(("divergence", Losses.KullbackLeibler(Student(net, ids), theirs)));

        using var trainer = new Trainer(TrainingStep.Of(network));
        const int steps = 6000;
        var (random, schedule) = (new Random(1), Schedules.Cosine().WithWarmUp(100));
        var first = trainer.Step([Sentence(random)], 0).Loss;
        for (var step = 0; step < steps; step++)
            trainer.Step([Sentence(random)], 5e-3 * schedule(step, steps));
        // Sentences that it has not seen; a rate of 0 leaves it as it is.
        var unseen = new Random(2);
        var divergence = Enumerable.Range(0, 200).Average(_ => trainer.Step([Sentence(unseen)], 0).Loss);
        output.WriteLine($"{first:0.000} before, {divergence:0.0000} after {steps} steps");
        Assert.InRange(divergence, 0, Reached);

        var alone = new Network("student", seed: 7);
        var student = alone.Build(("logits", Student(alone, Ids(alone))));
        var trained = trainer.Trained(student);
        var exported = new MemoryStream();
        OnnxExport.Write(trained, exported);
        using var runtime = OnnxRuntimeBaseline.Load(exported.ToArray());
        var sentence = Sentence(unseen);
        var agreement = Agreement.Of(Evaluator.Run(trained, [sentence]), runtime.Run([sentence]));
        Assert.True(agreement.SnrDb > 100, $"{agreement.SnrDb} dB");
    }
}
