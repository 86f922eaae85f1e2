using System.Text.Json;
using Google.Protobuf;
using Softmodel.Arrays;
using Softmodel.Cli;
using Softmodel.Cli.Arrays;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;

namespace Softmodel.Tests.Cli;

/// <summary>The commands on a model of one addition: sum[N,3] = a[N,3] + b[N,3].</summary>
public sealed class ModelCommandTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    string File(string name) => Path.Combine(root, name);

    string Model(params string[] operators) => Model(operators, givesAll: false);

    string Model(string[] operators, bool givesAll)
    {
        ValueInfoProto Value(string name) => new()
        {
            Name = name,
            Type = new() { TensorType = new() { ElemType = (int)TensorProto.Types.DataType.Float, Shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "N" }, new TensorShapeProto.Types.Dimension { DimValue = 3 } } } } },
        };
        var graph = new GraphProto { Name = "adding", Input = { Value("a"), Value("b") }, Output = { Value("sum"), operators.SkipLast(1).Where(_ => givesAll).Select((_, i) => Value($"t{i}")) } };
        graph.Node.Add(operators.Select((o, i) => new NodeProto { OpType = o, Input = { "a", "b" }, Output = { i == operators.Length - 1 ? "sum" : $"t{i}" } }));
        var path = File("adding.onnx");
        System.IO.File.WriteAllBytes(path, new ModelProto { IrVersion = 8, ProducerName = "test", OpsetImport = { new OperatorSetIdProto { Version = 17 } }, Graph = graph }.ToByteArray());
        return path;
    }

    static async Task<(int Code, string Output, string Error)> Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(args, output, error, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public async Task Import_says_what_is_in_a_model()
    {
        var (code, output, error) = await Run("import", Model("Add"), "--json");
        Assert.Equal((0, ""), (code, error));
        var json = JsonDocument.Parse(output).RootElement;
        Assert.True(json.GetProperty("compiles").GetBoolean());
        Assert.Equal(17, json.GetProperty("opsets").GetProperty("ai.onnx").GetInt64());
        Assert.Equal(1, json.GetProperty("operators").GetProperty("Add").GetInt32());
        Assert.Equal(["N", "3"], json.GetProperty("inputs")[0].GetProperty("axes").EnumerateArray().Select(a => a.GetString()));
    }

    [Fact]
    public async Task Import_names_all_that_cannot_be_compiled()
    {
        var (code, output, _) = await Run("import", Model(["Foo", "Bar", "Foo", "Add"], givesAll: true), "--json");
        Assert.Equal(1, code);
        var faults = JsonDocument.Parse(output).RootElement.GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("operator").GetString());
        Assert.Equal(["Foo", "Bar", "Foo"], faults);
    }

    [Fact]
    public async Task Run_takes_numbers_and_fills_inputs_with_one()
    {
        var (code, output, error) = await Run("run", Model("Add"), "-i", "a=[[1,2,3],[4,5,6]]", "-i", "b=10", "-o", File("out.npz"), "-o", $"sum={File("sum.npy")}", "--json");
        Assert.Equal((0, ""), (code, error));
        var sum = JsonDocument.Parse(output).RootElement.GetProperty("outputs")[0];
        Assert.Equal([11, 12, 13, 14, 15, 16], sum.GetProperty("values").EnumerateArray().Select(v => v.GetDouble()));
        var expected = Tensor.Of<float>([11, 12, 13, 14, 15, 16], 2, 3);
        Assert.True(expected.SameAs(Npy.Read(System.IO.File.ReadAllBytes(File("sum.npy")), "it")));
        Assert.True(expected.SameAs(ArrayFiles.Read([File("out.npz")])["sum"].Tensor!));
    }

    [Theory]
    [InlineData(2, "c=1", "no input 'c'")]
    [InlineData(2, "a=1", "nothing was given for b")]
    [InlineData(1, "b=[[1,2,3]]", "N is")]
    [InlineData(1, "b=[1,2]", "[1,2]")]
    [InlineData(1, "b=[\"x\"]", "no number")]
    public async Task Wrong_inputs_are_named(int code, string input, string says)
    {
        var others = input[0] == 'b' ? new[] { "-i", "a=[[1,2,3],[4,5,6]]" } : [];
        var result = await Run(["run", Model("Add"), "-i", input, .. others]);
        Assert.Equal((code, ""), (result.Code, result.Output));
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_no_input_knows_cannot_be_filled()
    {
        var (code, _, error) = await Run("run", Model("Add"), "-i", "a=1", "-i", "b=2");
        Assert.Equal(2, code);
        Assert.Contains("'N'", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Show_lists_kernels_with_the_nodes_that_they_are()
    {
        var (code, output, error) = await Run("show", Model("Add", "Mul"), "--at", "N=7", "--json");
        Assert.Equal((0, ""), (code, error));
        var json = JsonDocument.Parse(output).RootElement;
        Assert.Equal(2, json.GetProperty("nodes").GetInt32());
        // The sum is of no use to the product, and is left out.
        var part = Assert.Single(json.GetProperty("parts").EnumerateArray());
        Assert.Equal(["Mul 'sum'"], part.GetProperty("nodes").EnumerateArray().Select(n => n.GetString()));
        Assert.Equal(21, part.GetProperty("operations").GetDouble());
        var text = (await Run("show", Model("Add"))).Output;
        Assert.Contains("1 steps run kernels, of which 1 are different", text, StringComparison.Ordinal);
        Assert.Contains("Add1: Float32[N,3] = add   # Add 'sum'", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("imported")]
    [InlineData("simplified")]
    public async Task Show_writes_graphs_that_can_be_read_again(string stage)
    {
        var (code, output, _) = await Run("show", Model("Add"), "--stage", stage);
        Assert.Equal(0, code);
        Assert.Equal(output, GraphText.Write(GraphText.Read(output)));
        Assert.Contains("add(a, b)", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Show_writes_a_page_and_a_graph_for_Graphviz()
    {
        var page = File("adding.html");
        var (code, output, error) = await Run("show", Model("Add"), "--format", "html", "-o", page);
        Assert.Equal((0, ""), (code, output));
        Assert.StartsWith(page, error, StringComparison.Ordinal);
        Assert.StartsWith("<!doctype html>", System.IO.File.ReadAllText(page), StringComparison.Ordinal);
        Assert.StartsWith("digraph \"adding\" {", (await Run("show", Model("Add"), "--format", "dot")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "Q", "--at", "Q=3")]
    [InlineData(2, "--at", "--at", "N=x")]
    [InlineData(2, "-o FILE", "--format", "dot", "--json")]
    [InlineData(2, "--vector-bits", "--vector-bits", "100")]
    [InlineData(2, "pdf", "--format", "pdf")]
    [InlineData(1, "can't be written", "-o", "/no/such/folder/x.txt")]
    [InlineData(2, "simplify", "--without", "simplfy")]
    [InlineData(2, "simplify", "--passes", "--stop-after", "all")]
    [InlineData(2, "--format", "--passes", "--format", "html")]
    [InlineData(1, "nowhere.json", "--passes", "--use", "nowhere.json")]
    [InlineData(2, "--quantize int16", "--min-snr", "40")]
    [InlineData(2, "int4", "--quantize", "int4")]
    [InlineData(2, "from 0 up", "--quantize", "int16", "--min-snr", "NaN")]
    [InlineData(2, "from 0 up", "--quantize", "int16", "--min-snr", "-1")]
    public async Task Show_says_what_is_wrong(int code, string says, params string[] options)
    {
        var result = await Run(["show", Model("Add"), .. options]);
        Assert.Equal((code, ""), (result.Code, result.Output));
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Passes_are_shown_and_can_be_left_out()
    {
        async Task<string[]> Names(params string[] options)
        {
            var (code, output, error) = await Run(["show", Model("Add"), "--passes", "--check", "--json", .. options]);
            Assert.Equal((0, ""), (code, error));
            return [.. JsonDocument.Parse(output).RootElement.GetProperty("passes").EnumerateArray().Select(p => p.GetProperty("pass").GetString()!)];
        }
        var all = await Names();
        Assert.Contains("simplify", all);
        Assert.Equal(all.Where(p => p != "simplify"), await Names("--without", "simplify"));
        Assert.Equal(all.Take(2), await Names("--stop-after", all[1]));
        Assert.Matches(@"simplify +exact +1 +0 B", (await Run("show", Model("Add"), "--passes")).Output);
    }

    [Theory]
    [InlineData("--whole-products is called --quantize int16 --min-snr now", "--whole-products", "40")]
    [InlineData("--whole-products is called --quantize int16 --min-snr now", "--whole-products=40")]
    [InlineData("--keep-past is called --kv-cache now", "--keep-past", "--without", "kv-cache")]
    public async Task An_option_s_old_name_is_taken_and_the_new_one_is_told(string told, params string[] old)
    {
        var (code, _, error) = await Run(["show", Model("Add"), "--passes", .. old]);
        Assert.Equal(0, code);
        Assert.Contains(told, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_use_case_is_read_from_a_file()
    {
        System.IO.File.WriteAllText(File("use.json"), """{ "shapes": { "b": [2, 3] }, "values": { "b": [10] } }""");
        var (code, output, error) = await Run("run", Model("Add"), "--use", File("use.json"), "-i", "a=[[1,2,3],[4,5,6]]", "--json");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal([11, 12, 13, 14, 15, 16], JsonDocument.Parse(output).RootElement.GetProperty("outputs")[0].GetProperty("values").EnumerateArray().Select(v => v.GetDouble()));
    }

    [Fact]
    public async Task Fixed_inputs_are_compiled_in()
    {
        var (code, output, error) = await Run("run", Model("Add"), "--shape", "b=2,3", "--fix", "b=10", "-i", "a=[[1,2,3],[4,5,6]]", "--json");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal([11, 12, 13, 14, 15, 16], JsonDocument.Parse(output).RootElement.GetProperty("outputs")[0].GetProperty("values").EnumerateArray().Select(v => v.GetDouble()));
    }

    [Theory]
    [InlineData(1, "inputs are a, b", "--fix", "c=1")]
    [InlineData(1, "give its shape", "--fix", "b=1")]
    [InlineData(1, "2 values", "--shape", "b=2,3", "--fix", "b=1,2")]
    [InlineData(1, "declares [N,3]", "--shape", "b=2,4")]
    [InlineData(1, "declares [N,3]", "--shape", "b=2")]
    [InlineData(2, "--fix b", "--fix", "b=x")]
    public async Task Wrong_fixed_inputs_are_named(int code, string says, params string[] options)
    {
        var result = await Run(["run", Model("Add"), "-i", "a=[[1,2,3]]", "-i", "b=1", .. options]);
        Assert.Equal((code, ""), (result.Code, result.Output));
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--size", "N")]
    [InlineData("--size", "N=x")]
    [InlineData("--size", "N=-1")]
    [InlineData("--shape", "a=1,,2")]
    public async Task Wrong_sizes_are_wrong_use(params string[] option) => Assert.Equal(2, (await Run(["import", Model("Add"), .. option])).Code);

    [Fact]
    public async Task A_file_that_is_no_model_is_an_error()
    {
        System.IO.File.WriteAllText(File("text.onnx"), "This is no model.");
        foreach (var command in new[] { "import", "run" })
        {
            var (code, _, error) = await Run(command, File("text.onnx"));
            Assert.Equal(1, code);
            Assert.Contains("text.onnx", error, StringComparison.Ordinal);
        }
    }
}
