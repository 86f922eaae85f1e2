using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>What a text is found to be.</summary>
/// <param name="Label">The most probable class.</param>
/// <param name="Probability">Its probability, from 0 to 1.</param>
public readonly record struct TextLabel(string Label, float Probability);

/// <summary>
/// A classifier of texts that <c>softmodel train classifier</c> has made. It may be used from any threads; callers wait for one
/// another.
/// </summary>
/// <example>
/// <code>
/// using var intents = TextClassifier.Open("intents");
/// var (label, probability) = intents.LabelOf("Wake me at seven.");
/// </code>
/// </example>
public sealed class TextClassifier : IDisposable
{
    /// <summary>The output with the probabilities.</summary>
    internal const string Output = "probabilities";

    readonly Lock running = new();
    readonly CompiledModel model;
    readonly TextInputs inputs;
    readonly Tokenizer tokenizer;
    readonly int output;

    /// <param name="name">A name for messages.</param>
    /// <param name="licence">See <see cref="Licence"/>.</param>
    /// <param name="model">The model, which is taken over.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="labels">The classes.</param>
    /// <param name="most">See <see cref="MaxTokens"/>.</param>
    internal TextClassifier(string name, string licence, CompiledModel model, Tokenizer tokenizer, IReadOnlyList<string> labels, int most) =>
        (Name, Licence, this.model, inputs, this.tokenizer, Labels, MaxTokens, output) = (name, licence, model, new(model.Inputs), tokenizer, labels, most, model.OutputIndex(Output));

    /// <summary>Opens a classifier.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="threads">How many threads a run uses; 0 for the processor's cores.</param>
    /// <exception cref="SoftmodelException">There is none, or it is damaged.</exception>
    public static TextClassifier Open(string folder, int threads = 0) => BuiltText.OpenClassifier(folder, threads);

    /// <summary>Whether a model gives a probability for each of some classes.</summary>
    internal static bool Is(IReadOnlyList<TensorInfo> inputs, IReadOnlyList<TensorInfo> outputs, int classes) =>
        TextInputs.Are(inputs) && outputs.Any(o => o.Name == Output && o.Type == ElementType.Float32 && o.Rank == 2 && o.Sizes[1] == classes);

    /// <summary>A name for messages.</summary>
    public string Name { get; }

    /// <summary>The text of the licence that the weights are under; empty where it is not known.</summary>
    public string Licence { get; }

    /// <summary>The classes.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The maximum number of tokens of a text; longer ones are truncated.</summary>
    public int MaxTokens { get; }

    /// <summary>What a text is.</summary>
    /// <inheritdoc cref="Probabilities"/>
    public TextLabel LabelOf(string text)
    {
        var probabilities = Probabilities(text);
        var best = Array.IndexOf(probabilities, probabilities.Max());
        return new(Labels[best], probabilities[best]);
    }

    /// <summary>The probability of each of <see cref="Labels"/>.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="SoftmodelException">The text is empty.</exception>
    public float[] Probabilities(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw new SoftmodelException("the text is empty; write some words");
        var tokens = TextInputs.TokensOf(tokenizer, text, MaxTokens);
        lock (running)
        {
            model.Run(inputs.Of([tokens]));
            return model.Output(output).Span<float>().ToArray();
        }
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        lock (running)
            model.Dispose();
    }
}
