using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Runtime.Fusion;

namespace Softmodel.ModelTests.Fusion;

/// <summary>Decoders with a trigger that was drawn at random: what it does not touch stays as it was, and what programs write is read as if it had been inferred.</summary>
public class FusedDecoderTests
{
    const string Echo = "test_echo";

    // Words and digits of the vocabulary, short enough for every family.
    static readonly Lazy<Tokenizer> tokenizer = new(() => Tokenizer.Open(Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf")));

    static FusedDecoderTests() => FusedPrograms.Added.Add(new(Echo, "Two letters.", ["x"], (_, _) => "ab") { Repeats = true });

    public static TheoryData<string> Families => [.. Directory.GetDirectories(Shared.Folder("lm/families")).Select(f => Path.GetFileName(f)!).Where(f => f is not ("bert" or "distilbert" or "modernbert" or "mamba")).Order(StringComparer.Ordinal)];

    static FusedTrigger Drawn(Graph decoder, double threshold, ulong seed)
    {
        var width = (int)decoder.Nodes.Last(n => n.Origin.Role == Role.Residual).Output.Shape[1].Value!.Value;
        var network = new TriggerNetwork(width, 1, 2, Tensor.Of<float>(new float[width], width), Tensor.Of<float>([.. Enumerable.Repeat(1f, width)], width), seed);
        return new("", "", 0, 2, threshold, [Echo], network, Parameters.Of(network.Reading()).Where(p => !p.IsFrozen).ToDictionary(p => p.Name, Value, StringComparer.Ordinal));
    }

    // Queries of zeros point to the first token: there always is an operand.
    static Tensor Value(Op.Parameter parameter) => parameter.Name.StartsWith(TriggerNetwork.Queries, StringComparison.Ordinal) ? new(ElementType.Float32, parameter.Value.Dims, new byte[parameter.Value.Bytes.Length]) : parameter.Value;

    static SequenceDecoder Compiled(Graph graph) => new(InProcess.Compile(Lower.Program(Pipeline.Exact(graph, Evaluator.FoldKeepingStored), new(new Dictionary<string, long>())), InProcess.Width), 200, shifts: false);

    static int[] Tokens(int count, int seed, int vocabulary)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Logits_are_bit_for_bit_those_of_the_decoder_alone(string family)
    {
        using var model = Model.Load(Shared.Folder($"lm/families/{family}"));
        using var alone = Compiled(model.Imported);
        using var fused = Compiled(FusedDecoder.Apply(model.Imported, Drawn(model.Imported, double.PositiveInfinity, 1), tokenizer.Value, Evaluator.FoldKeepingStored));
        Assert.True(fused.IsFused);
        var text = Tokens(60, 1, alone.Vocabulary);
        var (a, b) = (alone.Begin(), fused.Begin());
        foreach (var (at, count) in ((int, int)[])[(0, 37), (37, 1), (38, 1), (39, 7), (46, 1), (47, 13)])
        {
            var expected = alone.Run(new SequenceTokens(a, text.AsMemory(at, count), at == 39)).ToArray();
            Assert.Equal(expected, fused.Run(new SequenceTokens(b, text.AsMemory(at, count), at == 39, Firing.Yes)).ToArray());
            Assert.Null(fused.Fires[0]);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void What_a_program_wrote_is_read_when_the_text_goes_on(string family)
    {
        using var model = Model.Load(Shared.Folder($"lm/families/{family}"));
        using var alone = Compiled(model.Imported);
        using var fused = Compiled(FusedDecoder.Apply(model.Imported, Drawn(model.Imported, double.NegativeInfinity, 3), tokenizer.Value, Evaluator.FoldKeepingStored));
        var text = Tokens(30, 2, alone.Vocabulary);
        var (a, b) = (alone.Begin(), fused.Begin());
        // Beside another sequence, in which nothing may fire.
        var (otherA, otherB) = (alone.Begin(), fused.Begin());
        var expectedBeside = alone.Run(new(a, text.AsMemory(0, 20)), new SequenceTokens(otherA, text.AsMemory(5, 20))).ToArray()[alone.Vocabulary..];
        var logits = fused.Run(new(b, text.AsMemory(0, 20), false, Firing.Yes), new SequenceTokens(otherB, text.AsMemory(5, 20))).ToArray();
        var fired = Assert.IsType<Fired>(fused.Fires[0]);
        Assert.Null(fused.Fires[1]);
        Assert.Equal(expectedBeside, logits);
        Assert.Equal(0, fired.Program);
        Assert.Equal("ab", tokenizer.Value.Decode(fired.Tokens).Trim());
        Assert.All(fired.Operands, o => Assert.InRange(o.First, 0, o.Last));
        // A fork has read as much, and as little.
        var fork = fused.Fork(b, 20);
        foreach (var sequence in (int[])[b, fork])
        {
            var (more, went) = (text[20..24], alone.Fork(a, 20));
            var expected = alone.Run(new SequenceTokens(went, more, true)).ToArray();
            Assert.Equal(expected, fused.Run(new SequenceTokens(sequence, more, true)).ToArray());
            Assert.Equal(alone.Run(new SequenceTokens(went, text.AsMemory(24, 1))).ToArray(), fused.Run(new SequenceTokens(sequence, text.AsMemory(24, 1))).ToArray());
        }
    }
}
