using System.Text.Json;
using Google.Protobuf;
using Softmodel.Cli;
using Softmodel.Cli.Arrays;
using Softmodel.Cli.Baselines;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Tests.Common;

namespace Softmodel.Tests.Cli;

/// <summary>What the commands that measure print with <c>--json</c>, on a model of one multiplication of 16-bit numbers: other programs read it.</summary>
public sealed class MeasuringCommandTests : IDisposable
{
    static readonly string[] machine = ["processor", "cores", "vector_bits", "system", "dotnet", "softmodel", "onnxruntime"];

    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    // y[N,3] is 0.1 of x[N,3], computed in 16 bits; in 16 or 32 themselves.
    string Model(bool half = false)
    {
        ValueInfoProto Value(string name) => new()
        {
            Name = name,
            Type = new() { TensorType = new() { ElemType = half ? 10 : 1, Shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "N" }, new TensorShapeProto.Types.Dimension { DimValue = 3 } } } } },
        };
        NodeProto Cast(string from, string to, int type) => new() { OpType = "Cast", Input = { from }, Output = { to }, Attribute = { new AttributeProto { Name = "to", Type = AttributeProto.Types.AttributeType.Int, I = type } } };
        var graph = new GraphProto
        {
            Name = "scaling",
            Input = { Value("x") },
            Output = { Value("y") },
            Node = { Cast("x", "h", 10), new NodeProto { OpType = "Mul", Input = { "h", "w" }, Output = { "m" } }, Cast("m", "y", half ? 10 : 1) },
            Initializer = { new TensorProto { Name = "w", DataType = 10, Int32Data = { BitConverter.HalfToUInt16Bits((Half)0.1f) } } },
        };
        var path = Path.Combine(root, "scaling.onnx");
        File.WriteAllBytes(path, new ModelProto { IrVersion = 8, OpsetImport = { new OperatorSetIdProto { Version = 17 } }, Graph = graph }.ToByteArray());
        return path;
    }

    static async Task<(int Code, JsonElement Json, string Error)> Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(args, output, error, TestContext.Current.CancellationToken);
        return (code, output.ToString() is { Length: > 0 } text ? JsonDocument.Parse(text).RootElement : default, error.ToString());
    }

    static void Has(JsonElement json, params string[] keys) => Assert.Empty(keys.Except(Keys(json)));

    static string[] Keys(JsonElement json) => [.. json.EnumerateObject().Select(p => p.Name)];

    [Fact]
    public async Task Verify_says_what_was_compared_with_what()
    {
        var (_, json, _) = await Run("verify", Model(), "--json");
        Assert.Equal(["oracle", "threshold_db", "min_snr_db", "ok", "models", "machine"], Keys(json));
        Assert.Equal(machine, Keys(json.GetProperty("machine")));
        var model = Assert.Single(json.GetProperty("models").EnumerateArray());
        Has(model, "model", "oracle", "cases", "min_snr_db", "max_abs", "ok");
        var cases = model.GetProperty("cases").EnumerateArray().ToArray();
        Assert.All(cases, c => Assert.Equal(["name", "elements", "snr_db", "max_abs", "fault", "oracle_as_is_snr_db", "oracle_as_is_fault", "as_is_snr_db", "exact_snr_db", "oracle_exact_snr_db", "exact_distortion_db", "oracle_exact_distortion_db", "rounding"], Keys(c)));
        Assert.Equal(cases.Min(c => c.GetProperty("snr_db").GetDouble()), model.GetProperty("min_snr_db").GetDouble());
        Assert.Equal(cases.Max(c => c.GetProperty("max_abs").GetDouble()), model.GetProperty("max_abs").GetDouble());
        Assert.Equal(json.GetProperty("min_snr_db").GetDouble(), model.GetProperty("min_snr_db").GetDouble());
    }

    [Fact]
    public async Task The_oracle_of_16_bit_models_is_a_copy_with_32_bits_and_its_own_error_is_told()
    {
        var (_, json, _) = await Run("verify", Model(), "--json");
        var model = json.GetProperty("models")[0];
        Assert.Equal($"onnxruntime {OnnxRuntimeBaseline.Version}, 16-bit numbers widened to 32", model.GetProperty("oracle").GetString());
        Assert.InRange(model.GetProperty("oracle_as_is_snr_db").GetDouble(), 50, 200);
        Assert.InRange(model.GetProperty("oracle_as_is_median_snr_db").GetDouble(), model.GetProperty("oracle_as_is_snr_db").GetDouble(), 200);
    }

    [Fact]
    public async Task A_model_that_takes_and_gives_16_bits_is_compared_as_well()
    {
        var (code, json, error) = await Run("verify", Model(half: true), "--json");
        Assert.True(code == 0, error + json);
        Assert.EndsWith("widened to 32", json.GetProperty("models")[0].GetProperty("oracle").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_has_a_row_for_each_case_and_a_summary_for_each_number_of_threads()
    {
        var (code, json, error) = await Run("bench", Model(), "--threads", "1,2", "--runs", "3", "--limits", "--json");
        Assert.True(code == 0, error);
        Assert.Equal(["against", "summary", "rows", "limits", "machine"], Keys(json));
        Assert.Equal("onnxruntime", json.GetProperty("against").GetString());
        Assert.Equal(machine, Keys(json.GetProperty("machine")));
        var rows = json.GetProperty("rows").EnumerateArray().ToArray();
        foreach (var row in rows)
        {
            Has(row, "model", "threads", "case", "ours_ms", "peer_ms", "speedup", "flops", "bytes", "share_of_limit");
            Assert.Equal(row.GetProperty("peer_ms").GetDouble() / row.GetProperty("ours_ms").GetDouble(), row.GetProperty("speedup").GetDouble(), 0.001);
        }
        // One size is 32: the scale, and 32 · 3 numbers that go in and come out.
        Assert.Equal(2 * 32 * 3 * 4 + 2, rows.First(r => r.GetProperty("case").GetString() == "batch of 32").GetProperty("bytes").GetInt64(), 2.0);
        var summary = json.GetProperty("summary").EnumerateArray().ToArray();
        Assert.Equal([1, 2], summary.Select(s => s.GetProperty("threads").GetInt32()));
        foreach (var one in summary)
        {
            var speedups = rows.Where(r => r.GetProperty("threads").GetInt32() == one.GetProperty("threads").GetInt32()).Select(r => r.GetProperty("speedup").GetDouble()).ToArray();
            Assert.Equal(Math.Exp(speedups.Average(Math.Log)), one.GetProperty("speedup").GetDouble(), 0.001);
            Assert.Equal(speedups.Min(), one.GetProperty("min_speedup").GetDouble());
        }
    }

    [Fact]
    public async Task A_model_that_fails_is_one_of_several_that_are_measured()
    {
        var missing = Path.Combine(root, "missing.onnx");
        var (code, json, error) = await Run("verify", Model(), missing, "--json");
        Assert.True(code == 1, error);
        Assert.False(json.GetProperty("ok").GetBoolean());
        var models = json.GetProperty("models").EnumerateArray().ToArray();
        Assert.Equal([true, false], models.Select(m => m.GetProperty("ok").GetBoolean()));
        Assert.Contains("there is no file", models[1].GetProperty("error").GetString(), StringComparison.Ordinal);

        (code, json, error) = await Run("bench", Model(), missing, "--threads", "1", "--runs", "3", "--json");
        Assert.True(code == 1, error);
        var summary = json.GetProperty("summary").EnumerateArray().ToArray();
        Assert.Equal([true, false], summary.Select(m => m.GetProperty("ok").GetBoolean()));
        Assert.Equal(summary[0].GetProperty("speedup").GetDouble(), json.GetProperty("geometric_mean")[0].GetProperty("speedup").GetDouble(), 0.002);
    }

    [Theory]
    [InlineData("verify")]
    [InlineData("bench")]
    public async Task All_takes_no_names_and_one_of_them_is_needed(string command)
    {
        Assert.Equal(2, (await Run(command)).Code);
        Assert.Equal(2, (await Run(command, "--all", "tts-en")).Code);
        Assert.Equal(2, (await Run(command, Model(), Model(), "--inputs", root)).Code);
    }

    [Fact]
    public async Task Inputs_come_from_a_folder_of_the_users()
    {
        var (model, folder) = (Model(), Path.Combine(root, "cases"));
        Directory.CreateDirectory(Path.Combine(folder, "test_data_set_0"));
        Directory.CreateDirectory(Path.Combine(folder, "named"));
        File.WriteAllBytes(Path.Combine(folder, "test_data_set_0", "input_0.pb"), new TensorProto { DataType = 1, Dims = { 2, 3 }, FloatData = { 1, 2, 3, 4, 5, 6 } }.ToByteArray());
        var array = Tensor.Of([1f, 2, 3], 1, 3);
        ArrayFiles.Write(Path.Combine(folder, "named", "x.npy"), [("x", array)], 1);
        ArrayFiles.Write(Path.Combine(folder, "packed.npz"), [("x", array)], 1);
        var (code, json, error) = await Run("verify", model, "--inputs", folder, "--json");
        Assert.True(code == 0, error);
        Assert.Equal(["named", "packed", "test_data_set_0"], json.GetProperty("models")[0].GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("name").GetString()!).Order(StringComparer.Ordinal));

        ArrayFiles.Write(Path.Combine(folder, "packed.npz"), [("y", array)], 1);
        (code, _, error) = await Run("verify", model, "--inputs", folder, "--json");
        Assert.Equal(1, code);
        Assert.Contains("there is no input 'y'", error, StringComparison.Ordinal);
        (code, _, error) = await Run("bench", model, "--inputs", Path.Combine(root, "nowhere"), "--runs", "3", "--json");
        Assert.Equal(1, code);
        Assert.Contains("there is no such folder", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_compiled_in_is_given_to_the_oracle()
    {
        var (code, json, error) = await Run("verify", Model(), "--shape", "x=2,3", "--fix", "x=1,2,3,4,5,6", "--json");
        Assert.True(code == 0, error);
        Assert.Equal(6, json.GetProperty("models")[0].GetProperty("cases")[0].GetProperty("elements").GetInt64());
        (code, _, error) = await Run("bench", Model(), "--shape", "x=2,3", "--fix", "x=1,2,3,4,5,6", "--threads", "1", "--runs", "3", "--json");
        Assert.True(code == 0, error);
    }

    [Fact]
    public async Task Lengths_are_for_voices()
    {
        var (code, _, error) = await Run("bench", Model(), "--lengths", "--json");
        Assert.Equal(1, code);
        Assert.Contains("is no voice", error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_dialogue_of_the_demo_is_that_of_the_examples()
    {
        using var text = new StreamReader(typeof(CommandLine).Assembly.GetManifestResourceStream("Softmodel.Cli.night-ferry.txt")!);
        Assert.Equal(File.ReadAllText(Repository.File("examples/dialogue/night-ferry.txt")), text.ReadToEnd());
    }

    [Theory]
    [InlineData("nowhere.txt", 1, "nowhere.txt")]
    [InlineData("ANN: Hello.", 1, "nobody is called ANN")]
    public async Task A_dialogue_that_can_t_be_read_is_named_before_anything_is_fetched(string script, int code, string says)
    {
        if (!script.EndsWith(".txt", StringComparison.Ordinal))
            File.WriteAllText(Path.Combine(root, "scene.txt"), script);
        var path = Path.Combine(root, script.EndsWith(".txt", StringComparison.Ordinal) ? script : "scene.txt");
        var result = await Run("demo", "--voice", "no-such-voice", "--script", path);
        Assert.Equal(code, result.Code);
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("demo", "--threads", "0")]
    [InlineData("bench", "x.onnx", "--cold", "--lengths")]
    [InlineData("bench", "x.onnx", "--runs", "2")]
    public async Task Wrong_use_is_code_2(params string[] args) => Assert.Equal(2, (await Run(args)).Code);

    [Fact]
    public void The_machine_tells_the_versions_that_run()
    {
        Assert.Equal(OnnxRuntimeBaseline.Version, Machine.Here.Onnxruntime);
        Assert.NotEmpty(Machine.Here.Processor);
        Assert.True(Machine.Here.VectorBits is 128 or 256 or 512);
    }
}
