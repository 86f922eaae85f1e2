using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Softmodel.Runtime;

namespace Softmodel.Emit.Native;

/// <summary>
/// Builds a native library from emitted C#: Roslyn to IL, .NET's ahead-of-time compiler to one object file for each width
/// of vectors, and the system's linker to one library in which a little C chooses between them.
/// </summary>
static class NativeBuild
{
    /// <summary>One build of the model's code within the library.</summary>
    /// <param name="Width">The width of vectors in bits.</param>
    /// <param name="Instructions">The instruction set, in the words of the ahead-of-time compiler.</param>
    sealed record Image(int Width, string Instructions);

    /// <summary>A machine that libraries can be built for.</summary>
    /// <param name="Architecture">Its name in the names of GNU tools.</param>
    /// <param name="Images">Ordered from narrow to wide.</param>
    sealed record Machine(string Architecture, Image[] Images);

    static readonly Dictionary<string, Machine> machines = new(StringComparer.Ordinal)
    {
        ["linux-x64"] = new("x86_64", [new(256, "x86-64-v3"), new(512, "x86-64-v4")]),
        ["linux-arm64"] = new("aarch64", [new(128, "armv8-a")]),
    };

    static readonly string[] exports = ["SoftmodelImage_create", "SoftmodelImage_destroy", "SoftmodelImage_set", "SoftmodelImage_run", "SoftmodelImage_output"];

    // What the runtime finds by the borders of a section, of which there is one for each image.
    static readonly string[] sections = ["__modules", "__managedcode", "__unbox"];

    static readonly JsonSerializerOptions json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Parts of .NET that a model never uses.</summary>
    static readonly string[] unused = ["libSystem.IO.Compression", "libSystem.Net.Security", "libSystem.Security.Cryptography", "libz.a", "libbrotli"];

    /// <summary>Builds a library, a C header, a description, samples in C and Python, and licences, in a folder.</summary>
    /// <param name="model">What to build.</param>
    /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
    /// <exception cref="SoftmodelException">A tool is missing or fails, or the folder can't be written to.</exception>
    public static async Task<NativeResult> Run(NativeModel model, string folder, NativeOptions options, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        var clock = Stopwatch.StartNew();
        if (!machines.TryGetValue(options.Target, out var machine))
            throw new SoftmodelException($"libraries can be built for {string.Join(" and ", machines.Keys)}, not for '{options.Target}'");
        if (!OperatingSystem.IsLinux())
            throw new SoftmodelException("native libraries are built on Linux; on other systems run the model in process, or build within a Linux container");
        // Tools that are missing are told of before the long work, not after it.
        var prefix = Prefix(machine);
        foreach (var tool in new[] { "ld", "objcopy" })
            Tool.Find(prefix + tool);
        CCompiler(prefix);
        folder = Path.GetFullPath(folder);
        // A folder that nobody else can write to: what lies in it becomes code.
        var work = Directory.CreateTempSubdirectory("softmodel-").FullName;
        var stage = Path.Combine(Path.GetDirectoryName(folder)!, $".{Path.GetFileName(folder)}-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(stage);
            var library = $"lib{model.Prefix}.so";
            var weights = Path.Combine(stage, $"{model.Prefix}.weights");
            progress?.Report("writing weights");
            var hash = WeightsFile.Write(weights, model.WriteWeights);
            var weightBytes = new FileInfo(weights).Length;
            if (options.EmbedWeights && weightBytes > 1 << 30)
                throw new SoftmodelException($"weights of {weightBytes >> 20} MiB can't become part of a library; at most 1024 MiB can: leave them beside it");

            progress?.Report("compiling C#");
            var words = Templates.Words(model, library, machine.Images.Select(i => i.Width), options.EmbedWeights);
            words["HASH"] = string.Join(", ", hash);
            var plan = Plan(work, options.Target, machine, cancellationToken);
            await Task.WhenAll(machine.Images.Select(image => Task.Run(() => Assemble(model, image, words, work, cancellationToken), cancellationToken)));
            await plan;

            progress?.Report("compiling to machine code");
            await Task.WhenAll(machine.Images.Select(image => Compile(image, work, prefix, cancellationToken)));

            progress?.Report("linking");
            foreach (var (file, text) in new[] { ($"{model.Prefix}.h", "model.h"), ("sample.c", "sample.c"), ("sample.py", "sample.py") })
                await File.WriteAllTextAsync(Path.Combine(stage, file), Templates.Fill(text, words), cancellationToken);
            await Link(model, machine, words, options.EmbedWeights ? weights : null, Path.Combine(stage, library), stage, work, prefix, cancellationToken);
            foreach (var (name, write) in model.Beside)
            {
                var path = Path.Combine(stage, name);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                using var stream = File.Create(path);
                write(stream);
            }
            foreach (var (name, part) in model.Parts)
                await Run(part, Path.Combine(stage, name), options with { Name = null, MaxBytes = null }, progress, cancellationToken);
            if (options.EmbedWeights)
                File.Delete(weights);
            var code = new FileInfo(Path.Combine(stage, library)).Length - (options.EmbedWeights ? weightBytes : 0);
            if (code + weightBytes > options.MaxBytes)
                throw new SoftmodelException($"{model.Name} has {code + weightBytes} bytes, {code} of code and {weightBytes} of weights, over the budget of {options.MaxBytes}; nothing was written");
            Describe(model, machine, options, library, hash, code, weightBytes, stage);
            Licences(model, work, stage);
            cancellationToken.ThrowIfCancellationRequested();
            Publish(stage, folder);
            return new NativeResult(Path.Combine(folder, library), code, weightBytes, clock.Elapsed.TotalSeconds);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"the library can't be written to '{folder}': {e.Message}", e);
        }
        finally
        {
            foreach (var temporary in new[] { work, stage }.Where(Directory.Exists))
                Directory.Delete(temporary, recursive: true);
        }
    }

    static void Assemble(NativeModel model, Image image, Dictionary<string, string> words, string work, CancellationToken cancellationToken)
    {
        var exporting = Templates.Fill("Exports.cs.txt", new Dictionary<string, string>(words) { ["WIDTH"] = $"{image.Width}" });
        File.WriteAllBytes(Path.Combine(work, $"{image.Width}.dll"), InProcess.Assemble([model.Source(image.Width), exporting], cancellationToken));
    }

    /// <summary>Leaves the path of the compiler, its options and the runtime's libraries in files, as the SDK knows them.</summary>
    static async Task Plan(string work, string target, Machine machine, CancellationToken cancellationToken)
    {
        var project = Path.Combine(work, "plan.csproj");
        await File.WriteAllTextAsync(project, Templates.Fill("plan.proj", new Dictionary<string, string>
        {
            ["TARGET"] = target,
            ["BASELINE"] = machine.Images[0].Instructions,
        }), cancellationToken);
        var dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : "dotnet";
        await Tool.Run(dotnet, ["msbuild", project, "-restore", "-t:Plan", "-nologo", "-v:q", "-nodeReuse:false"], work, cancellationToken);
    }

    static async Task Compile(Image image, string work, string prefix, CancellationToken cancellationToken)
    {
        string File(string extension) => Path.Combine(work, $"{image.Width}.{extension}");
        var options = (await System.IO.File.ReadAllLinesAsync(Path.Combine(work, "ilc.options"), cancellationToken))
            .Where(o => o.StartsWith('-') && !o.StartsWith("-o:") && !o.StartsWith("--exportsfile:") && !o.StartsWith("--instruction-set:"))
            .Concat([File("dll"), $"-o:{File("managed.o")}", $"-r:{typeof(CompiledModel).Assembly.Location}", $"--instruction-set:{image.Instructions}", "--Ot"]);
        await System.IO.File.WriteAllLinesAsync(File("rsp"), options, cancellationToken);
        var compiler = (await System.IO.File.ReadAllTextAsync(Path.Combine(work, "ilc.path"), cancellationToken)).Trim().Replace('\\', '/');
        await Tool.Run(compiler, [$"@{File("rsp")}"], work, cancellationToken);

        // Everything but the exports becomes private to the image, so that images can stand side by side in one library.
        var libraries = (await System.IO.File.ReadAllLinesAsync(Path.Combine(work, "libraries"), cancellationToken))
            .Select(l => l.Trim().Replace('\\', '/')).Where(l => l.Length > 0 && !unused.Any(u => Path.GetFileName(l).StartsWith(u, StringComparison.Ordinal)));
        await Tool.Run(prefix + "ld", ["-r", "--force-group-allocation", "-o", File("whole.o"), File("managed.o"), .. libraries], work, cancellationToken);
        await Tool.Run(prefix + "objcopy", [
            "--strip-debug",
            .. sections.SelectMany(s => new[]
            {
                "--rename-section", $"{s}={s}_{image.Width}",
                "--redefine-sym", $"__start_{s}=__start_{s}_{image.Width}",
                "--redefine-sym", $"__stop_{s}=__stop_{s}_{image.Width}",
            }),
            .. exports.SelectMany(e => new[] { "--redefine-sym", $"{e}={e}_{image.Width}", $"--keep-global-symbol={e}_{image.Width}" }),
            File("whole.o"), File("o")], work, cancellationToken);
    }

    static async Task Link(NativeModel model, Machine machine, Dictionary<string, string> words, string? embedded, string library, string headers, string work, string prefix, CancellationToken cancellationToken)
    {
        string File(string name) => Path.Combine(work, name);
        await System.IO.File.WriteAllTextAsync(File("shim.c"), Templates.Fill("shim.c", words), cancellationToken);
        await System.IO.File.WriteAllTextAsync(File("exports"), $"{{ global: {model.Prefix}_*; local: *; }};", cancellationToken);
        if (embedded is not null)
        {
            await System.IO.File.WriteAllTextAsync(File("weights.s"), $"""
                .section .rodata
                .balign {Arena.Alignment}
                .global SoftmodelWeights, SoftmodelWeightsEnd
                SoftmodelWeights: .incbin "{Path.GetFileName(embedded)}"
                SoftmodelWeightsEnd: .byte 0
                .section .note.GNU-stack,"",%progbits

                """, cancellationToken);
        }
        // The runtime within the library can't be unloaded: closing the library leaves it where it is.
        await Tool.Run(CCompiler(prefix), [
            "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-iquote", headers, $"-Wa,-I{headers}", "-o", library, File("shim.c"),
            .. embedded is null ? [] : new[] { File("weights.s") },
            .. machine.Images.Select(i => File($"{i.Width}.o")),
            $"-Wl,--version-script={File("exports")}", $"-Wl,-soname,{Path.GetFileName(library)}",
            "-Wl,--gc-sections,--as-needed,--eh-frame-hdr,--discard-all,--strip-all,--build-id=none,-z,relro,-z,now,-z,nodelete,-z,noexecstack",
            "-lm", "-lpthread", "-ldl"], work, cancellationToken);
    }

    /// <summary>What the names of tools begin with: nothing where the target is the machine that builds.</summary>
    static string Prefix(Machine machine)
    {
        var here = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => "x86_64",
            Architecture.Arm64 => "aarch64",
            var other => other.ToString(),
        };
        if (machine.Architecture == here)
            return "";
        return $"{machine.Architecture}-linux-gnu-";
    }

    static string CCompiler(string prefix) => prefix.Length > 0 ? Tool.Find(prefix + "gcc") : Tool.Find("gcc", "clang", "cc");

    static void Describe(NativeModel model, Machine machine, NativeOptions options, string library, byte[] hash, long code, long weights, string stage)
    {
        static object Tensor(TensorInfo t) => new { name = t.Name, type = t.Type.Name(), axes = t.Axes };
        var description = new
        {
            name = model.Name,
            target = options.Target,
            vector_bits = machine.Images.Select(i => i.Width),
            library,
            header = $"{model.Prefix}.h",
            prefix = model.Prefix,
            abi = 1,
            weights = options.EmbedWeights ? null : $"{model.Prefix}.weights",
            weights_sha256 = Convert.ToHexStringLower(hash),
            bytes = new { code, weights, total = code + weights },
            inputs = model.Inputs.Select(Tensor),
            outputs = model.Outputs.Select(Tensor),
        };
        File.WriteAllText(Path.Combine(stage, "MODEL.json"), JsonSerializer.Serialize(description, json) + "\n");
    }

    static void Licences(NativeModel model, string work, string stage)
    {
        File.WriteAllText(Path.Combine(stage, "LICENSES.txt"), $"""
            The weights of {model.Name} are under this licence:

            {model.Licence.Trim()}

            The library also holds parts of Softmodel and of .NET, both under the MIT licence; the notices of .NET are in
            THIRD-PARTY-NOTICES.txt.

            """);
        var compiler = File.ReadAllText(Path.Combine(work, "ilc.path")).Trim().Replace('\\', '/');
        var notices = Path.Combine(Path.GetDirectoryName(compiler)!, "..", "THIRD-PARTY-NOTICES.TXT");
        if (File.Exists(notices))
            File.Copy(notices, Path.Combine(stage, "THIRD-PARTY-NOTICES.txt"));
    }

    static void Publish(string stage, string folder)
    {
        if (!Directory.Exists(folder))
        {
            Directory.Move(stage, folder);
            return;
        }
        // The library refuses weights of another build, so that a reader between two moves gets an error and no nonsense.
        foreach (var file in Directory.GetFiles(stage, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(stage, f)).OrderBy(f => f == "MODEL.json"))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, file))!);
            File.Move(Path.Combine(stage, file), Path.Combine(folder, file), overwrite: true);
        }
    }
}
