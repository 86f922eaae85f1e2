using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Graphs;

namespace Softmodel.Cli.Baselines;

/// <summary>
/// A network that is trained in PyTorch, in a process of its own, which does nothing between two commands: what training
/// steps are compared with.
/// </summary>
internal sealed class PyTorch : IDisposable
{
    static readonly JsonSerializerOptions names = new(JsonSerializerDefaults.Web);

    readonly Process process;
    readonly Task<string> errors;
    readonly CancellationToken cancel;
    readonly CancellationTokenRegistration end;

    PyTorch(Process process, CancellationToken cancel)
    {
        (this.process, this.cancel) = (process, cancel);
        errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        end = cancel.Register(() => process.Kill(entireProcessTree: true));
    }

    /// <summary>What it is, as <c>PyTorch 1.13.1 (OpenBLAS)</c>.</summary>
    public string Version { get; private set; } = "";

    /// <summary>The way that it chose as the quickest: how the network is written, how weights are updated, and how many threads PyTorch and its BLAS have.</summary>
    public string Way { get; private set; } = "";

    /// <summary>The ways that it tried, with the milliseconds of a step.</summary>
    public IReadOnlyDictionary<string, double> Tried { get; private set; } = new Dictionary<string, double>();

    /// <summary>The most memory that the process has held since <see cref="Build"/>, in bytes, beyond what Python and PyTorch take without a network.</summary>
    public long PeakMemory => Ask(new { cmd = "memory" }).Bytes;

    /// <summary>A Python with PyTorch: the one on the path, or that of the system; null where neither has it.</summary>
    public static string? Python => python.Value;

    static readonly Lazy<string?> python = new(() => new[] { "python3", "/usr/bin/python3" }.FirstOrDefault(name =>
    {
        try
        {
            using var process = Process.Start(Command(name, "import numpy, torch"))!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }));

    /// <summary>How Python is started.</summary>
    /// <param name="python">Which.</param>
    /// <param name="script">The text of what it runs.</param>
    /// <param name="arguments">What the script is given.</param>
    public static ProcessStartInfo Command(string python, string script, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(python, ["-c", script, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        // Left alone, OpenBLAS takes the kernels for this processor.
        start.Environment.Remove("OPENBLAS_CORETYPE");
        return start;
    }

    /// <summary>Starts it.</summary>
    /// <param name="cancel">Ends the process, also later.</param>
    /// <exception cref="SoftmodelException">There is no Python with PyTorch.</exception>
    public static async Task<PyTorch> Start(CancellationToken cancel)
    {
        if (Python is not { } python)
            throw new SoftmodelException("no Python with PyTorch is here, which training is compared with: install it (Debian: python3-torch and libopenblas0-pthread)");
        using var text = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Cli.Baselines.pytorch.py")!);
        var baseline = new PyTorch(Process.Start(Command(python, await text.ReadToEndAsync(cancel)))!, cancel);
        try
        {
            var ready = await Task.Run(() => baseline.Answer("start"), cancel);
            baseline.Version = $"PyTorch {ready.Version} ({ready.Blas})";
            return baseline;
        }
        catch
        {
            baseline.Dispose();
            throw;
        }
    }

    /// <summary>Writes a network in the quickest way, with weights as they are given.</summary>
    /// <param name="network">Its name in the script.</param>
    /// <param name="weights">Its weights, by their names.</param>
    /// <param name="batch">The batch of every step, by the names of inputs and in the order in which the script takes them.</param>
    /// <param name="threads">How many threads it may use.</param>
    /// <param name="rate">The learning rate.</param>
    /// <exception cref="SoftmodelException">PyTorch fails.</exception>
    public void Build(string network, IReadOnlyList<(string Name, Tensor Tensor)> weights, IReadOnlyList<(string Name, Tensor Tensor)> batch, int threads, double rate)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("network.npz");
        using (var file = File.Create(path))
            Npz.Write(file, [.. weights, .. batch]);
        var answer = Ask(new { cmd = "build", network, path, inputs = batch.Select(b => b.Name), threads, rate });
        (Way, Tried) = (answer.Way, answer.Tried);
    }

    /// <summary>Takes steps.</summary>
    /// <param name="count">How many.</param>
    /// <returns>How long they took together, by PyTorch's own clock, and the loss of each.</returns>
    /// <exception cref="SoftmodelException">PyTorch fails.</exception>
    public (double Ms, double[] Losses) Step(int count = 1)
    {
        var answer = Ask(new { cmd = "step", count });
        return (answer.Ms, answer.Losses);
    }

    Reply Ask<T>(T command)
    {
        try
        {
            process.StandardInput.WriteLine(JsonSerializer.Serialize(command));
            process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended: the answer says why.
        }
        return Answer("compute");
    }

    Reply Answer(string what)
    {
        if (process.StandardOutput.ReadLine() is not { } line)
        {
            cancel.ThrowIfCancellationRequested();
            throw new SoftmodelException($"PyTorch did not {what}, its process ended: {errors.Result.Trim()}");
        }
        var answer = JsonSerializer.Deserialize<Reply>(line, names)!;
        return answer.Error is null ? answer : throw new SoftmodelException($"PyTorch did not {what}: {answer.Error}");
    }

    /// <summary>Ends the process: by itself where it waits for a command, else whatever it does.</summary>
    public void Dispose()
    {
        end.Dispose();
        process.End();
    }

    /// <summary>What the script says; each command fills what it is about.</summary>
    sealed record Reply(string? Error, string Version, string Blas, string Way, Dictionary<string, double> Tried, double Ms, double[] Losses, long Bytes);
}
