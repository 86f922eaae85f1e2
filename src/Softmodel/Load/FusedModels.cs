using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Fusion;
using Softmodel.Sources;

namespace Softmodel.Load;

/// <summary>Loads folders that <c>softmodel fuse</c> has made: a language model, and the trigger that was trained in it.</summary>
static class FusedModels
{
    /// <summary>Whether a source is such a folder; a name of the catalogue is one of the catalogue.</summary>
    public static bool Is(string source) => Catalogue.Find(source) is null && File.Exists(Path.Combine(source, FusedTrigger.FileName));

    /// <summary>What the model of such a folder is loaded from; another source is itself.</summary>
    /// <exception cref="SoftmodelException">The folder's file is damaged.</exception>
    public static string SourceOf(string source) => Is(source) ? TriggerOf(source).Source : source;

    /// <summary>The trigger in such a folder.</summary>
    /// <exception cref="SoftmodelException">The folder's file is damaged.</exception>
    public static FusedTrigger TriggerOf(string folder) => FusedTrigger.Read(Path.Combine(folder, FusedTrigger.FileName));

    /// <summary>A model by its name in the catalogue, a source, a file, or such a folder.</summary>
    /// <param name="source">What <see cref="Source.Parse"/> reads, or the folder.</param>
    /// <param name="use">What is known of its use.</param>
    /// <param name="isOnly">Of such a folder: whether the layers above the trigger are left out.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SoftmodelException">The model can't be found or fetched, or is not the one that was fused.</exception>
    public static async Task<Model> LoadAsync(string source, UseCase? use = null, bool isOnly = false, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        if (isOnly && !Is(source))
            throw new SoftmodelException($"{source} has not been fused, so that it has no layers below a trigger that could be all of it; softmodel fuse makes a folder of it");
        var from = SourceOf(source);
        var resolved = await Source.Resolve(from, Fetching.To(progress), cancellationToken).ConfigureAwait(false);
        return await Of(source, resolved, use, isOnly, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A model whose files are here.</summary>
    /// <param name="source">What was asked for.</param>
    /// <param name="resolved">The files of what that is loaded from.</param>
    /// <param name="use">What is known of its use.</param>
    /// <param name="isOnly">Of a folder that was fused: whether the layers above the trigger are left out.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<Model> Of(string source, ResolvedModel resolved, UseCase? use, bool isOnly, CancellationToken cancellationToken)
    {
        if (!Is(source))
            return await Model.Of(resolved, source, use, cancellationToken).ConfigureAwait(false);
        var (trigger, file) = (FusedFolder.Open(source).Trigger, Path.Combine(source, FusedTrigger.FileName));
        var cache = StoreSettings.FromEnvironment().Cache;
        if (FileHashes.Of(resolved.MainFile, cache, cancellationToken) != trigger.Base)
            throw new SoftmodelException($"{file}: it was made for another model than what '{trigger.Source}' is now; fuse that again, or bring back the one that it was made for");
        Model? model = null;
        var pass = new Pass("fuse", Fidelity.Exact, "puts a trigger into the residual stream of a decoder, from which programs write what comes next", compilation =>
            compilation with { Graph = FusedDecoder.Apply(compilation.Graph, trigger, Language.LanguageModelLoading.ReadText(model!, null).Tokenizer, Evaluator.FoldKeepingStored, isOnly) });
        return model = await Model.Of(resolved, trigger.Source, (use ?? new()) with { Added = [(pass, $"fuse{(isOnly ? " only" : "")} {FileHashes.Of(file, cache, cancellationToken)}")] }, cancellationToken).ConfigureAwait(false);
    }
}
