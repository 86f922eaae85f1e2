using Softmodel.Arrays;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Emit.Native;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Families;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel;

/// <summary>How a model is compiled for this process.</summary>
public sealed record CompileOptions
{
    /// <summary>Vectors of 512, 256 or 128 bits; 0 for the widest that the processor has.</summary>
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
/// var scores = compiled.Output(0).Span&lt;float&gt;();
/// </code>
/// </example>
public sealed class Model : IDisposable
{
    readonly UseCase use;
    readonly Lock gate = new();
    OnnxFile? file;
    Checkpoint? checkpoint;
    Graph? imported;
    (Compilation Compilation, IReadOnlyList<PassRun> Runs)? passed;
    LoweredProgram? lowered;

    readonly string? vocabulary;

    Model(string path, string name, string licence, UseCase use, string? vocabulary = null) =>
        (Path, Name, Licence, this.use, this.vocabulary) = (path, name, licence, use, vocabulary);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>A name for messages and for what is built.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>Whether it is a trained model of text: settings and weights, of which a family makes a graph.</summary>
    internal bool IsLanguageModel => Checkpoint.Is(Path);

    /// <summary>Whether it is an exported language model, which is given a past.</summary>
    internal bool HasPast
    {
        get
        {
            lock (gate)
                return !IsLanguageModel && KeptPast.HasPast((file ??= OnnxFile.Open(Path)).Model.Graph.Inputs.Select(i => i.Name));
        }
    }

    /// <summary>Whether what a token becomes depends on the tokens that are read in the same run: an ONNX file that rounds all of them by the largest number.</summary>
    internal bool RoundsByRun
    {
        get
        {
            lock (gate)
                return !IsLanguageModel && (file ??= OnnxFile.Open(Path)).Model.Graph.Nodes.Any(n => n.Operator.Name == "DynamicQuantizeLinear");
        }
    }

    /// <summary>The file with the tokenizer that came with it; null where none came.</summary>
    internal string? Vocabulary => vocabulary;

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
                return IsLanguageModel || use.Values.Count == 0 ? new Dictionary<string, Tensor>() : OnnxImport.Known((file ??= OnnxFile.Open(Path)).Model, use.Values, use.Sizes, use.Shapes);
        }
    }

    /// <summary>A model in an ONNX file, a GGUF file, a file of llama2.c, or a folder with <c>config.json</c> and safetensors.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="use">What is known of its use.</param>
    /// <exception cref="SoftmodelException">There is no such file.</exception>
    public static Model Load(string path, UseCase? use = null) => File.Exists(path) || Checkpoint.Is(path)
        ? new(System.IO.Path.GetFullPath(path), System.IO.Path.GetFileNameWithoutExtension(path), "", use ?? new())
        : throw new SoftmodelException($"there is no file {path}");

    /// <summary>A model by its name in the catalogue, a source such as <c>npm:name@version#path</c>, or a file.</summary>
    /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
    /// <param name="use">What is known of its use; for a model of the catalogue what it says is kept.</param>
    /// <param name="progress">Is told of the bytes that come.</param>
    /// <param name="cancel">Stops fetching, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be found or fetched.</exception>
    public static async Task<Model> LoadAsync(string source, UseCase? use = null, IProgress<FetchProgress>? progress = null, CancellationToken cancel = default)
    {
        return await Of(await Source.Resolve(source, progress, cancel).ConfigureAwait(false), source, use, cancel).ConfigureAwait(false);
    }

    /// <summary>A model whose files are here.</summary>
    internal static async Task<Model> Of(ResolvedModel resolved, string source, UseCase? use, CancellationToken cancel)
    {
        var text = resolved.Licence.TextFile is { } licence && File.Exists(licence) ? await File.ReadAllTextAsync(licence, cancel).ConfigureAwait(false) : resolved.Licence.Spdx ?? "";
        use ??= new();
        var parsed = Source.Parse(source);
        var known = parsed.Kind == SourceKind.Catalogue ? Catalogue.Find(parsed.Place) : null;
        var file = known?.Files.FirstOrDefault(f => f.Role == resolved.Files[0].Role);
        // What is built is called after the model, and not after where it came from.
        var name = known is null ? System.IO.Path.GetFileNameWithoutExtension(resolved.MainFile) : parsed.Path is { } role ? $"{known.Name}-{role}" : known.Name;
        return new(resolved.MainFile, name, text, known is null ? use : use.Over(known, file), resolved.Find("tokens")) { Cases = file?.Cases ?? [] };
    }

    /// <summary>All files that it is read from.</summary>
    internal IReadOnlyList<string> Files => [Path, .. Checkpoint.More(Path), .. ExternalFiles.Select(f => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, f))];

    /// <summary>Files with weights that an ONNX file names, by their paths from its folder.</summary>
    internal IReadOnlyList<string> ExternalFiles
    {
        get
        {
            lock (gate)
                return IsLanguageModel ? [] : [.. (file ??= OnnxFile.Open(Path)).ExternalFiles];
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
                if (Checkpoint.Is(Path))
                    return imported ??= FamilyImport.Read(checkpoint ??= Checkpoint.Open(Path), Evaluator.FoldKeepingStored);
                if (imported is not null)
                    return imported;
                file ??= OnnxFile.Open(Path);
                var sizes = use.KeepsPast ? TextInputs.OfOneText(file.Model, use.Sizes) : use.Sizes;
                return imported = OnnxImport.Read(file.Model, Evaluator.FoldKeepingNarrow, sizes, use.Shapes, OnnxImport.Known(file.Model, use.Values, sizes, use.Shapes));
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
        TensorInfo[] inputs = [.. Imported.Arguments.Select(v => Info(v.Name, v.Type)).Concat(known.Select(k => Info(k.Key, k.Value.TensorType))).OrderBy(i => present?.IndexOf(i.Name) ?? 0)];
        return [.. use.MeasureOn.SelectMany(folder => InputFolder.Read(folder, inputs, known))];
    }

    /// <summary>What a graph computes, as it is compiled for this processor.</summary>
    IReadOnlyList<Tensor[]> Results(Graph graph, IReadOnlyList<InputSet> inputs)
    {
        using var compiled = InProcess.Compile(Lower.Program(graph, new(use.Usual)), InProcess.Width);
        return [.. inputs.Select(set =>
        {
            compiled.Forget();
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
    /// <param name="cancel">Stops between the stages, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be imported, or the cache can't be written to.</exception>
    public CompiledModel Compile(CompileOptions? compile = null, IProgress<string>? progress = null, CancellationToken cancel = default)
    {
        compile ??= new();
        var width = compile.VectorBits == 0 ? InProcess.Width : compile.VectorBits;
        if (width is not (128 or 256 or 512))
            throw new SoftmodelException($"vectors have 128, 256 or 512 bits, not {width}");
        // A program in the cache would leave nothing to validate.
        if (use.IsChecked)
            _ = ScheduleOf(width);
        var folder = compile.UseCache ? StoreSettings.FromEnvironment().Cache : null;
        // Without a cache no program is found by them.
        string[] read = [Path, .. Checkpoint.More(Path), .. MeasuredFiles];
        string[] hashes = folder is null ? [] : [.. read.Select(p => FileHashes.Of(p, folder, cancel))];
        var beside = Directory.Exists(Path) ? Path : System.IO.Path.GetDirectoryName(Path)!;
        var compiled = new CompileCache(folder).Get($"{string.Join(" ", hashes)} {use.Key} {width}", Name, beside, width, () =>
        {
            progress?.Report("importing");
            // What was remembered of the files sufficed to find a program; what one is made of is read in whole.
            foreach (var (path, hash) in read.Zip(hashes))
            {
                if (FileHashes.Of(path, null, cancel) != hash)
                {
                    FileHashes.Forget(path, folder);
                    throw new SoftmodelException($"'{path}' has changed since it was last used, though its time has not: it may be damaged; run this again if it should be as it is, and what was fetched is then fetched again");
                }
            }
            _ = Program;
            foreach (var refusal in Refusals)
                progress?.Report(refusal);
            cancel.ThrowIfCancellationRequested();
            progress?.Report("writing C#");
            var code = ProgramCode.Write(ScheduleOf(width));
            progress?.Report("compiling C#");
            return new(InProcess.Assemble(code.Source, cancel), code.Weights, ExternalFiles);
        }, cancel);
        compiled.Threads = compile.Threads == 0 ? Environment.ProcessorCount : compile.Threads;
        return compiled;
    }

    /// <inheritdoc cref="Compile"/>
    public Task<CompiledModel> CompileAsync(CompileOptions? compile = null, IProgress<string>? progress = null, CancellationToken cancel = default) =>
        Task.Run(() => Compile(compile, progress, cancel), cancel);

    /// <summary>Builds a native library with a C header, a description, samples in C and Python, and licences, in a folder.</summary>
    /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
    /// <param name="build">How; by default for this machine, with the weights beside the library.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops the build, and leaves nothing of it.</param>
    /// <exception cref="SoftmodelException">The model can't be imported, a tool is missing, or the folder can't be written to.</exception>
    public Task<NativeResult> BuildAsync(string folder, NativeOptions? build = null, IProgress<string>? progress = null, CancellationToken cancel = default) =>
        BuildAsync(folder, build, [], progress, cancel);

    /// <inheritdoc cref="BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
    /// <param name="folder">The folder.</param>
    /// <param name="build">How.</param>
    /// <param name="beside">Other files that lie beside the library, by what follows the model's name in theirs.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops the build, and leaves nothing of it.</param>
    internal Task<NativeResult> BuildAsync(string folder, NativeOptions? build, IReadOnlyList<(string Extension, Action<Stream> Write)> beside, IProgress<string>? progress, CancellationToken cancel) =>
        Task.Run(() =>
        {
            if (build?.Name is { } given && CName.Fault(given) is { } fault)
                throw new SoftmodelException(fault);
            progress?.Report("importing");
            RoutineCode.RefuseMethods(Program);
            var codes = new Dictionary<int, ProgramSource>();
            ProgramSource Code(int width)
            {
                lock (codes)
                    return codes.TryGetValue(width, out var code) ? code : codes[width] = ProgramCode.Write(ScheduleOf(width));
            }
            var native = new NativeModel(Name, width => Code(width).Source, stream => Code(256).Weights.Write(stream), Inputs, Outputs, Licence)
            {
                Beside = beside,
                Prefix = build?.Name ?? CName.Of(Name),
            };
            return NativeBuild.Run(native, folder, build ?? new(), progress, cancel);
        }, cancel);

    /// <summary>What a run must be given.</summary>
    internal IReadOnlyList<TensorInfo> Inputs => [.. Program.Graph.Arguments.Select(v => Info(v.Name, v.Type))];

    /// <summary>What a run computes.</summary>
    internal IReadOnlyList<TensorInfo> Outputs => [.. Program.Graph.Results.Select(r => Info(r.Name, r.Value.Type))];

    internal static TensorInfo Info(string name, TensorType type) => new(name, type.Element, [.. type.Shape.Dims.Select(d => d.ToString())]);

    /// <summary>Unmaps the file; graphs that were made of it can't be used any more, compiled models can.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            file?.Dispose();
            checkpoint?.Dispose();
            (file, checkpoint, imported, passed, lowered) = (null, null, null, null, null);
        }
    }
}
