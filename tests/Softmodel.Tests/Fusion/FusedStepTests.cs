using System.Text;
using System.Text.Json;
using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Tests.Fusion;

/// <summary>What happens between the lower and the upper layers of a fused decoder: who fires, what is written, and for whom the upper layers run.</summary>
public sealed class FusedStepTests : IDisposable
{
    const int Slots = 2;

    static readonly string[] programs = ["add", "divide", "test_long"];

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    static FusedStepTests() => FusedPrograms.Added.Add(new("test_long", "Many digits.", ["x"], (_, _) => string.Concat(Enumerable.Range(0, 3000).Select(i => i % 10))) { Repeats = true });

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>A byte-level BPE tokenizer whose tokens hold up to so many digits, from the left.</summary>
    Tokenizer Digits(int most)
    {
        // Byte-level BPE writes a space as U+0120.
        string[] single = [.. Enumerable.Range(33, 94).Select(c => $"{(char)c}"), "\u0120", "\u010a"];
        var (vocabulary, merges) = (single.Index().ToDictionary(p => p.Item, p => p.Index), new List<string>());
        for (var length = 2; length <= most; length++)
        {
            for (var number = 0; number < Math.Pow(10, length); number++)
            {
                var text = number.ToString($"D{length}", System.Globalization.CultureInfo.InvariantCulture);
                vocabulary[text] = vocabulary.Count;
                merges.AddRange([$"{text[..^1]} {text[^1]}", .. length > 2 ? (string[])[$"{text[0]} {text[1..]}"] : []]);
            }
        }
        var path = Path.Combine(folder, $"tokenizer{most}.json");
        File.WriteAllText(path, JsonSerializer.Serialize(new
        {
            version = "1.0",
            pre_tokenizer = new
            {
                type = "Sequence",
                pretokenizers = new object[]
                {
                    new { type = "Split", pattern = new { Regex = $@"\p{{N}}{{1,{most}}}" }, behavior = "Isolated", invert = false },
                    new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = false },
                },
            },
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab = vocabulary, merges },
        }));
        return Tokenizer.Open(path);
    }

    /// <summary>What the trigger says of a sequence: a text, which program is due at its end, and of which operands.</summary>
    sealed record Said(string Text, int Program, string[] Operands, double Score = 20, bool HasSpace = false, int MayFire = 1);

    sealed record Step(long[] Fired, string[] Written, int[][] Tokens, long[] Rows, long[] Logits);

    /// <summary>A step of sequences, each of which reads its whole text; some cells can be given away, and tokens be pending.</summary>
    static Step Run(Tokenizer tokenizer, Said[] all, Func<int, bool>? isGone = null, long[]? pending = null)
    {
        var texts = all.Select(s => tokenizer.Encode(s.Text, parsesSpecial: false)).ToArray();
        var (positions, sequences, tokens) = (texts.SelectMany(t => t.Select((_, p) => (long)p)).ToArray(), texts.SelectMany((t, i) => t.Select(_ => (long)i)).ToArray(), texts.SelectMany(t => t).Select(t => (long)t).ToArray());
        // What is read is the number of a sequence, one of as many axes; a query is the number of a cell.
        var count = tokens.Length;
        var (logits, read, lead, queries, keys) = (new float[all.Length * (1 + programs.Length)], new float[all.Length * all.Length], new float[2 * all.Length], new float[2 * Slots * count * all.Length], new float[count * 2 * count]);
        for (var i = 0; i < count; i++)
            keys[2 * i * count + i] = keys[(2 * i + 1) * count + i] = 100 * MathF.Sqrt(count);
        var (asked, from) = (new List<long>(), 0);
        foreach (var (i, said) in all.Index())
        {
            var last = from + texts[i].Length - 1;
            asked.Add(last);
            logits[i * (1 + programs.Length) + said.Program] = (float)said.Score;
            read[i * all.Length + i] = 1;
            lead[all.Length + i] = said.HasSpace ? 1 : -1;
            var at = 0;
            for (var slot = 0; slot < Slots; slot++)
            {
                var (first, end) = (last, last);
                if (slot < said.Operands.Length)
                {
                    var begin = said.Text.IndexOf(said.Operands[slot], at, StringComparison.Ordinal);
                    at = begin + said.Operands[slot].Length;
                    int TokenAt(int character) => from + Enumerable.Range(1, texts[i].Length).First(n => tokenizer.Decode(texts[i].AsSpan(0, n)).Length > character) - 1;
                    (first, end) = (TokenAt(begin), TokenAt(at - 1) + 1);
                }
                queries[(2 * slot * count + first) * all.Length + i] = 1;
                queries[((2 * slot + 1) * count + end) * all.Length + i] = 1;
            }
            from += texts[i].Length;
        }
        var cellSequences = sequences.Select((s, cell) => isGone?.Invoke(cell) == true ? 0 : 1L << (int)s).ToArray();
        var (bytes, begins, sorted) = FusedDecoder.Vocabulary(tokenizer);
        var outputs = FusedCall.Program.Reference(
        [
            Tensor.Of<float>(logits, all.Length, 1 + programs.Length), Tensor.Of<float>(read, all.Length, all.Length), Tensor.Of<float>(lead, 2, all.Length), Tensor.Vector<float>(0, 0),
            Tensor.Of<float>(queries, 2 * Slots * count, all.Length), Tensor.Vector<float>(new float[2 * Slots * count]), Tensor.Of<float>(keys, count, 2, count), Tensor.Vector<double>(0.0),
            Tensor.Vector<long>([.. all.Select(s => (long)s.MayFire)]), Tensor.Vector<long>([.. asked]), Tensor.Vector<long>(positions), Tensor.Vector<long>(sequences), Tensor.Vector<long>(pending ?? []),
            Tensor.Vector<long>(positions), Tensor.Vector<long>(cellSequences), Tensor.Vector<long>(tokens), bytes, begins, sorted, Tensor.Vector<byte>(Encoding.UTF8.GetBytes(string.Join('\n', programs))),
        ], [Slots]);
        var longest = (int)outputs[2].Dims[1];
        int[][] written = [.. Enumerable.Range(0, all.Length).Select(i => outputs[2].Values<long>().Slice(i * longest, longest).ToArray().Where(t => t >= 0).Select(t => (int)t).ToArray())];
        return new(outputs[0].Values<long>().ToArray(), [.. written.Select(w => tokenizer.Decode(w))], written, outputs[3].Values<long>().ToArray(), outputs[4].Values<long>().ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Results_are_written_in_the_tokens_of_the_model(int digits)
    {
        var tokenizer = Digits(digits);
        foreach (var (a, b) in ((string, string)[])[("48", "2"), ("9999999", "1"), ("123456", "654321"), ("1000", "24"), ("-5", "12"), ("1,250", "50"), ("0.25", "0.5")])
        {
            var step = Run(tokenizer, [new($"What is {a} plus {b}?", 1, [a, b], HasSpace: true)]);
            Assert.Equal([1], step.Fired);
            Assert.Equal(tokenizer.EncodeMore(step.Written[0]), step.Tokens[0]);
            Assert.StartsWith(" ", step.Written[0], StringComparison.Ordinal);
            Assert.Equal(Number.Read(a).Value + Number.Read(b).Value, Number.Read(step.Written[0].Trim()).Value);
        }
        Assert.Equal("50", Run(tokenizer, [new("48+2=", 1, ["48", "2"])]).Written[0]);
    }

    [Fact]
    public void Nothing_is_written_where_the_score_is_low_or_nothing_may_fire()
    {
        var tokenizer = Digits(3);
        foreach (var said in (Said[])[new("48+2=", 1, ["48", "2"], Score: 1), new("48+2=", 1, ["48", "2"], MayFire: 0), new("48+2=", 1, []), new("48+2=", 1, ["48", "+"]), new("48+2=", 0, ["48", "2"])])
        {
            var step = Run(tokenizer, [said]);
            Assert.Equal([0], step.Fired);
            Assert.Empty(step.Tokens[0]);
            Assert.Equal(Enumerable.Range(0, tokenizer.Encode(said.Text, false).Length).Select(i => (long)i), step.Rows);
            Assert.Equal([step.Rows.Length - 1], step.Logits);
        }
    }

    [Fact]
    public void Upper_layers_run_for_those_that_go_on_and_for_what_they_have_not_read()
    {
        var tokenizer = Digits(1);
        Said sum = new("1+2=", 1, ["1", "2"]), other = new("ab", 0, []);
        var step = Run(tokenizer, [other, sum, other], pending: [1, 2, 0, 1]);
        Assert.Equal([0, 1, 0], step.Fired);
        // Of the four that are pending the second and third are of sequences that go on; then the tokens of these.
        Assert.Equal([1, 2, 4, 5, 10, 11], step.Rows);
        Assert.Equal([3, 5], step.Logits);
        Assert.Equal("3", step.Written[1]);
    }

    [Fact]
    public void An_operand_that_was_shifted_out_of_the_context_is_none()
    {
        var tokenizer = Digits(1);
        Assert.Equal([0], Run(tokenizer, [new("48+2=", 1, ["48", "2"])], cell => cell == 1).Fired);
        Assert.Equal([0], Run(tokenizer, [new("148+2=", 1, ["48", "2"])], cell => cell == 0).Fired);
        Assert.Equal([1], Run(tokenizer, [new("xx48+2=", 1, ["48", "2"])], cell => cell == 0).Fired);
    }

    [Fact]
    public void What_has_no_result_is_said_in_words_where_there_may_be_words()
    {
        var tokenizer = Digits(3);
        Assert.Equal("Division by zero is undefined.", Run(tokenizer, [new("4/0=", 2, ["4", "0"])]).Written[0]);
        Assert.Equal([0], Run(tokenizer, [new("4/0=", 2, ["4", "0"], MayFire: 2)]).Fired);
        Assert.Equal("1350", Run(tokenizer, [new("1,300+50=", 1, ["1,300", "50"], MayFire: 2)]).Written[0]);
        Assert.Equal("1,350", Run(tokenizer, [new("1,300+50=", 1, ["1,300", "50"])]).Written[0]);
    }

    [Fact]
    public void Long_results_are_written_whole()
    {
        var tokenizer = Digits(3);
        var step = Run(tokenizer, [new("x1=", 3, ["1"])]);
        Assert.Equal(3000, step.Written[0].Length);
        Assert.Equal(1000, step.Tokens[0].Length);
    }
}
