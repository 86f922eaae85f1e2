using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Tests.Common;

namespace Softmodel.ModelTests.Fusion;

/// <summary>Triggers in SmolLM2, trained on a few passages: the way from a grammar to an answer that a program gave.</summary>
public sealed class FuseTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static string ModelFile => Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf");

    static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        return (await CommandLine.Run(arguments, output, error, TestContext.Current.CancellationToken), output.ToString(), error.ToString());
    }

    [Fact]
    public async Task A_fused_model_answers_sums_that_it_cannot_do_alone()
    {
        var fused = Path.Combine(folder, "fused");
        var made = await Run("fuse", ModelFile, "--with", "arithmetic", "--passages", "1800", "--held-out", "200", "--epochs", "8", "--layer", "14", "-o", fused, "--json");
        Assert.True(made.Code == 0, made.Error);
        var figures = JsonDocument.Parse(made.Output).RootElement.GetProperty("held_out");
        Assert.InRange(figures.GetProperty("false_fires").GetInt32(), 0, figures.GetProperty("idle").GetInt32() / 500);
        // What is kept in order to go on is gone when it is done.
        Assert.Equal([Path.Combine(fused, FusedTrigger.FileName)], Directory.GetFiles(fused));
        Assert.True(figures.GetProperty("programs").GetDouble() > 0.4, made.Output);
        Assert.True(figures.GetProperty("operands").GetDouble() > 0.4, made.Output);

        var (random, questions) = (new Random(3), Path.Combine(folder, "questions.jsonl"));
        File.WriteAllLines(questions, Enumerable.Range(0, 20).Select(i => (A: random.Next(1000, 100_000), B: random.Next(1000, 100_000), IsSum: i % 2 == 0))
            .Select(q => JsonSerializer.Serialize(new { question = $"What is {q.A} {(q.IsSum ? "plus" : "minus")} {q.B}?", answer = $"{(q.IsSum ? q.A + q.B : q.A - q.B)}" })));
        var asked = await Run("eval", "sums", "--data", questions, "--model", ModelFile, "--fused", fused, "--threshold", "-4", "--limit", "3", "--json");
        Assert.True(asked.Code == 0, asked.Error);
        var total = JsonDocument.Parse(asked.Output).RootElement.GetProperty("total");
        Assert.Equal(20, total.GetProperty("fused").GetProperty("n").GetInt32());
        Assert.Equal(3, total.GetProperty("bare").GetProperty("n").GetInt32());
        // Measured: half of them, after so few passages; docs/fusion.md has what the command's own number comes to.
        Assert.True(total.GetProperty("fused").GetProperty("exact").GetDouble() >= total.GetProperty("bare").GetProperty("exact").GetDouble() + 0.3, asked.Output);

        // The same sums in the middle of texts, and a text without any.
        var texts = Path.Combine(folder, "texts");
        Directory.CreateDirectory(texts);
        File.WriteAllLines(Path.Combine(texts, "solutions.jsonl"), Enumerable.Range(0, 20).Select(i => (A: random.Next(100, 10_000), B: random.Next(100, 10_000)))
            .Select(q => (Text: $"{q.A} + {q.B} =", Sum: $"{q.A + q.B}")).Select(q => JsonSerializer.Serialize(new { text = $"So {q.Text} {q.Sum}.", marks = (object[])[new { at = q.Text.Length + 4, answer = q.Sum }] })));
        File.WriteAllText(Path.Combine(texts, "prose.txt"), "The river rises in the hills and flows through the old town, where people sit by the water in the evening.");
        var read = await Run("eval", "sums", "--data", texts, "--model", ModelFile, "--fused", fused, "--threshold", "-4", "--json");
        Assert.True(read.Code == 0, read.Error);
        var files = JsonDocument.Parse(read.Output).RootElement.GetProperty("files").EnumerateArray().ToDictionary(f => f.GetProperty("file").GetString()!, f => f.GetProperty("texts"));
        Assert.Equal(20, files["solutions"].GetProperty("due").GetInt32());
        Assert.True(files["solutions"].GetProperty("exact").GetDouble() > 0.3, read.Output);
        Assert.Equal(0, files["prose"].GetProperty("false_fires").GetInt32());
        Assert.True(files["prose"].GetProperty("positions").GetInt32() > 15);
    }

    [Fact]
    public async Task A_stopped_search_and_training_go_on_where_they_were()
    {
        var fused = Path.Combine(folder, "fused");
        string[] arguments = ["fuse", ModelFile, "--with", "arithmetic", "--passages", "120", "--held-out", "40", "--epochs", "1", "--layer", "2", "4", "-o", fused, "--json"];
        using (var stop = new CancellationTokenSource())
        {
            var (output, error) = (new StringWriter(), new StringWriter());
            var running = CommandLine.Run(arguments, output, error, stop.Token);
            while (!running.IsCompleted && !(Directory.Exists(fused) && Directory.GetFiles(fused, "*.residuals").Any(f => new FileInfo(f).Length > 100_000)))
                await Task.Delay(20, TestContext.Current.CancellationToken);
            await stop.CancelAsync();
            Assert.NotEqual(0, await running);
        }
        Assert.False(File.Exists(Path.Combine(fused, FusedTrigger.FileName)));
        var kept = new FileInfo(Assert.Single(Directory.GetFiles(fused, "*.residuals"))).Length;
        Assert.True(kept > 100_000);
        var made = await Run(arguments);
        Assert.True(made.Code == 0, made.Error);
        var layers = JsonDocument.Parse(made.Output).RootElement.GetProperty("layers");
        Assert.Equal([2, 4], layers.EnumerateArray().Select(l => l.GetProperty("layer").GetInt32()));
        Assert.Equal([Path.Combine(fused, FusedTrigger.FileName)], Directory.GetFiles(fused));
    }

    [Fact]
    public async Task Methods_of_ones_own_answer_beside_sums()
    {
        var fused = Path.Combine(folder, "fused");
        var made = await Run("fuse", ModelFile, "--with", "arithmetic", "--with", Repository.File("examples/dates/Dates.cs"), "--with", Repository.File("examples/letters/Letters.cs"),
            "--passages", "1500", "--held-out", "100", "--epochs", "4", "--layer", "14", "-o", fused, "--json");
        Assert.True(made.Code == 0, made.Error);
        Assert.Contains("letters_in", JsonDocument.Parse(made.Output).RootElement.GetProperty("programs").EnumerateArray().Select(p => p.GetProperty("program").GetString()));

        // In the words of the examples, of others than were drawn.
        string[] words = ["rhinoceros", "barracuda", "wheelbarrow", "cappuccino", "millipede", "aardvark", "bassoon", "sassafras", "tattoo", "muddle"];
        var questions = Path.Combine(folder, "questions.jsonl");
        File.WriteAllLines(questions, words.Select(w => JsonSerializer.Serialize(new { question = $"How many {w[^2]}'s are there in the word {w}?", answer = $"{w.Count(c => c == w[^2])}" }))
            .Concat(Enumerable.Range(1, 10).Select(i => JsonSerializer.Serialize(new { question = $"How many days are there between {i} May 2019 and {2 * i + 3} July 2019?", answer = $"{61 + i + 3}" }))));
        async Task<(int Code, string Output, string Error)> Asked() => await Run("eval", "sums", "--data", questions, "--model", ModelFile, "--fused", fused, "--threshold", "0", "--limit", "3", "--json");
        var asked = await Asked();
        Assert.True(asked.Code == 0, asked.Error);
        var exact = JsonDocument.Parse(asked.Output).RootElement.GetProperty("total").GetProperty("fused").GetProperty("exact").GetDouble();
        Assert.True(exact >= 0.5, asked.Output);

        await using (var library = File.OpenWrite(Path.Combine(fused, "Letters.dll")))
        {
            library.Seek(-1, SeekOrigin.End);
            library.WriteByte(0x5A);
        }
        var refused = await Asked();
        Assert.Equal(1, refused.Code);
        Assert.Contains("Letters.dll: it is not the file that the model was fused with", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_passage_whose_operand_ends_within_a_token_is_left_out()
    {
        using var model = Model.Load(ModelFile);
        var tokenizer = LanguageModelLoading.ReadText(model, null).Tokenizer;
        TriggerText? Of(string text, params string[] operands) => TriggerText.Of(new(text + " 2", [new(text.Length, "letters", [.. operands.Select(o => new Span(text.IndexOf(o, StringComparison.Ordinal), o.Length))], "2")], [], [], ["part"], ""), tokenizer,
            new Dictionary<string, int> { ["letters"] = 1 });
        var text = Of("How many p's are in \"strawberry\"? A:", "p", "strawberry")!;
        Assert.Equal(["p", "strawberry"], text.Dues[0].Operands.Select(o => TriggerReader.TextsOf(text.Tokens, tokenizer)(o.First, o.Last)));
        Assert.True(text.Dues[0].Operands[1].Last > text.Dues[0].Operands[1].First);
        Assert.Null(Of("How many ing are in strawberrying? A:", "ing", "strawb"));
    }

    [Fact]
    public async Task A_fusion_of_another_model_is_refused()
    {
        var network = new TriggerNetwork(4, 1, 2, Tensor.Vector<float>(0, 0, 0, 0), Tensor.Vector<float>(1, 1, 1, 1), 1);
        using (var stream = File.Create(Path.Combine(folder, FusedTrigger.FileName)))
            new FusedTrigger("0123", ModelFile, 1, 30, 0, ["add"], network, new Dictionary<string, Tensor>()).Write(stream);
        File.WriteAllText(Path.Combine(folder, "questions.jsonl"), """{"question": "What is 1 plus 2?", "answer": "3"}""");
        var refused = await Run("eval", "sums", "--data", Path.Combine(folder, "questions.jsonl"), "--model", ModelFile, "--fused", folder);
        Assert.Equal(1, refused.Code);
        Assert.Contains("it was made of another model", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Operands_are_found_in_the_tokens_of_a_text()
    {
        using var model = Model.Load(ModelFile);
        var tokenizer = LanguageModelLoading.ReadText(model, null).Tokenizer;
        foreach (var passage in Grammar.Passages(7).Where(p => p.Turns.Count == 0).Take(300))
        {
            var names = passage.Dues.Select(d => d.Program).Distinct().Index().ToDictionary(p => p.Item, p => p.Index + 1);
            var text = TriggerText.Of(passage, tokenizer, names);
            Assert.NotNull(text);
            foreach (var due in passage.Dues)
            {
                var own = text.Dues.Where(d => d.Program == names[due.Program] && d.Operands.Length == due.Operands.Count
                    && d.Operands.Zip(due.Operands).All(p => TriggerReader.TextsOf(text.Tokens, tokenizer)(p.First.First, p.First.Last)?.Contains(p.Second.Of(passage.Text).Trim(), StringComparison.Ordinal) is true)).ToArray();
                // A token such as "):" has the end of an operand and what stands before the result: that is left out.
                Assert.True(own.Length > 0 || text.Undecided.Any(at => tokenizer.Decode(text.Tokens.AsSpan(0, at + 1)).Length == due.At), passage.ToString());
            }
        }
    }
}
