using System.Diagnostics;
using Softmodel.Arrays;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Emit.Native;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Architectures;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel;

/// <summary>How a model is compiled for this process.</summary>
public sealed record CompileOptions
{
    /// <summary>The SIMD width: 512, 256 or 128 bits; 0 for the widest that the processor has.</summary>
    public int VectorBits { get; init; }

    /// <summary>How many threads a run uses; 0 for the processor's cores. The results are the same for every number.</summary>
    public int Threads { get; init; }

    /// <summary>Whether the program is kept in the cache, where a second start finds it by the hash of the model.</summary>
    public bool UseCache { get; init; } = true;
}

/// <summary>
/// A model that can be compiled. Loading is quick: the file is mapped, and its graph is made when it is asked for, which
/// a model that is in the cache never is.
/// </summary>
/// <example>
/// <code>
/// using var model = await Model.LoadAsync("model.onnx");
/// using var compiled = await model.CompileAsync();
/// compiled.Run(pixels, 1, 3, 224, 224);
/// var logits = compiled.Output(0).Span&lt;float&gt;();
/// </code>
/// </example>
public sealed class Model : IDisposable
{
    readonly UseCase use;
    readonly Lock gate = new();
    OnnxFile? file;
    Checkpoint? checkpoint;
    Graph? imported;
    string? temporary;
    (Compilation Compilation, IReadOnlyList<PassRun> Runs)? passed;
    LoweredProgram? lowered;

    Model(string path, string name, string licence, UseCase use) => (Path, Name, Licence, this.use) = (path, name, licence, use);

    /// <summary>The file; empty for a graph, which has none.</summary>
    public string Path { get; }

    /// <summary>The file, opened, where it is ONNX.</summary>
    OnnxFile? Onnx => IsLanguageModel || Path.Length == 0 ? null : file ??= OnnxFile.Open(Path);

    /// <summary>A name for messages and for what is built.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>Whether it is a checkpoint of a text model: settings and weights, of which an architecture makes a graph.</summary>
    internal bool IsLanguageModel => Checkpoint.Is(Path);

    /// <summary>Whether it is an exported language model, which takes <c>past_key_values</c>.</summary>
    internal bool HasPast
    {
        get
        {
            lock (gate)
                return Onnx is { } onnx && KvCachePass.HasPast(onnx.Model.Graph.Inputs.Select(i => i.Name));
        }
    }

    /// <summary>Whether what a token becomes depends on the tokens that are read in the same run: an ONNX file with dynamic quantisation, whose scale is that of all of them.</summary>
    internal bool RoundsByRun
    {
        get
        {
            lock (gate)
                return Onnx is { } onnx && onnx.Model.Graph.Nodes.Any(n => n.Operator.Name == "DynamicQuantizeLinear");
        }
    }

    /// <summary>The file with the tokenizer that came with it; null where none came.</summary>
    internal string? Vocabulary => Resolved?.Find("tokens");

    /// <summary>The files that came with it; null for a file of the user's own.</summary>
    internal ResolvedModel? Resolved { get; private init; }

    /// <summary>What is known of its use.</summary>
    internal UseCase Use => use;

    /// <summary>Shapes of its inputs in typical uses, where the catalogue says some.</summary>
    internal IReadOnlyList<IReadOnlyDictionary<string, long[]>> Cases { get; private init; } = [];

    /// <summary>The inputs of the file that always have the same numbers, which are compiled in: another program has to be given them.</summary>
    internal IReadOnlyDictionary<string, Tensor> Fixed
    {
        get
        {
            lock (gate)
                return use.Values.Count > 0 && Onnx is { } onnx ? OnnxImport.Known(onnx.Model, use.Values, use.Sizes, use.Shapes) : new Dictionary<string, Tensor>();
        }
    }

    /// <summary>A model in an ONNX file, a GGUF file, a file of llama2.c, or a folder with <c>config.json</c> and safetensors.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="use">What is known of its use.</param>
    /// <exception cref="SoftmodelException">There is no such file.</exception>
    public static Model Load(string path, UseCase? use = null) => File.Exists(path) || Checkpoint.Is(path)
        ? new(System.IO.Path.GetFullPath(path), System.IO.Path.GetFileNameWithoutExtension(path), "", use ?? new())
        : throw new SoftmodelException($"there is no file {path}");

    /// <summary>A model in memory: the bytes of an ONNX file without external data, of a GGUF file, or of a file of llama2.c.</summary>
    /// <param name="content">The bytes. They are copied into a file of this process, which is gone when the model is disposed of.</param>
    /// <param name="name">A name for messages and for what is built.</param>
    /// <param name="use">What is known of its use.</param>
    /// <exception cref="SoftmodelException">There is no room for the file.</exception>
    public static unsafe Model Load(ReadOnlySpan<byte> content, string name = "model", UseCase? use = null)
    {
        fixed (byte* start = content)
        {
            using var stream = new UnmanagedMemoryStream(start, content.Length);
            return Load(stream, name, use);
        }
    }

    /// <summary>A model that is read from a stream, to its end.</summary>
    /// <param name="content">The stream, which stays its owner's. What it gives is kept in a file of this process, which is gone when the model is disposed of.</param>
    /// <param name="name">A name for messages and for what is built.</param>
    /// <param name="use">What is known of its use.</param>
    /// <exception cref="SoftmodelException">There is no room for the file.</exception>
    public static Model Load(Stream content, string name = "model", UseCase? use = null)
    {
        ArgumentNullException.ThrowIfNull(content);
        var folder = Directory.CreateTempSubdirectory("softmodel-").FullName;
        try
        {
            var path = System.IO.Path.Combine(folder, "model");
            using (var file = File.Create(path))
                content.CopyTo(file);
            return new(path, name, "", use ?? new()) { temporary = folder };
        }
        catch (Exception e)
        {
            Directory.Delete(folder, recursive: true);
            if (e is IOException or UnauthorizedAccessException)
                throw new SoftmodelException($"'{folder}': the model can't be kept there: {e.Message}; free space, or name another folder in TMPDIR", e);
            throw;
        }
    }

    /// <summary>A model whose graph has been built, changed or read. It is compiled each time: the cache knows files.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="name">A name for messages and for what is built.</param>
    /// <param name="use">What is known of its use; what is fixed in it is fixed in a file alone, and not here.</param>
    public static Model Load(Graph graph, string name = "model", UseCase? use = null) => Load(graph, name, use ?? new(), "");

    /// <inheritdoc cref="Load(Graph, string, UseCase?)"/>
    /// <param name="graph">The graph.</param>
    /// <param name="name">A name for messages and for what is built.</param>
    /// <param name="use">What is known of its use.</param>
    /// <param name="licence">See <see cref="Licence"/>.</param>
    internal static Model Load(Graph graph, string name, UseCase use, string licence)
    {
        ArgumentNullException.ThrowIfNull(graph);
        graph.Validate();
        return new("", name, licence, use) { imported = graph };
    }

    /// <summary>A model by its name in the catalogue, a source such as <c>npm:name@version#path</c>, or a file.</summary>
    /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
    /// <param name="use">What is known of its use; for a model of the catalogue what it says is kept.</param>
    /// <param name="progress">Is told what is being done; may be called from any thread.</param>
    /// <param name="cancellationToken">Stops fetching, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be found or fetched.</exception>
    public static async Task<Model> LoadAsync(string source, UseCase? use = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        return await Of(await Source.Resolve(source, Fetching.To(progress), cancellationToken).ConfigureAwait(false), source, use, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A model whose files are here.</summary>
    internal static async Task<Model> Of(ResolvedModel resolved, string source, UseCase? use, CancellationToken cancellationToken)
    {
        var text = resolved.Licence.TextFile is { } licence && File.Exists(licence) ? await File.ReadAllTextAsync(licence, cancellationToken).ConfigureAwait(false) : resolved.Licence.Spdx ?? "";
        use ??= new();
        var parsed = Source.Parse(source);
        var known = parsed.Kind == SourceKind.Catalogue ? Catalogue.Find(parsed.Place) : null;
        var file = known?.Files.FirstOrDefault(f => f.Role == resolved.Files[0].Role);
        // What is built is called after the model, and not after where it came from.
        var name = known is null ? System.IO.Path.GetFileNameWithoutExtension(resolved.MainFile) : parsed.Path is { } role ? $"{known.Name}-{role}" : known.Name;
        return new(resolved.MainFile, name, text, known is null ? use : use.Over(known, file)) { Resolved = resolved, Cases = file?.Cases ?? [] };
    }

    /// <summary>All files that it is read from.</summary>
    internal IReadOnlyList<string> Files => Path.Length == 0 ? [] : [Path, .. Checkpoint.More(Path), .. ExternalFiles.Select(f => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, f))];

    /// <summary>Files with weights that an ONNX file names, by their paths from its folder.</summary>
    internal IReadOnlyList<string> ExternalFiles
    {
        get
        {
            lock (gate)
                return Onnx is { } onnx ? [.. onnx.ExternalFiles] : [];
        }
    }

    /// <summary>The model in core operations, as the importer made it.</summary>
    /// <exception cref="SoftmodelException">The file is damaged, or holds what can't be imported: all of it is named.</exception>
    public Graph Imported
    {
        get
        {
            lock (gate)
            {
                if (imported is null && Checkpoint.Is(Path))
                    return imported = ArchitectureImport.Read(checkpoint ??= Checkpoint.Open(Path), Evaluator.FoldKeepingStored);
                if (imported is not null)
                    return imported;
                var model = Onnx!.Model;
                var sizes = use.KvCache ? TextInputs.OfOneText(model, use.Sizes) : use.Sizes;
                return imported = OnnxImport.Read(model, Evaluator.FoldKeepingNarrow, sizes, use.Shapes, OnnxImport.Known(model, use.Values, sizes, use.Shapes));
            }
        }
    }

    /// <summary>The model in core operations after all passes: what is compiled.</summary>
    /// <inheritdoc cref="Imported" path="/exception"/>
    public Graph Graph => Passed.Compilation.Graph;

    /// <summary>What each pass did.</summary>
    internal IReadOnlyList<PassRun> Passes => Passed.Runs;

    /// <summary>The passes that broke the budget, and by how much.</summary>
    internal IEnumerable<string> Refusals => Passes.Where(r => r.IsRefused).Select(r => $"the pass {r.Pass.Name} is {r.Refusal(use)}");

    (Compilation Compilation, IReadOnlyList<PassRun> Runs) Passed
    {
        get
        {
            lock (gate)
            {
                return passed ??= Pipeline.Run(new(Path, Imported, use, checkpoint is null ? Evaluator.FoldKeepingNarrow : Evaluator.FoldKeepingStored)
                {
                    Measurement = use.MeasureOn.Count > 0 ? new(MeasuredOn(), Results) : null,
                });
            }
        }
    }

    /// <summary>The inputs that passes are measured on, of those that are not compiled in.</summary>
    InputSet[] MeasuredOn()
    {
        var (known, present) = (Fixed, file?.Model.Graph.Inputs.Select(i => i.Name).ToList());
        TensorInfo[] inputs = [.. Imported.ArgumentInfos.Concat(known.Select(k => k.Value.TensorType.Info(k.Key))).OrderBy(i => present?.IndexOf(i.Name) ?? 0)];
        return [.. use.MeasureOn.SelectMany(folder => InputFolder.Read(folder, inputs, known))];
    }

    /// <summary>What a graph computes, as it is compiled for this processor.</summary>
    IReadOnlyList<Tensor[]> Results(Graph graph, IReadOnlyList<InputSet> inputs)
    {
        using var compiled = InProcess.Compile(Lower.Program(graph, new(use.Usual)), InProcess.Width);
        return [.. inputs.Select(set =>
        {
            compiled.ResetStates();
            try
            {
                return compiled.Run((IReadOnlyList<Tensor>)[.. graph.Arguments.Select(v => set.Tensors[v.Name])]);
            }
            catch (ModelException e)
            {
                throw new SoftmodelException($"nothing can be measured on {set.Name}: {e.Message}", e);
            }
        })];
    }

    /// <summary>Holds runs on the inputs of the use to its budget of time.</summary>
    /// <exception cref="SoftmodelException">One takes longer.</exception>
    void RequireTime(IProgress<string>? progress, CancellationToken cancellationToken)
    {
        const int Runs = 5;
        if (use.MaxMs is not { } most)
            return;
        progress?.Report("timing runs");
        using var compiled = Compile(null, null, cancellationToken);
        foreach (var set in MeasuredOn())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var times = new List<double>();
            // The first one allocates.
            for (var run = -1; run < Runs; run++)
            {
                compiled.ResetStates();
                var since = Stopwatch.GetTimestamp();
                compiled.Time([.. Graph.Arguments.Select(v => set.Tensors[v.Name])]);
                if (run >= 0)
                    times.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
            }
            if (times.Order().ElementAt(Runs / 2) is var median && median > most)
                throw new SoftmodelException($"a run of {Name} on {set.Name} takes {median:0.00} ms on this machine, over the budget of {most} ms (maxMs); nothing was built");
        }
    }

    IEnumerable<string> MeasuredFiles => use.MeasureOn.SelectMany(folder => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        : throw new SoftmodelException($"there is no folder '{folder}' to measure on"));

    /// <summary>The kernels that it becomes.</summary>
    internal LoweredProgram Program
    {
        get
        {
            lock (gate)
                return lowered ??= Lower.Program(Graph, new(use.Usual));
        }
    }

    /// <summary>How the program is computed with vectors of so many bits; where the use case asks for it, whether it finds in memory what it reads is checked.</summary>
    internal Schedule ScheduleOf(int width)
    {
        var schedule = Schedule.Of(Program, width);
        return use.IsChecked && ScheduleCheck.Faults(schedule) is { Count: > 0 } faults
            ? throw new InvalidOperationException($"the schedule of {Name} is wrong, which is an error of the compiler: {string.Join("; ", faults)}") : schedule;
    }

    /// <summary>Compiles the model for this process, or takes it from the cache.</summary>
    /// <param name="compile">How; by default for this processor and all its cores.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops between the stages, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be imported, or the cache can't be written to.</exception>
    public CompiledModel Compile(CompileOptions? compile = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        compile ??= new();
        var width = compile.VectorBits == 0 ? InProcess.Width : compile.VectorBits;
        if (width is not (128 or 256 or 512))
            throw new SoftmodelException($"vectors have 128, 256 or 512 bits, not {width}");
        // A program in the cache would leave nothing to validate.
        if (use.IsChecked)
            _ = ScheduleOf(width);
        var folder = compile.UseCache && Path.Length > 0 ? StoreSettings.FromEnvironment().Cache : null;
        // Without a cache no program is found by them.
        string[] read = Path.Length == 0 ? [] : [Path, .. Checkpoint.More(Path), .. MeasuredFiles];
        string[] hashes = folder is null ? [] : [.. read.Select(p => FileHashes.Of(p, folder, cancellationToken))];
        var beside = Path.Length == 0 || Directory.Exists(Path) ? Path : System.IO.Path.GetDirectoryName(Path)!;
        var compiled = new CompileCache(folder).Get($"{string.Join(" ", hashes)} {use.Key} {width}", Name, beside, width, () =>
        {
            progress?.Report("importing");
            // What was remembered of the files sufficed to find a program; what one is made of is read in whole.
            foreach (var (path, hash) in read.Zip(hashes))
            {
                if (FileHashes.Of(path, null, cancellationToken) != hash)
                {
                    FileHashes.Invalidate(path, folder);
                    throw new SoftmodelException($"'{path}' has changed since it was last used, though its time has not: it may be damaged; run this again if it should be as it is, and what was fetched is then fetched again");
                }
            }
            _ = Program;
            foreach (var refusal in Refusals)
                progress?.Report(refusal);
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Report("writing C#");
            var code = ProgramCode.Write(ScheduleOf(width));
            progress?.Report("compiling C#");
            return new(InProcess.Assemble(code.Source, cancellationToken), code.Weights, ExternalFiles);
        }, cancellationToken);
        compiled.Threads = compile.Threads == 0 ? Environment.ProcessorCount : compile.Threads;
        return compiled;
    }

    /// <inheritdoc cref="Compile"/>
    public Task<CompiledModel> CompileAsync(CompileOptions? compile = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Compile(compile, progress, cancellationToken), cancellationToken);

    /// <summary>Builds a native library with a C header, a description, samples in C and Python, and licences, in a folder.</summary>
    /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
    /// <param name="build">How; by default for this machine, with the weights beside the library.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
    /// <exception cref="SoftmodelException">The model can't be imported, a tool is missing, or the folder can't be written to.</exception>
    public Task<NativeResult> BuildAsync(string folder, NativeOptions? build = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default) =>
        BuildAsync(folder, build, native => native, progress, cancellationToken);

    /// <inheritdoc cref="BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
    /// <param name="folder">The folder.</param>
    /// <param name="build">How.</param>
    /// <param name="with">Adds what lies beside the library to what is to be built.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
    internal Task<NativeResult> BuildAsync(string folder, NativeOptions? build, Func<NativeModel, NativeModel> with, IProgress<string>? progress, CancellationToken cancellationToken) =>
        Task.Run(() =>
        {
            if (build?.Name is { } given && CName.Fault(given) is { } fault)
                throw new SoftmodelException(fault);
            progress?.Report("importing");
            RoutineCode.RefuseMethods(Program);
            build ??= new NativeOptions() is var usual && use.Target is { } target ? usual with { Target = target } : usual;
            build = build with { MaxBytes = build.MaxBytes ?? use.MaxBytes };
            RequireTime(progress, cancellationToken);
            var native = NativeModel.Of(Name, Program, ScheduleOf, Licence) with { Prefix = build.Name ?? CName.Of(Name) };
            return NativeBuild.Run(with(native), folder, build, progress, cancellationToken);
        }, cancellationToken);

    /// <summary>What a run must be given, in this order. The model is imported for it, and not compiled.</summary>
    /// <inheritdoc cref="Imported" path="/exception"/>
    public IReadOnlyList<TensorInfo> Inputs => Graph.ArgumentInfos;

    /// <summary>What a run computes, in this order. The model is imported for it, and not compiled.</summary>
    /// <inheritdoc cref="Imported" path="/exception"/>
    public IReadOnlyList<TensorInfo> Outputs => Graph.ResultInfos;

    /// <summary>Unmaps the file; graphs that were made of it can't be used any more, compiled models can.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            file?.Dispose();
            checkpoint?.Dispose();
            (file, checkpoint, passed, lowered) = (null, null, null, null);
            if (Path.Length > 0)
                imported = null;
            if (temporary is not null)
                Directory.Delete(temporary, recursive: true);
            temporary = null;
        }
    }
}
