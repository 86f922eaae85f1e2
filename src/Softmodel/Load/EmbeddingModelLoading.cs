using Softmodel.Compile;
using Softmodel.Emit.Native;
using Softmodel.Import;
using Softmodel.Load;
using Softmodel.Sources;

// Beside the type that it extends: whoever uses that finds it.
namespace Softmodel.Language;

/// <summary>How an embedding model is loaded.</summary>
public sealed record EmbeddingOptions
{
    /// <summary>How token embeddings are pooled; null for what the model's files say (sentence-transformers' <c>1_Pooling/config.json</c>), else the mean.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Whether embeddings are L2-normalized, so that their dot product is the cosine similarity.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>The maximum number of tokens of a text; 0 for as many as the model has positions. Longer ones are truncated.</summary>
    public int MaxTokens { get; init; }

    /// <summary>The tokenizer's file, where it is not beside the model.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>
    /// Dynamic quantisation of matmuls with weights, unless the use case says it: none by default. <see cref="Quantization.Int16"/> is
    /// faster, and has the fidelity of <see cref="UseCase.MinSnrDb"/>.
    /// </summary>
    public Quantization Quantize { get; init; } = Quantization.None;

    /// <summary>What else is known of its use; what the catalogue says is kept.</summary>
    public UseCase Use { get; init; } = new();

    /// <summary>How the model is compiled.</summary>
    public CompileOptions Compile { get; init; } = new();
}

/// <summary>Loads and builds embedding models: downloads, compiles, or takes from the cache.</summary>
public static class EmbeddingModelLoading
{
    internal const int DefaultMost = 512;

    extension(EmbeddingModel)
    {
        /// <summary>Loads a model by its name in the catalogue, a source, or a file, and compiles it or takes it from the cache; or opens a folder that <c>softmodel build</c> has made.</summary>
        /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
        /// <param name="options">How.</param>
        /// <param name="progress">Is told what is being done; may be called from any thread.</param>
        /// <param name="cancellationToken">Stops it, and leaves nothing half done.</param>
        /// <exception cref="SoftmodelException">The model can't be found, fetched, imported or compiled, or is no encoder of tokens.</exception>
        public static async Task<EmbeddingModel> LoadAsync(string source, EmbeddingOptions? options = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
        {
            options ??= new();
            if (TextFiles.IsBuilt(source))
            {
                return options is { Tokenizer: null, Pooling: null } ? await Task.Run(() => EmbeddingModel.Open(source, options.Normalize, options.Compile.Threads), cancellationToken).ConfigureAwait(false)
                    : throw new SoftmodelException($"{source} has been built with a tokenizer and a pooling of its own; leave others out");
            }
            var resolved = await Source.Resolve(source, Fetching.To(progress), cancellationToken).ConfigureAwait(false);
            using var model = await Model.Of(resolved, source, options.Use with { Quantize = options.Use.Quantize ?? options.Quantize }, cancellationToken).ConfigureAwait(false);
            var folder = Directory.Exists(model.Path) ? model.Path : Path.GetDirectoryName(model.Path)!;
            var tokenizer = Tokenizer.Open(options.Tokenizer ?? model.Vocabulary ?? TextFiles.TokenizerOf(model.Path));
            var most = TextFiles.SettingsOf(model.Path)?.Integer("max_position_embeddings", DefaultMost) ?? DefaultMost;
            var compiled = await model.CompileAsync(options.Compile, progress, cancellationToken).ConfigureAwait(false);
            if (!Encoder.Is(compiled.Inputs, compiled.Outputs))
            {
                compiled.Dispose();
                throw new SoftmodelException($"{source} is no encoder of texts: it takes {string.Join(", ", compiled.Inputs.Select(i => i.Name))} and gives {string.Join(", ", compiled.Outputs.Select(o => o.Name))}; one takes tokens (input_ids, attention_mask, token_type_ids) and gives embeddings of each of them");
            }
            return new(model.Name, model.Licence, new(compiled), tokenizer, options.Pooling ?? Said(folder), options.Normalize, options.MaxTokens > 0 ? Math.Min(options.MaxTokens, most) : most);
        }

        /// <summary>
        /// Builds a native library of a model as <see cref="Model.BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
        /// does, and beside it what <see cref="EmbeddingModel.Open"/> needs.
        /// </summary>
        /// <param name="model">An encoder with its tokenizer.</param>
        /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
        /// <param name="build">How; by default for this machine, with the weights beside the library.</param>
        /// <param name="progress">Is told what is being done.</param>
        /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
        /// <exception cref="SoftmodelException">The model can't be imported, or has no tokenizer, a tool is missing, or the folder can't be written to.</exception>
        public static Task<NativeResult> BuildAsync(Model model, string folder, NativeOptions? build = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default) =>
            model.BuildAsync(folder, build, native => WithText(native, model), progress, cancellationToken);
    }

    /// <summary>What is built of an encoder, with what <see cref="EmbeddingModel.Open"/> needs.</summary>
    internal static NativeModel WithText(NativeModel native, Model model)
    {
        var vocabulary = model.Vocabulary ?? TextFiles.TokenizerOf(model.Path);
        var (name, files) = TextFiles.TokenizerToShip(vocabulary);
        var most = TextFiles.SettingsOf(model.Path)?.Integer("max_position_embeddings", DefaultMost) ?? DefaultMost;
        var text = new BuiltText(name, most, Pooling: Said(Directory.Exists(model.Path) ? model.Path : Path.GetDirectoryName(model.Path)!));
        return native with { Beside = [.. native.Beside, ($"{native.Prefix}.tokens", Tokenizer.Open(vocabulary).WriteTable), (BuiltText.FileName, text.Write), .. files] };
    }

    /// <summary>Whether a model is an encoder that has its tokenizer with it.</summary>
    internal static bool IsEncoder(Model model)
    {
        try
        {
            return Encoder.Is(model.Inputs, model.Outputs) && (model.Vocabulary ?? TextFiles.TokenizerOf(model.Path)) is not null;
        }
        catch (SoftmodelException)
        {
            return false;
        }
    }

    /// <summary>The pooling that sentence-transformers has written down.</summary>
    internal static Pooling Said(string folder)
    {
        var path = Path.Combine(folder, "1_Pooling", "config.json");
        if (!File.Exists(path))
            return Pooling.Mean;
        var said = Settings.Read(path);
        return said.Truth("pooling_mode_cls_token", false) ? Pooling.First : said.Truth("pooling_mode_lasttoken", false) ? Pooling.Last
            : said.Truth("pooling_mode_max_tokens", false) ? Pooling.Max : Pooling.Mean;
    }
}
