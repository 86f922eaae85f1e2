using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Softmodel.Cli;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.ModelTests.Speech;
using Softmodel.Runtime;
using Softmodel.Speech;
using NativeLibrary = Softmodel.Cli.Bench.NativeLibrary;
using ProgramAlone = Softmodel.Cli.Bench.ProgramAlone;

namespace Softmodel.ModelTests.Native;

/// <summary>Real voices as native libraries.</summary>
public sealed class VoiceLibraryTests(ITestOutputHelper output) : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    static async Task<(Model Model, NativeLibrary Library)> Built(string voice)
    {
        NativeTools.Require();
        await VoiceFolder.Of(voice);
        var model = await Model.LoadAsync(voice);
        return (model, await NativeLibrary.Of(model, null, TestContext.Current.CancellationToken));
    }

    internal static async Task<Workload> Line(string voice, CompiledModel compiled)
    {
        var quiet = SpokenLine.OfFiveWords(await VoiceFolder.Of(voice), compiled.Inputs);
        // With noise, so that random numbers are compared too.
        return quiet with { Inputs = quiet.Inputs.ToDictionary(i => i.Key, i => i.Key is "noise_scale" or "noise_scale_w" ? Tensor.Vector(0.6f) : i.Key == "scales" ? Tensor.Vector(0.6f, 1f, 0.6f) : i.Value) };
    }

    string Run(string program, int width, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = root, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["SOFTMODEL_WIDTH"] = $"{width}";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {error.Result}");
        return text;
    }

    [Fact]
    public async Task The_small_voice_and_its_code_take_at_most_two_megabytes_more_than_its_file()
    {
        var (model, library) = await Built("tts-en");
        using var _ = model;
        output.WriteLine($"code {library.CodeBytes}, weights {library.WeightBytes}, original {new FileInfo(model.Path).Length}");
        Assert.Equal(library.CodeBytes + library.WeightBytes, new FileInfo(library.Path).Length + new FileInfo(library.Weights).Length);
        Assert.True(library.CodeBytes + library.WeightBytes <= new FileInfo(model.Path).Length + 2_000_000, $"{library.CodeBytes + library.WeightBytes} bytes");
    }

    [Theory]
    [InlineData("tts-en")]
    [InlineData("piper-libritts")]
    public async Task Code_for_every_width_finds_the_weights_at_the_same_place(string voice)
    {
        await VoiceFolder.Of(voice);
        using var model = await Model.LoadAsync(voice, cancellationToken: TestContext.Current.CancellationToken);
        var program = Lower.Program(model.Graph);
        (string, long)[] Places(int width) => [.. ProgramCode.Write(program, width).Weights.Items.Select(i => (i.Buffer.Name, i.Offset))];
        Assert.Equal(Places(256), Places(512));
        Assert.Equal(Places(256), Places(128));
    }

    [Fact]
    public async Task The_large_voice_takes_at_most_half_of_the_memory_of_ONNX_Runtime()
    {
        var (model, library) = await Built("piper-libritts");
        using var _ = model;
        using var compiled = model.Compile(new() { Threads = 1 });
        var cancel = TestContext.Current.CancellationToken;
        var line = SpokenLine.OfFiveWords(await VoiceFolder.Of("piper-libritts"), compiled.Inputs);
        var cold = await ColdStart.Measure(model.Path, library, line, [.. compiled.Inputs.Select(i => i.Name)], [.. compiled.Inputs.Select(i => i.Name)], 1, 1, new Progress<string>(), cancel);
        output.WriteLine($"{cold.OursPeakBytes} bytes, ONNX Runtime {cold.PeerPeakBytes}");
        Assert.True(cold.OursPeakBytes * 2 <= cold.PeerPeakBytes, $"{cold.OursPeakBytes} bytes, where ONNX Runtime takes {cold.PeerPeakBytes}");
    }

    [Theory]
    [InlineData("tts-en", 256)]
    [InlineData("tts-en", 512)]
    [InlineData("piper-libritts", 256)]
    [InlineData("piper-libritts", 512)]
    public async Task C_and_Python_give_the_samples_of_the_voice_in_process(string voice, int width)
    {
        Assert.SkipUnless(width == 256 || Vector512.IsHardwareAccelerated, "this processor has no AVX-512");
        var (model, library) = await Built(voice);
        using var _ = model;
        using var compiled = model.Compile(new() { VectorBits = width, Threads = 1 });
        var line = await Line(voice, compiled);
        compiled.Seed = 7;
        var expected = MemoryMarshal.AsBytes(compiled.Run(line.For(compiled.Inputs.Select(i => i.Name)))[0].Bytes.Span).ToArray();
        Assert.True(expected.Length > 50_000);

        var arguments = new List<string> { "seed=7", "threads=2" };
        foreach (var input in compiled.Inputs)
        {
            var tensor = line.Inputs[input.Name];
            File.WriteAllBytes(Path.Combine(root, $"{input.Name}.in"), tensor.Bytes.Span);
            arguments.Add($"{input.Name}={input.Name}.in");
            arguments.AddRange(input.Axes.Where((_, axis) => input.Sizes[axis] < 0).Zip(Enumerable.Range(0, input.Rank).Where(axis => input.Sizes[axis] < 0), (name, axis) => $"{name}={tensor.Dims[axis]}"));
        }
        var result = Path.Combine(root, $"{compiled.Outputs[0].Name}.raw");
        Run("gcc", width, "-Wall", "-Wextra", "-Werror", "-std=c11", $"-I{library.Folder}", Path.Combine(library.Folder, "sample.c"), library.Path, $"-Wl,-rpath,{library.Folder}", "-o", "sample");
        foreach (var (program, first) in new[] { (Path.Combine(root, "sample"), Array.Empty<string>()), ("python3", [Path.Combine(library.Folder, "sample.py")]) })
        {
            Run(program, width, [.. first, .. arguments]);
            Assert.True(File.ReadAllBytes(result).AsSpan().SequenceEqual(expected), $"{program} gives other samples");
            File.Delete(result);
        }
    }

    [Fact]
    public async Task A_library_speaks_a_line_of_text_from_what_say_writes_for_it()
    {
        var (model, library) = await Built("tts-en");
        using var _ = model;
        var cancel = TestContext.Current.CancellationToken;
        const string text = "Who goes there? It is 7:30.";
        var folder = Path.Combine(root, "line");
        Assert.Equal(0, await CommandLine.Run(["say", "tts-en", text, "--seed", "5", "--pause", "0", "--inputs", folder], new StringWriter(), new StringWriter(), cancel));
        using var voice = await Voice.LoadAsync("tts-en", cancellationToken: cancel);
        var spoken = voice.Stream(text, new() { Seed = 5, Pause = 0 }, cancel).Select(s => MemoryMarshal.AsBytes(s.Samples.Span).ToArray()).ToArray();
        var lines = File.ReadAllLines(Path.Combine(folder, "arguments"));
        Assert.Equal(2, lines.Length);
        foreach (var (line, samples) in lines.Zip(spoken))
        {
            Run("python3", 512, [Path.Combine(library.Folder, "sample.py"), .. line.Split(' ')]);
            Assert.True(File.ReadAllBytes(Path.Combine(root, "audio.raw")).AsSpan().SequenceEqual(samples), line);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_native_run_allocates_nothing_once_it_is_warm(int threads)
    {
        var (model, library) = await Built("tts-en");
        using var _ = model;
        using var compiled = model.Compile(new() { Threads = 1 });
        ProgramAlone.WriteInputs(Path.Combine(root, "inputs"), [await Line("tts-en", compiled)], [.. compiled.Inputs.Select(i => i.Name)]);
        File.WriteAllText(Path.Combine(root, "count.c"), """
            /* Counts what is allocated, by standing in for the functions of libc that do it. */
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <malloc.h>
            #include <stdlib.h>
            #include <sys/mman.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
            volatile int allocations;
            void *malloc(size_t n) { __atomic_add_fetch(&allocations, 1, __ATOMIC_SEQ_CST); return __libc_malloc(n); }
            void *calloc(size_t n, size_t m) { __atomic_add_fetch(&allocations, 1, __ATOMIC_SEQ_CST); return __libc_calloc(n, m); }
            void *realloc(void *p, size_t n) { __atomic_add_fetch(&allocations, 1, __ATOMIC_SEQ_CST); return __libc_realloc(p, n); }
            void *aligned_alloc(size_t a, size_t n) { __atomic_add_fetch(&allocations, 1, __ATOMIC_SEQ_CST); return __libc_memalign(a, n); }
            int posix_memalign(void **p, size_t a, size_t n) { *p = aligned_alloc(a, n); return *p == NULL; }
            void *mmap(void *at, size_t n, int prot, int flags, int file, off_t offset)
            {
                __atomic_add_fetch(&allocations, 1, __ATOMIC_SEQ_CST);
                return (void *)syscall(SYS_mmap, at, n, prot, flags, file, offset);
            }
            """);
        using var text = new StreamReader(typeof(NativeLibrary).Assembly.GetManifestResourceStream("Softmodel.Cli.Bench.alone.c")!);
        var source = await text.ReadToEndAsync(TestContext.Current.CancellationToken);
        const string run = "stopOn(Of_MODEL(run)(model, inputs, Of_MODEL(input_count)()));";
        Assert.Contains(run, source);
        source = source.Replace(run, """
            extern volatile int allocations;
            int runs = 0, quiet = 0, before = allocations;
            for (; runs < 400 && quiet < 25; runs++) {
                int now = allocations;
                stopOn(Of_MODEL(run)(model, inputs, Of_MODEL(input_count)()));
                quiet = allocations == now ? quiet + 1 : 0;
            }
            fprintf(stderr, "%d %d %d\n", allocations - before, runs, quiet);
            """);
        File.WriteAllText(Path.Combine(root, "counting.c"), source);
        Run("gcc", 512, "-O1", "-std=gnu11", $"-I{library.Folder}", "-include", $"{library.Prefix}.h", $"-DMODEL={library.Prefix}", "counting.c", "count.c", library.Path, $"-Wl,-rpath,{library.Folder}", "-o", "counting");
        var start = new ProcessStartInfo(Path.Combine(root, "counting"), [library.Weights, $"{threads}", "inputs"]) { WorkingDirectory = root, RedirectStandardError = true, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var said = (await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken)).Split(' ');
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        // That it counts at all: the first runs do allocate. A thread that is late to its first share of the work is, too.
        Assert.True(int.Parse(said[0]) > 20, said[0]);
        Assert.True(int.Parse(said[2]) == 25, $"of {said[1]} runs no 25 in a row were without allocations");
    }
}
