using Softmodel.Cli;
using Softmodel.Cli.Training;
using Softmodel.Language;
using Softmodel.Learn;

namespace Softmodel.Tests.Cli;

/// <summary>What <c>softmodel train</c> reads and shows, without a model.</summary>
public sealed class TrainCommandTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    string File(string name, string content) => File(name, System.Text.Encoding.UTF8.GetBytes(content));

    string File(string name, byte[] content)
    {
        var path = Path.Combine(folder, name);
        System.IO.File.WriteAllBytes(path, content);
        return path;
    }

    [Theory]
    [InlineData("a.csv", "text,label\nhello,greeting\n\"one, two\nthree \"\"four\"\"\",numbers\r\nbye,parting\n")]
    [InlineData("a.tsv", "label\ttext\ngreeting\thello\nnumbers\t\"one, two\nthree \"\"four\"\"\"\nparting\tbye")]
    [InlineData("a.jsonl", "{\"text\": \"hello\", \"label\": \"greeting\"}\n\n{\"label\": \"numbers\", \"text\": \"one, two\\nthree \\\"four\\\"\"}\n{\"text\": \"bye\", \"label\": \"parting\"}\n")]
    [InlineData("b.csv", "\uFEFFwhen,Intent,Utterance\n1,greeting,hello\n2,numbers,\"one, two\nthree \"\"four\"\"\"\n3,parting,bye\n")]
    [InlineData("c.csv", "said,kind\nhello,greeting\n\"one, two\nthree \"\"four\"\"\",numbers\nbye,parting\n")]
    public void Examples_are_read_with_quotes_and_newlines(string name, string content)
    {
        var all = LabelledTexts.Read(File(name, content));
        Assert.Equal([("hello", "greeting"), ("one, two\nthree \"four\"", "numbers"), ("bye", "parting")], all.Select(e => (e.Text, e.Label)));
        Assert.Equal(name.EndsWith("jsonl") ? [$"{name}:1", $"{name}:3", $"{name}:4"] : [$"{name}:2", $"{name}:3", $"{name}:5"], all.Select(e => e.Where));
    }

    [Theory]
    [InlineData("a.csv", "", "it is empty")]
    [InlineData("a.csv", "text\nhello\n", "a.csv:1: it has 1 column")]
    [InlineData("a.csv", "text,label\nhello,greeting\nalone\n", "a.csv:3: it has 1 field, and 'text' and 'label' are fields 1 and 2")]
    [InlineData("a.csv", "text,label\none, two,numbers\n", "a.csv:2: it has 3 fields, and the header 2")]
    [InlineData("a.csv", "text,label\nhello,greeting\n\"never closed,numbers\nbye,parting\n", "a.csv:3: its quotes don't match")]
    [InlineData("a.jsonl", "{\"text\": \"hello\", \"label\": \"greeting\"}\n{\"text\": \"bye\"}\n", "a.jsonl:2: it has no 'label'")]
    [InlineData("a.jsonl", "{\"text\": \"hello\"", "a.jsonl:1: it is no JSON object")]
    public void What_is_wrong_with_a_file_is_named_with_its_line(string name, string content, string message) =>
        Assert.Contains(message, Assert.Throws<SoftmodelException>(() => LabelledTexts.Read(File(name, content))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("2GB", 2_000_000_000L)]
    [InlineData("1.5 GiB", 3L << 29)]
    [InlineData("500mb", 500_000_000L)]
    [InlineData("64kB", 64_000L)]
    [InlineData("2G", null)]
    [InlineData("-1GB", null)]
    [InlineData("0MB", null)]
    [InlineData("50%", null)]
    [InlineData("", null)]
    public void A_budget_of_memory_is_a_size(string text, long? bytes) => Assert.Equal(bytes, Text.Bytes(text));

    [Fact]
    public void What_is_not_utf8_is_named_with_its_line()
    {
        var path = File("a.csv", [.. "text,label\nhello,greeting\n"u8, 0xE9, .. "t\u00E9,season\n"u8]);
        Assert.Contains("a.csv:3: it is not UTF-8", Assert.Throws<SoftmodelException>(() => LabelledTexts.Read(path)).Message, StringComparison.Ordinal);
        Assert.Contains("there is no column 'said'; its columns are text, label", Assert.Throws<SoftmodelException>(() => LabelledTexts.Read(File("b.csv", "text,label\na,b\n"), "said")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("softmodel: a.csv:3: the text is empty", "hello,a\n  ,b\n")]
    [InlineData("the label 'C' is none of the classes, which are a, b", "hello,a\nbye,C\n", "--classes", "a,b")]
    [InlineData("the class 'b' has only one example (a.csv:4)", "hello,a\nhi,a\nbye,b\n")]
    [InlineData("the class 'c' has no example", "hello,a\nhi,a\nbye,b\nso long,b\n", "--classes", "a,b,c")]
    [InlineData("all examples are of the class 'a'", "hello,a\nhi,a\n")]
    [InlineData("there are no examples", "")]
    public async Task Examples_that_make_no_classifier_are_refused_by_name(string message, string rows, params string[] more)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(["train", "classifier", "--data", File("a.csv", "text,label\n" + rows), "-o", Path.Combine(folder, "out"), .. more], output, error, TestContext.Current.CancellationToken);
        Assert.Equal((1, ""), (code, output.ToString()));
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
        Assert.Equal(["a.csv"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("--lora is a rank", "--lora", "0")]
    [InlineData("write one of them", "--lora", "8", "--tune", "all")]
    [InlineData("--validation is a share", "--validation", "1")]
    public async Task Wrong_use_is_told(string message, params string[] more)
    {
        var error = new StringWriter();
        Assert.Equal(2, await CommandLine.Run(["train", "classifier", "--data", File("a.csv", "text,label\na,b\n"), "-o", Path.Combine(folder, "out"), .. more], new StringWriter(), error, TestContext.Current.CancellationToken));
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--batch is an integer from 1 to 31", "tune", "smollm2", "--batch", "32")]
    [InlineData("--epochs is an integer from 1 up", "tune", "smollm2", "--epochs", "0")]
    [InlineData("--keep is a number from 0 up", "tune", "smollm2", "--keep", "-1")]
    [InlineData("--merge stores weights as F32, F16, BF16, Q4_0, Q4_1, Q8_0", "tune", "smollm2", "--merge", "Q6_K")]
    [InlineData("--temperature is a number above 0", "distil", "a.onnx", "--student", "b.onnx", "--temperature", "0")]
    [InlineData("--rate is a number above 0", "distil", "a.onnx", "--student", "b.onnx", "--rate", "-1")]
    [InlineData("'--student' is required", "distil", "a.onnx")]
    public async Task Wrong_use_of_tune_and_distil_is_told(string message, params string[] arguments)
    {
        var error = new StringWriter();
        Assert.Equal(2, await CommandLine.Run([.. arguments, "--data", File("a.jsonl", "{}\n"), "-o", Path.Combine(folder, "out")], new StringWriter(), error, TestContext.Current.CancellationToken));
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_split_has_the_same_share_of_every_class()
    {
        int[] labels = [.. Enumerable.Repeat(0, 20), .. Enumerable.Repeat(1, 2), .. Enumerable.Repeat(2, 11)];
        var (train, held) = ClassifierTraining.Split(labels, 0.2, 5);
        Assert.Equal([4, 1, 2], Enumerable.Range(0, 3).Select(c => held.Count(i => labels[i] == c)));
        Assert.Equal(Enumerable.Range(0, 33), train.Concat(held).Order());
        Assert.Equal(held, ClassifierTraining.Split(labels, 0.2, 5).HeldOut);
        Assert.NotEqual(held, ClassifierTraining.Split(labels, 0.2, 6).HeldOut);
    }

    [Fact]
    public void A_score_counts_what_was_taken_for_what()
    {
        var score = ClassifierScore.Of(["a", "b", "c"], [("a", "a"), ("a", "b"), ("a", "b"), ("b", "b"), ("c", "a")]);
        Assert.Equal(0.4, score.Accuracy);
        Assert.Equal([(3, 0.5, 1 / 3.0), (1, 1 / 3.0, 1), (1, 0, 0)], score.Classes.Select(c => (c.Count, c.Precision, c.Recall)));
        Assert.Equal([0.4, 0.5, 0], score.Classes.Select(c => Math.Round(c.F1, 9)));
        Assert.Equal([new Confusion("a", "b", 2), new("c", "a", 1)], score.Confusions);
    }

    [Fact]
    public void Curves_are_drawn_in_text_and_on_a_page()
    {
        TrainingPoint[] points = [.. Enumerable.Range(0, 100).Select(i => new TrainingPoint(i + 1, 4.0 * (99 - i) / 99, i % 10 == 9 ? 1 : null))];
        var lines = Curve.Lines(points, 50, 4);
        Assert.Equal(4, lines.Count);
        Assert.StartsWith("█████", lines[3], StringComparison.Ordinal);
        Assert.EndsWith("▁ 0.000", lines[3], StringComparison.Ordinal);
        Assert.StartsWith("█", lines[0], StringComparison.Ordinal);
        Assert.EndsWith(" 3.980", lines[0], StringComparison.Ordinal);
        Assert.Equal(' ', lines[0][49]);
        var page = TrainingReport.Page("a < b", [("encoder", "minilm")], points, [new("Taken for another", ["class", "taken for", "texts"], [["x & y", "z", "1"]]), new("Nothing", ["class"], [])]);
        Assert.Contains("<h1>a &lt; b</h1>", page, StringComparison.Ordinal);
        Assert.Contains("<td>x &amp; y</td><td>z</td><td>1</td>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Nothing", page, StringComparison.Ordinal);
        Assert.Contains("<svg", page, StringComparison.Ordinal);
        Assert.Contains("validation", page[page.IndexOf("<svg", StringComparison.Ordinal)..page.IndexOf("</svg>", StringComparison.Ordinal)], StringComparison.Ordinal);
        Assert.DoesNotContain("<?xml", page, StringComparison.Ordinal);
    }
}
