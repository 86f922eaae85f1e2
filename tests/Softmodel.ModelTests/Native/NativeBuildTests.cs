using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Json;
using Softmodel.Bench.Flips;
using Softmodel.Emit.Native;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Native;

/// <summary>The sample model as a native library, built once for all tests.</summary>
public sealed class NativeLibraryFixture : IDisposable
{
    readonly Lazy<Task<(NativeResult, NativeResult)>> built;

    public NativeLibraryFixture() => built = new(async () => (
        await NativeBuild.Run(SampleModel.Model, Path.Combine(Folder, "beside"), new NativeOptions()),
        await NativeBuild.Run(SampleModel.Model, Path.Combine(Folder, "embedded"), new NativeOptions(EmbedWeights: true))));

    public string Folder { get; } = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    internal async Task<NativeResult> Built(bool embedded)
    {
        NativeTools.Require();
        var (beside, inside) = await built.Value;
        return embedded ? inside : beside;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

public sealed class NativeBuildTests(NativeLibraryFixture fixture, ITestOutputHelper output) : IClassFixture<NativeLibraryFixture>
{
    const int T = 37, N = 5;

    static readonly float[] x = [.. Enumerable.Range(0, T * SampleModel.Depth).Select(i => MathF.Sin(i) * 2)];
    static readonly long[] rows = [0, 36, -1, 7, 0];

    static readonly string[] names = ["y", "noise", "picked"];
    static readonly string[] allowed = ["linux-vdso.so.1", "libm.so.6", "libc.so.6", "ld-linux-x86-64.so.2"];

    /// <summary>The bytes of each output in process.</summary>
    byte[][] Expected(int width)
    {
        using var model = SampleModel.InProcessModel(width, fixture.Folder);
        model.Seed = 7;
        model.Run(TensorArgument.Of(x, T, SampleModel.Depth), TensorArgument.Of(rows, N));
        return [.. Enumerable.Range(0, names.Length).Select(i => MemoryMarshal.AsBytes(model.Output(i).Span<float>()).ToArray())];
    }

    static string Run(string folder, string width, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["SOFTMODEL_WIDTH"] = width;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return $"{text}{error.Result}exit {process.ExitCode}".Trim();
    }

    static string[] Arguments(string folder)
    {
        File.WriteAllBytes(Path.Combine(folder, "x.in"), MemoryMarshal.AsBytes<float>(x).ToArray());
        File.WriteAllBytes(Path.Combine(folder, "rows.in"), MemoryMarshal.AsBytes<long>(rows).ToArray());
        return [$"T={T}", $"N={N}", "x=x.in", "rows=rows.in", "seed=7", "threads=2"];
    }

    static int Width(string limit) => limit == "512" && Vector512.IsHardwareAccelerated ? 512 : 256;

    void Same(string folder, string width)
    {
        var expected = Expected(Width(width));
        for (var i = 0; i < names.Length; i++)
        {
            var path = Path.Combine(folder, names[i] + ".raw");
            Assert.Equal(expected[i], File.ReadAllBytes(path));
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(false, "512")]
    [InlineData(false, "256")]
    [InlineData(true, "512")]
    public async Task C_gives_the_bits_of_the_model_in_process(bool embedded, string width)
    {
        var result = await fixture.Built(embedded);
        var folder = Path.GetDirectoryName(result.Library)!;
        Assert.Equal("exit 0", Run(folder, width, "gcc", "-Wall", "-Wextra", "-Werror", "-std=c11", "sample.c", Path.GetFileName(result.Library), "-Wl,-rpath,$ORIGIN", "-o", "sample"));
        Assert.Equal($"y [{T},{SampleModel.Rows}]\nnoise [{T}]\npicked [{N}]\nexit 0", Run(folder, width, Path.Combine(folder, "sample"), Arguments(folder)));
        Same(folder, width);
    }

    [Theory]
    [InlineData(false, "512")]
    [InlineData(true, "256")]
    public async Task Python_gives_the_bits_of_the_model_in_process(bool embedded, string width)
    {
        var result = await fixture.Built(embedded);
        var folder = Path.GetDirectoryName(result.Library)!;
        Assert.Equal($"y [{T},{SampleModel.Rows}]\nnoise [{T}]\npicked [{N}]\nexit 0", Run(folder, width, "python3", ["sample.py", .. Arguments(folder)]));
        Same(folder, width);
    }

    [Fact]
    public async Task The_library_needs_nothing_but_libc_and_libm()
    {
        var result = await fixture.Built(embedded: false);
        var needed = Run(".", "512", "ldd", result.Library).Split('\n').Select(l => l.Trim().Split(' ')[0]).Where(l => l.Contains(".so"));
        Assert.All(needed, n => Assert.Contains(Path.GetFileName(n), allowed));
        output.WriteLine($"code {result.CodeBytes} bytes, weights {result.WeightBytes} bytes, {result.Seconds:F1} s");
        Assert.True(result.CodeBytes < 2_100_000, $"{result.CodeBytes} bytes of code");
    }

    [Fact]
    public async Task The_description_and_the_licences_are_there()
    {
        var result = await fixture.Built(embedded: false);
        var folder = Path.GetDirectoryName(result.Library)!;
        using var description = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "MODEL.json")));
        var root = description.RootElement;
        Assert.Equal("sample_model", root.GetProperty("prefix").GetString());
        Assert.Equal("""{"name":"x","type":"float32","axes":["T","160"]}""", JsonSerializer.Serialize(root.GetProperty("inputs")[0]));
        Assert.Equal(new FileInfo(Path.Combine(folder, "sample_model.weights")).Length, root.GetProperty("bytes").GetProperty("weights").GetInt64());
        Assert.Contains("Anyone may use it.", File.ReadAllText(Path.Combine(folder, "LICENSES.txt")));
        Assert.True(File.Exists(Path.Combine(folder, "THIRD-PARTY-NOTICES.txt")));
    }

    [Theory]
    [InlineData("seed=18446744073709551615", null)]
    [InlineData("T=7", "error 3: pick: the index 36 is not within -7 to 6")]
    [InlineData("threads=0", "error 1: 0 threads were asked for; 1 to 256 are possible")]
    public async Task Errors_are_numbers_and_messages(string changed, string? expected)
    {
        var folder = Path.GetDirectoryName((await fixture.Built(embedded: false)).Library)!;
        var program = Path.Combine(folder, $"errors{Guid.NewGuid():N}");
        Assert.Equal("exit 0", Run(folder, "512", "gcc", "sample.c", "libsample_model.so", "-Wl,-rpath,$ORIGIN", "-o", program));
        var keys = changed.Split(' ');
        string[] arguments = [.. keys, .. Arguments(folder).Where(a => !keys.Any(k => k.Split('=')[0] == a.Split('=')[0]))];
        var said = Run(folder, "512", program, arguments);
        Assert.EndsWith(expected is null ? "exit 0" : $"{expected}\nexit 1", said);
    }

    [Fact]
    public async Task C_callers_who_err_are_told_and_nothing_breaks()
    {
        var folder = Path.GetDirectoryName((await fixture.Built(embedded: false)).Library)!;
        var flipped = File.ReadAllBytes(Path.Combine(folder, "sample_model.weights"));
        flipped[^5000] ^= 16;
        File.WriteAllBytes(Path.Combine(folder, "flipped"), flipped);
        File.WriteAllText(Path.Combine(folder, "wrong.c"), """
            #include "sample_model.h"
            #include <stdio.h>
            #define SAY(call) do { int32_t e = call; printf("%d %s\n", e, e ? sample_model_last_error() : ""); } while (0)
            int main(void)
            {
                sample_model *model;
                sample_model_tensor t = { 0 }, two[2] = { { 0 } };
                sample_model_info info;
                float one[160] = { 0 };
                int64_t row = 0, many[65] = { 0 };
                SAY(sample_model_create("nowhere", &model));
                SAY(sample_model_create("sample.c", &model));
                SAY(sample_model_create("flipped", &model));
                SAY(sample_model_create_unchecked("flipped", &model));
                SAY(sample_model_destroy(model));
                SAY(sample_model_create(NULL, NULL));
                SAY(sample_model_run(NULL, NULL, 0));
                SAY(sample_model_create(NULL, &model));
                SAY(sample_model_result(model, 0, &t));
                SAY(sample_model_run(model, NULL, 2));
                SAY(sample_model_run(model, two, 2));
                two[0] = (sample_model_tensor){ one, SAMPLE_MODEL_FLOAT32, 2, { 1, 160 } };
                two[1] = (sample_model_tensor){ NULL, SAMPLE_MODEL_INT64, 1, { 1 } };
                SAY(sample_model_run(model, two, 2));
                two[1].rank = 99;
                SAY(sample_model_run(model, two, 2));
                two[1] = (sample_model_tensor){ &row, SAMPLE_MODEL_INT64, 1, { -1 } };
                SAY(sample_model_run(model, two, 2));
                two[1] = (sample_model_tensor){ many, SAMPLE_MODEL_INT64, 1, { 65 } };
                SAY(sample_model_run(model, two, 2));
                two[1].size[0] = 1;
                SAY(sample_model_set_memory_limit(model, 100));
                SAY(sample_model_run(model, two, 2));
                SAY(sample_model_set_memory_limit(model, 100000));
                SAY(sample_model_run(model, two, 2));
                SAY(sample_model_result(model, 3, &t));
                SAY(sample_model_input(2, &info));
                SAY(sample_model_destroy(model));
                SAY(sample_model_destroy(NULL));
                return 0;
            }
            """);
        Assert.Equal("exit 0", Run(folder, "512", "gcc", "wrong.c", "libsample_model.so", "-Wl,-rpath,$ORIGIN", "-o", "wrong"));
        var lines = Run(folder, "512", Path.Combine(folder, "wrong")).Split('\n');
        string[] expected = [
            "5 the weights can't be opened: No such file or directory: nowhere",
            "5 the weights can't be used: they do not begin as weights do",
            "5 the weights can't be used: their content is damaged",
            "0 ",
            "0 ",
            "1 there is nowhere to put the model",
            "1 the model is null",
            "0 ",
            "6 there are no outputs",
            "1 0 inputs were given; the model has 2",
            "1 the data of x are null",
            "1 the data of rows are null",
            "1 rows has 99 axes",
            "1 rows has the impossible shape [-1]",
            "2 Gather 'pick': 65 rows are picked where 64 may be; N is 65",
            "0 ",
            "4 this run needs 776 bytes",
            "0 ",
            "0 ",
            "1 there is no output 3",
            "1 there is no input or output of that number",
            "0 ",
            "0 ",
            "exit 0"];
        Assert.Equal(expected.Length, lines.Length);
        foreach (var (line, start) in lines.Zip(expected))
            Assert.StartsWith(start, line);
    }

    [Fact]
    public async Task Damaged_weights_are_refused()
    {
        var folder = Path.GetDirectoryName((await fixture.Built(embedded: false)).Library)!;
        var faults = new List<string>();
        var fate = FlipRun.Built(folder, Shared.AreAllCases ? 1000 : 100, 5, faults, TestContext.Current.CancellationToken);
        Assert.Empty(faults);
        Assert.Equal(fate.Cases, fate.Refused);
    }

    [Fact]
    public async Task A_build_that_is_stopped_leaves_nothing()
    {
        await fixture.Built(embedded: false);
        var folder = Directory.CreateDirectory(Path.Combine(fixture.Folder, "stopped")).FullName;
        using var stop = new CancellationTokenSource();
        var progress = new Reports(stage =>
        {
            if (stage.StartsWith("compiling to machine"))
                stop.CancelAfter(200);
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => NativeBuild.Run(SampleModel.Model, Path.Combine(folder, "out"), new NativeOptions(), progress, stop.Token));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    sealed class Reports(Action<string> action) : IProgress<string>
    {
        public void Report(string value) => action(value);
    }

    [Fact]
    public async Task Wrong_targets_and_folders_are_named()
    {
        await fixture.Built(embedded: false);
        Assert.Contains("linux-x64 and linux-arm64", (await Assert.ThrowsAsync<SoftmodelException>(() => NativeBuild.Run(SampleModel.Model, "out", new NativeOptions(Target: "pdp-11")))).Message);
        Assert.Contains("can't be written", (await Assert.ThrowsAsync<SoftmodelException>(() => NativeBuild.Run(SampleModel.Model, "/proc/nowhere/out", new NativeOptions()))).Message);
    }
}
