using Microsoft.Extensions.AI;

namespace Softmodel.Language;

/// <summary>An embedding model as an <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/>.</summary>
/// <param name="model">The model, which stays its owner's.</param>
sealed class ModelEmbeddingGenerator(EmbeddingModel model) : IEmbeddingGenerator<string, Embedding<float>>
{
    readonly EmbeddingGeneratorMetadata metadata = new("softmodel", defaultModelId: model.Name, defaultModelDimensions: model.Dimensions);

    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (options?.Dimensions is { } asked && asked != model.Dimensions)
            throw new NotSupportedException($"embeddings of {asked} dimensions were asked for (EmbeddingGenerationOptions.Dimensions); those of {model.Name} have {model.Dimensions}");
        int[][] tokens = [.. values.Select(model.TokensOf)];
        var made = await Task.Run(() => model.Embed(tokens, cancellationToken), cancellationToken).ConfigureAwait(false);
        long count = tokens.Sum(t => t.Length);
        return new(made.Select(v => new Embedding<float>(v) { ModelId = model.Name })) { Usage = new() { InputTokenCount = count, TotalTokenCount = count } };
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is not null ? null
        : serviceType == typeof(EmbeddingGeneratorMetadata) ? metadata : serviceType.IsInstanceOfType(model) ? model : serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose() { }
}
