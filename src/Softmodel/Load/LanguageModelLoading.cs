using Softmodel.Compile;
using Softmodel.Emit.Native;
using Softmodel.Import;
using Softmodel.Language.Chat;
using Softmodel.Language.Tokens;
using Softmodel.Load;
using Softmodel.Sources;

// Beside the type that it extends: whoever uses that finds it.
namespace Softmodel.Language;

/// <summary>How a language model is loaded.</summary>
public sealed record LanguageOptions
{
    /// <summary>The context length in tokens; 0 for the model's own, but at most 4096.</summary>
    public int ContextLength { get; init; }

    /// <summary>Context shift: whether a full context drops its oldest tokens, but for a few at its beginning. By default an error says so, before anything is lost.</summary>
    public bool ContextShift { get; init; }

    /// <summary>The tokenizer's file, where it is not in the model's file, with it in the catalogue, or beside it: a <c>tokenizer.json</c>, a <c>tokenizer.bin</c> of llama2.c, or a GGUF file.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>What is known of its use; what the catalogue says is kept.</summary>
    public UseCase Use { get; init; } = new();

    /// <summary>How the model is compiled.</summary>
    public CompileOptions Compile { get; init; } = new();
}

/// <summary>Loads and builds language models: downloads, compiles, or takes from the cache.</summary>
public static class LanguageModelLoading
{
    const int DefaultContext = 4096;

    extension(LanguageModel)
    {
        /// <summary>Loads a model by its name in the catalogue, a source, or a file, and compiles it or takes it from the cache; or opens a folder that <c>softmodel build</c>, <c>tune</c> or <c>fuse</c> has made.</summary>
        /// <param name="source">What <see cref="Source.Parse"/> reads.</param>
        /// <param name="options">How.</param>
        /// <param name="progress">Is told what is being done; may be called from any thread.</param>
        /// <param name="cancellationToken">Stops it, and leaves nothing half done.</param>
        /// <exception cref="SoftmodelException">The model can't be found, fetched, imported or compiled, or is none of text.</exception>
        public static async Task<LanguageModel> LoadAsync(string source, LanguageOptions? options = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
        {
            options ??= new();
            if (TextFiles.IsBuilt(source))
            {
                return options.Tokenizer is null ? await Task.Run(() => LanguageModel.Open(source, options.ContextLength, options.ContextShift, options.Compile.Threads), cancellationToken).ConfigureAwait(false)
                    : throw new SoftmodelException($"{source} has been built with a tokenizer of its own; leave {options.Tokenizer} out");
            }
            var resolved = await Source.Resolve(FusedModels.SourceOf(source), Fetching.To(progress), cancellationToken).ConfigureAwait(false);
            using var model = await FusedModels.Of(source, resolved, options.Use with { KvCache = !Checkpoint.Is(resolved.MainFile) }, false, cancellationToken).ConfigureAwait(false);
            // What is read of the text's side does not wait for the network.
            var reading = Task.Run(() => ReadText(model, options.Tokenizer), cancellationToken);
            var compiled = await model.CompileAsync(options.Compile, progress, cancellationToken).ConfigureAwait(false);
            try
            {
                var (tokenizer, template, longest) = await reading.ConfigureAwait(false);
                if (compiled.Outputs[0].Name != SequenceInputs.Logits)
                    throw new SoftmodelException($"{source} is an encoder and generates no text; softmodel embed uses it");
                if (model.Use.KvCache && !ExportDecoder.Takes(compiled.Inputs))
                    throw new SoftmodelException($"{source} is no language model that can be used: it takes {string.Join(", ", compiled.Inputs.Select(i => i.Name))}; an export takes {ExportInputs.Ids}, {ExportInputs.Mask}, {ExportInputs.Places} and past_key_values");
                if (model.Use.KvCache && options.ContextShift)
                    throw new SoftmodelException($"{source} is an ONNX export, whose context can't shift; make it larger, or take the model's weights as GGUF or safetensors");
                var length = options.ContextLength > 0 ? options.ContextLength : Math.Min(DefaultContext, longest);
                return new(model.Name, model.Licence, Decoder.Of(compiled, length, options.ContextShift, model.RoundsByRun), tokenizer, template, FusedModels.Is(source) ? FusedModels.TriggerOf(source).Fused : null);
            }
            catch
            {
                compiled.Dispose();
                throw;
            }
        }

        /// <summary>
        /// Builds a native library of a model as <see cref="Model.BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
        /// does, and beside it, for a language model, what <see cref="LanguageModel.Open"/> needs, and for C a table of what its tokens stand
        /// for: a line for each, with its bytes in hexadecimal digits, or <c>end</c> for end-of-text tokens, or
        /// <c>control</c> for other control tokens.
        /// </summary>
        /// <param name="model">The model.</param>
        /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
        /// <param name="build">How; by default for this machine, with the weights beside the library.</param>
        /// <param name="progress">Is told what is being done.</param>
        /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
        /// <exception cref="SoftmodelException">The model can't be imported, a tool is missing, or the folder can't be written to.</exception>
        public static Task<NativeResult> BuildAsync(Model model, string folder, NativeOptions? build = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default) =>
            model.BuildAsync(folder, build, native => WithText(native, model), progress, cancellationToken);
    }

    /// <summary>What is built of a language model, with what <see cref="LanguageModel.Open"/> needs.</summary>
    internal static NativeModel WithText(NativeModel native, Model model)
    {
        if (!model.IsLanguageModel && !model.Use.KvCache)
            return native;
        var (tokenizer, template, longest) = ReadText(model, null);
        var fused = Fusion.FusedDecoder.FusedOf(model.Graph);
        if (fused?.Programs.Except(Runtime.Sums.SumPrograms.All.All.Select(p => p.Name)).ToArray() is { Length: > 0 } own)
            throw new SoftmodelException($"{model.Name} is fused with programs of one's own ({string.Join(", ", own)}), which a native library can't call: it has those for arithmetic alone");
        var (name, files) = TextFiles.TokenizerToShip(model.Vocabulary ?? TextFiles.TokenizerOf(model.Path));
        var text = new BuiltText(name, Math.Min(DefaultContext, longest), template?.Source, model.RoundsByRun, Fused: fused);
        return native with { Beside = [.. native.Beside, ($"{native.Prefix}.tokens", tokenizer.WriteTable), (BuiltText.FileName, text.Write), .. files] };
    }

    /// <summary>What a language model has beside its network: its tokenizer, its chat template if any, and the longest context that it was trained for.</summary>
    /// <param name="model">The model.</param>
    /// <param name="given">The tokenizer's file, where it is another.</param>
    internal static (Tokenizer Tokenizer, ChatTemplate? Template, int Longest) ReadText(Model model, string? given)
    {
        using var checkpoint = model.IsLanguageModel ? Checkpoint.Open(model.Path) : null;
        var settings = checkpoint?.Settings ?? TextFiles.SettingsOf(model.Path);
        var longest = settings?.Integer("max_position_embeddings", DefaultContext) ?? DefaultContext;
        var vocabulary = given ?? model.Vocabulary ?? TextFiles.TokenizerOf(model.Path);
        if (checkpoint?.Metadata is { } metadata && vocabulary == model.Path)
            return (TokenizerFile.Of(metadata, vocabulary), ChatTemplate.Of(metadata, vocabulary), longest);
        return (Tokenizer.Open(vocabulary), Path.GetExtension(vocabulary) == ".bin" ? null : ChatTemplate.Open(vocabulary), longest);
    }
}
