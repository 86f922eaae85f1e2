using System.Text.Json;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Sources;
using Softmodel.Speech;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Load;

/// <summary>The G2P network of a <see cref="Pronouncer"/>: a recurrent encoder of letters and decoder of phones, compiled as every other model is.</summary>
static class PronouncerNetwork
{
    /// <summary>The network of a file, compiled or from the cache.</summary>
    /// <param name="path">A JSON object with the weights of the network and lists of its letters and phones.</param>
    /// <param name="cache">The folder of all caches; null where nothing is kept.</param>
    /// <param name="cancellationToken">Stops between the stages.</param>
    /// <exception cref="SoftmodelException">The file is missing or damaged.</exception>
    public static Pronouncer Load(string path, string? cache, CancellationToken cancellationToken = default) => Reading(path, () =>
    {
        var vocabulary = PronouncerVocabulary.Read(File.ReadAllBytes(path));
        var width = InProcess.Width;
        var model = new CompileCache(cache).Get($"{FileHashes.Of(path, cache, cancellationToken)} {width}", Path.GetFileName(path), Path.GetDirectoryName(Path.GetFullPath(path))!, width, () =>
        {
            var code = ProgramCode.Write(Program(path), width);
            return new(InProcess.Assemble(code.Source, cancellationToken), code.Weights, []);
        }, cancellationToken);
        return new Pronouncer(model, vocabulary);
    });

    /// <summary>The kernels of the network of a file.</summary>
    /// <inheritdoc cref="Load" path="/exception"/>
    public static LoweredProgram Program(string path) => Reading(path, () => Lower.Program(Pipeline.Exact(Network(Weights.Read(path)), Evaluator.Fold)));

    static T Reading<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or IOException or UnauthorizedAccessException or KeyNotFoundException)
        {
            throw new SoftmodelException($"the G2P network '{path}' can't be read: {e.Message}", e);
        }
    }

    /// <summary>Letters in, phones out: the most likely phone at each step, until the end of the word.</summary>
    internal static Graph Network(Weights weights)
    {
        var builder = new GraphBuilder("pronounce", Evaluator.Fold);
        var count = Dim.Symbol("letters");
        var letters = builder.Input("letters", new(ElementType.Int64, new Shape(count)));
        var silence = builder.Constant(Tensor.Of<float>(new float[weights.Hidden], weights.Hidden));

        var read = new GraphBuilder("read", Evaluator.Fold, builder);
        var place = new Term(read, read.Input("place", new(ElementType.Int64, Shape.Scalar)));
        var memory = new Term(read, read.Input("memory", silence.Type));
        var letter = new Term(read, read.Capture(letters)).Gather(place, 0);
        var remembered = weights.Encoder.Step(read, letter, memory);
        var reading = Loop(builder, read, count, count, [silence], [True(read), remembered]);

        var write = new GraphBuilder("write", Evaluator.Fold, builder);
        write.Input("step", new(ElementType.Int64, Shape.Scalar));
        var thought = new Term(write, write.Input("thought", silence.Type));
        var phone = new Term(write, write.Input("phone", new(ElementType.Int64, Shape.Scalar)));
        var next = weights.Decoder.Step(write, phone, thought);
        var scores = next.Contract("j,jp->p", next.Constant(weights.Scores)) + next.Constant(weights.ScoreBias);
        var chosen = scores.Apply(new Op.ArgReduce(Largest: true, Axis: 0, Last: false));
        var begin = builder.Constant(Tensor.Scalar((long)weights.Vocabulary.Phone(PronouncerVocabulary.Begin)));
        var writing = Loop(builder, write, builder.FreshSymbol("phones"), Pronouncer.MaxPhones, [reading[0], begin],
            [!chosen.EqualTo(weights.Vocabulary.Phone(PronouncerVocabulary.EndOfWord)), next, chosen, chosen]);

        var graph = builder.Build([writing[2]], ["phones"]);
        graph.Validate();
        return graph;
    }

    static Term True(GraphBuilder builder) => new(builder, builder.Constant(Tensor.Scalar(true)));

    /// <summary>Repeats a body; its results are whether to go on, what it carries, and what is stacked.</summary>
    static Value[] Loop(GraphBuilder builder, GraphBuilder body, Dim iterations, Dim most, Value[] carried, Term[] results)
    {
        var loop = new Op.Loop(body.Build(results.Select(t => t.Value)), carried.Length, iterations);
        return builder.ApplyAll(loop, [builder.Sizes([most], Shape.Scalar), builder.Constant(Tensor.Scalar(true)), .. carried, .. body.Captures]);
    }

    /// <summary>A gated recurrent unit over a vocabulary.</summary>
    /// <param name="Given">The input projection of each item of the vocabulary: its embedding times the input weights, folded at build time.</param>
    /// <param name="Recurrent">The recurrent weights, [hidden, 3 * hidden]: reset, update, new.</param>
    /// <param name="Bias">The recurrent bias.</param>
    internal sealed record GatedUnit(Tensor Given, Tensor Recurrent, Tensor Bias)
    {
        /// <summary>The hidden state after an item.</summary>
        public Term Step(GraphBuilder builder, Term item, Term memory)
        {
            var size = memory.Shape[0];
            var given = item.Constant(Given).Gather(item, 0);
            var kept = memory.Contract("j,jg->g", item.Constant(Recurrent)) + item.Constant(Bias);
            Term Gate(Term gates, int which) => gates.Slice(0, size * which, size);
            var reset = (Gate(given, 0) + Gate(kept, 0)).Map(Functions.Sigmoid);
            var update = (Gate(given, 1) + Gate(kept, 1)).Map(Functions.Sigmoid);
            var proposed = (Gate(given, 2) + reset * Gate(kept, 2)).Map(Functions.Tanh);
            return (1 - update) * proposed + update * memory;
        }
    }

    /// <summary>The network's weights.</summary>
    internal sealed record Weights(PronouncerVocabulary Vocabulary, GatedUnit Encoder, GatedUnit Decoder, Tensor Scores, Tensor ScoreBias, int Hidden)
    {
        public static Weights Read(string path)
        {
            var bytes = File.ReadAllBytes(path);
            using var json = JsonDocument.Parse(bytes);
            Tensor Of(string name)
            {
                var entry = json.RootElement.GetProperty(name);
                var dims = entry.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()).ToArray();
                return new(ElementType.Float32, dims, entry.GetProperty("data").GetBytesFromBase64());
            }
            GatedUnit Unit(string name) => new(Given(Of($"{name}_emb"), Of($"{name}_w_ih"), Of($"{name}_b_ih")), Turned(Of($"{name}_w_hh")), Of($"{name}_b_hh"));
            var scores = Turned(Of("fc_w"));
            return new(PronouncerVocabulary.Read(bytes), Unit("enc"), Unit("dec"), scores, Of("fc_b"), (int)scores.Dims[0]);
        }

        static Tensor Turned(Tensor matrix) => Evaluator.Fold(new Op.Transpose([1, 0]), [matrix])![0];

        static Tensor Given(Tensor embedding, Tensor weights, Tensor bias)
        {
            var (items, size, gates) = ((int)embedding.Dims[0], (int)embedding.Dims[1], (int)weights.Dims[0]);
            var e = embedding.Values<float>();
            var w = weights.Values<float>();
            var b = bias.Values<float>();
            var given = new float[items * gates];
            for (var item = 0; item < items; item++)
            {
                for (var gate = 0; gate < gates; gate++)
                {
                    double sum = b[gate];
                    for (var j = 0; j < size; j++)
                        sum += (double)e[item * size + j] * w[gate * size + j];
                    given[item * gates + gate] = (float)sum;
                }
            }
            return Tensor.Of<float>(given, items, gates);
        }
    }
}
