using System.Globalization;
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

/// <summary>What is known of a model's inputs before it is compiled.</summary>
public sealed record ModelOptions
{
    /// <summary>Numbers for symbolic sizes of the inputs, by the names in the file: what is known is compiled in.</summary>
    public IReadOnlyDictionary<string, long> Sizes { get; init; } = new Dictionary<string, long>();

    /// <summary>Shapes of inputs, by their names: of those of which the file does not say how many axes they have, and of others that always have these.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes { get; init; } = new Dictionary<string, long[]>();

    /// <summary>Numbers that inputs always have, by their names: as many as the input has elements, or one for all of them. They are compiled in, and are no inputs any more.</summary>
    public IReadOnlyDictionary<string, double[]> Values { get; init; } = new Dictionary<string, double[]>();

    /// <summary>
    /// Where it is said, products with weights are computed in whole numbers, which is faster: weights are rounded to about 11 bits
    /// beside the sign, what they are multiplied with too. This is the least ratio of a weight's power to that of what rounding
    /// loses, in decibels; weights that lose more stay as they are. Null for products in 32-bit real numbers.
    /// </summary>
    public double? WholeProductsDb { get; init; }

    /// <summary>
    /// Whether an exported decoder keeps what it has read: its inputs <c>past_key_values.*</c>, which it gives back as
    /// <c>present.*</c> with more appended, become states, and it reads one text. <see cref="Language.LanguageModel"/> asks for it.
    /// </summary>
    public bool KeepsPast { get; init; }

    /// <summary>The options as one text, the same for the same options.</summary>
    internal string Key => string.Join(";", Sizes.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}={s.Value}")
        .Concat(Shapes.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}:{string.Join(",", s.Value)}"))
        .Concat(Values.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}<-{string.Join(",", s.Value.Select(v => v.ToString("R", CultureInfo.InvariantCulture)))}"))
        .Concat(WholeProductsDb is { } least ? [$"whole {least.ToString("R", CultureInfo.InvariantCulture)}"] : [])
        .Concat(KeepsPast ? ["past"] : []));

    /// <summary>These options with those of a catalogue where these do not say otherwise.</summary>
    /// <param name="known">What the catalogue says of the model.</param>
    /// <param name="file">What it says of one of its networks.</param>
    internal ModelOptions Over(CatalogueModel known, CatalogueFile? file)
    {
        static Dictionary<string, T> Merged<T>(IReadOnlyDictionary<string, T>? below, IReadOnlyDictionary<string, T> above) =>
            (below ?? new Dictionary<string, T>()).Concat(above).GroupBy(s => s.Key).ToDictionary(g => g.Key, g => g.Last().Value);
        return this with
        {
            Sizes = Merged(known.Sizes, Merged(file?.Sizes, Sizes)),
            Shapes = Merged(known.Shapes, Shapes),
            Values = Merged(known.Values, Merged(file?.Values, Values)),
        };
    }
}

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
    readonly ModelOptions options;
    readonly Lock gate = new();
    OnnxFile? file;
    Checkpoint? checkpoint;
    Graph? imported, simplified;
    LoweredProgram? lowered;

    readonly string? vocabulary;

    Model(string path, string name, string licence, ModelOptions options, string? vocabulary = null) =>
        (Path, Name, Licence, this.options, this.vocabulary) = (path, name, licence, options, vocabulary);

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

    /// <summary>What is known of its inputs.</summary>
    internal ModelOptions Options => options;

    /// <summary>Shapes of its inputs in typical uses, where the catalogue says some.</summary>
    internal IReadOnlyList<IReadOnlyDictionary<string, long[]>> Cases { get; private init; } = [];

    /// <summary>The inputs of the file that always have the same numbers, which are compiled in: another program has to be given them.</summary>
    internal IReadOnlyDictionary<string, Tensor> Fixed
    {
        get
        {
            lock (gate)
                return IsLanguageModel || options.Values.Count == 0 ? new Dictionary<string, Tensor>() : OnnxImport.Known((file ??= OnnxFile.Open(Path)).Model, options.Values, options.Sizes, options.Shapes);
        }
    }

    /// <summary>A model in an ONNX file, a GGUF file, a file of llama2.c, or a folder with <c>config.json</c> and safetensors.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="options">What is known of its inputs.</param>
    /// <exception cref="SoftmodelException">There is no such file.</exception>
    public static Model Load(string path, ModelOptions? options = null) => File.Exists(path) || Checkpoint.Is(path)
        ? new(System.IO.Path.GetFullPath(path), System.IO.Path.GetFileNameWithoutExtension(path), "", options ?? new())
        : throw new SoftmodelException($"there is no file {path}");

    /// <summary>A model by its name in the catalogue, a source such as <c>npm:name@version#path</c>, or a file.</summary>
    /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
    /// <param name="options">What is known of its inputs; for a model of the catalogue what it says is kept.</param>
    /// <param name="progress">Is told of the bytes that come.</param>
    /// <param name="cancel">Stops fetching, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">The model can't be found or fetched.</exception>
    public static async Task<Model> LoadAsync(string source, ModelOptions? options = null, IProgress<FetchProgress>? progress = null, CancellationToken cancel = default)
    {
        return await Of(await Source.Resolve(source, progress, cancel).ConfigureAwait(false), source, options, cancel).ConfigureAwait(false);
    }

    /// <summary>A model whose files are here.</summary>
    internal static async Task<Model> Of(ResolvedModel resolved, string source, ModelOptions? options, CancellationToken cancel)
    {
        var text = resolved.Licence.TextFile is { } licence && File.Exists(licence) ? await File.ReadAllTextAsync(licence, cancel).ConfigureAwait(false) : resolved.Licence.Spdx ?? "";
        options ??= new();
        var parsed = Source.Parse(source);
        var known = parsed.Kind == SourceKind.Catalogue ? Catalogue.Find(parsed.Place) : null;
        var file = known?.Files.FirstOrDefault(f => f.Role == resolved.Files[0].Role);
        // What is built is called after the model, and not after where it came from.
        var name = known is null ? System.IO.Path.GetFileNameWithoutExtension(resolved.MainFile) : parsed.Path is { } role ? $"{known.Name}-{role}" : known.Name;
        return new(resolved.MainFile, name, text, known is null ? options : options.Over(known, file), resolved.Find("tokens")) { Cases = file?.Cases ?? [] };
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
                var sizes = options.KeepsPast ? TextInputs.OfOneText(file.Model, options.Sizes) : options.Sizes;
                var read = OnnxImport.Read(file.Model, Evaluator.FoldKeepingNarrow, sizes, options.Shapes, OnnxImport.Known(file.Model, options.Values, sizes, options.Shapes));
                return imported = options.KeepsPast ? KeptPast.Apply(read, Evaluator.FoldKeepingNarrow, Path) : read;
            }
        }
    }

    /// <summary>The model in core operations after the exact passes: what is compiled.</summary>
    /// <inheritdoc cref="Imported" path="/exception"/>
    public Graph Graph
    {
        get
        {
            lock (gate)
            {
                if (simplified is not null)
                    return simplified;
                simplified = Simplify.Apply(Imported, checkpoint is null ? Evaluator.FoldKeepingNarrow : Evaluator.FoldKeepingStored);
                if (options.WholeProductsDb is { } least)
                    (simplified, WholeProducts) = Passes.WholeProducts.Apply(simplified, Evaluator.FoldKeepingStored, least);
                return simplified;
            }
        }
    }

    /// <summary>What became of its products with weights, once its graph has been asked for.</summary>
    internal IReadOnlyList<WholeProduct> WholeProducts { get; private set; } = [];

    /// <summary>The kernels that it becomes.</summary>
    internal LoweredProgram Program
    {
        get
        {
            lock (gate)
                return lowered ??= Lower.Program(Graph);
        }
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
        var folder = compile.UseCache ? StoreSettings.FromEnvironment().Cache : null;
        // Without a cache no program is found by them.
        string[] hashes = folder is null ? [] : [.. Checkpoint.More(Path).Prepend(Path).Select(p => FileHashes.Of(p, folder, cancel))];
        var beside = Directory.Exists(Path) ? Path : System.IO.Path.GetDirectoryName(Path)!;
        var compiled = new CompileCache(folder).Get($"{string.Join(" ", hashes)} {options.Key} {width}", Name, beside, width, () =>
        {
            progress?.Report("importing");
            // What was remembered of the files sufficed to find a program; what one is made of is read in whole.
            foreach (var (path, hash) in Checkpoint.More(Path).Prepend(Path).Zip(hashes))
            {
                if (FileHashes.Of(path, null, cancel) != hash)
                {
                    FileHashes.Forget(path, folder);
                    throw new SoftmodelException($"'{path}' has changed since it was last used, though its time has not: it may be damaged; run this again if it should be as it is, and what was fetched is then fetched again");
                }
            }
            var program = Program;
            cancel.ThrowIfCancellationRequested();
            progress?.Report("writing C#");
            var code = ProgramCode.Write(program, width);
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
            var program = Program;
            var codes = new Dictionary<int, ProgramSource>();
            ProgramSource Code(int width)
            {
                lock (codes)
                    return codes.TryGetValue(width, out var code) ? code : codes[width] = ProgramCode.Write(program, width);
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
            (file, checkpoint, imported, simplified, lowered) = (null, null, null, null, null);
        }
    }
}
