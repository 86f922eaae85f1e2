using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Reflection.PortableExecutable;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Workloads;
using Softmodel.Emit.Native;

namespace Softmodel.Cli.Bench;

/// <summary>What a program that does nothing but run a model takes, in a process of its own.</summary>
/// <param name="FirstMs">From the start of the process to the first outputs.</param>
/// <param name="RunsMs">All runs together.</param>
/// <param name="PeakBytes">The most memory that the process held.</param>
/// <param name="Elements">The elements of all first outputs.</param>
readonly record struct Took(double FirstMs, double RunsMs, long PeakBytes, long Elements);

/// <summary>A program that does nothing but run a model.</summary>
/// <param name="Name">What it is, for people.</param>
/// <param name="Start">How it is started.</param>
sealed record ProgramAlone(string Name, ProcessStartInfo Start)
{
    /// <summary>A program in C that calls a native library, compiled here and now.</summary>
    /// <param name="library">The library.</param>
    /// <param name="threads">How many threads it uses.</param>
    /// <param name="inputs">A file that <see cref="WriteInputs"/> has written.</param>
    /// <param name="folder">Where the program is put.</param>
    /// <param name="cancel">Stops the C compiler.</param>
    /// <exception cref="SoftmodelException">There is no C compiler, or it fails.</exception>
    public static async Task<ProgramAlone> Native(NativeLibrary library, int threads, string inputs, TemporaryFolder folder, CancellationToken cancel)
    {
        var (source, program) = (folder.File("alone.c"), folder.File(library.Prefix));
        using (var text = Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Cli.Bench.alone.c")!)
        using (var file = File.Create(source))
            await text.CopyToAsync(file, cancel);
        await Tool.Run(Tool.Find("gcc", "clang", "cc"), ["-O2", "-std=gnu11", "-iquote", library.Folder, "-include", $"{library.Prefix}.h", $"-DMODEL={library.Prefix}", source, library.Path, $"-Wl,-rpath,{library.Folder}", "-o", program], folder.Path, cancel);
        return new("a program in C with the library of softmodel build", Redirected(new(program, [library.Weights, Number(threads), inputs])));
    }

    /// <summary>A program in C# that takes a compiled model from the cache: this one, which then does nothing else.</summary>
    /// <param name="source">The model, by its name in the catalogue or its source.</param>
    /// <param name="threads">How many threads it uses.</param>
    /// <param name="inputs">A file that <see cref="WriteInputs"/> has written.</param>
    public static ProgramAlone InProcess(string source, int threads, string inputs) =>
        new("a program in C# with Softmodel", OwnProcess.Start(SoftmodelAlone.Command, source, Number(threads), inputs));

    /// <summary>A program in C# with ONNX Runtime: this one, which then does nothing else.</summary>
    /// <param name="model">The ONNX file.</param>
    /// <param name="threads">How many threads it uses.</param>
    /// <param name="inputs">A file that <see cref="WriteInputs"/> has written.</param>
    public static ProgramAlone OnnxRuntime(string model, int threads, string inputs) =>
        new($"a program in C# with ONNX Runtime, {(IsPrecompiled ? "precompiled" : "compiled as it starts")}", OwnProcess.Start(OnnxRuntimeAlone.Command, model, Number(threads), inputs));

    /// <summary>Whether this program holds machine code (ReadyToRun), as a published one should.</summary>
    static bool IsPrecompiled
    {
        get
        {
            using var file = new PEReader(File.OpenRead(typeof(ProgramAlone).Assembly.Location));
            return file.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
        }
    }

    static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    static ProcessStartInfo Redirected(ProcessStartInfo start)
    {
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        return start;
    }

    /// <summary>Writes the inputs of several runs into a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="runs">The inputs of each run.</param>
    /// <param name="names">The inputs of the model, in its order.</param>
    public static void WriteInputs(string path, IReadOnlyList<Workload> runs, IReadOnlyList<string> names)
    {
        using var file = new BinaryWriter(File.Create(path));
        file.Write((long)runs.Count);
        foreach (var tensor in runs.SelectMany(r => r.For(names)))
        {
            file.Write((long)tensor.Type);
            file.Write((long)tensor.Rank);
            for (var axis = 0; axis < 8; axis++)
                file.Write(axis < tensor.Rank ? tensor.Dims[axis] : 0);
            file.Write((long)tensor.Bytes.Length);
            file.Write(tensor.Bytes.Span);
        }
    }

    /// <summary>Runs it once.</summary>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="SoftmodelException">It can't be started, or it fails: the message has what it said.</exception>
    public async Task<Took> Run(CancellationToken cancel)
    {
        // Both clocks are CLOCK_MONOTONIC.
        var start = Stopwatch.GetTimestamp();
        using var process = Process.Start(Start) ?? throw new SoftmodelException($"'{Start.FileName}' can't be started");
        try
        {
            process.StandardInput.Close();
            var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancel), process.StandardError.ReadToEndAsync(cancel));
            await process.WaitForExitAsync(cancel);
            if (process.ExitCode != 0 || said[0].Split(' ') is not [var first, var runs, var peak, var elements])
                throw new SoftmodelException($"{Name} failed with exit code {process.ExitCode}: {said[1].Trim()}");
            long Read(string text) => long.Parse(text, CultureInfo.InvariantCulture);
            return new((Read(first) - start * (1e9 / Stopwatch.Frequency)) / 1e6, Read(runs) / 1e6, Read(peak), Read(elements.TrimEnd()));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
