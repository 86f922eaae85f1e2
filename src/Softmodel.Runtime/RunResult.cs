namespace Softmodel.Runtime;

/// <summary>The outputs of a run, in the model's own memory: valid until the model runs again or is disposed of, and refused afterwards.</summary>
public readonly struct RunResult
{
    readonly CompiledModel? model;
    readonly long run;

    internal RunResult(CompiledModel model, long run) => (this.model, this.run) = (model, run);

    CompiledModel Model => model ?? throw new InvalidOperationException("it is the result of no run");

    /// <summary>How many outputs there are.</summary>
    public int Count => Model.Outputs.Count;

    /// <summary>An output.</summary>
    /// <param name="index">Which of <see cref="CompiledModel.Outputs"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such output.</exception>
    /// <exception cref="InvalidOperationException">The model has run again.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public TensorView this[int index] => Model.Output(index, run);

    /// <summary>An output.</summary>
    /// <param name="name">The name of one of <see cref="CompiledModel.Outputs"/>.</param>
    /// <exception cref="ArgumentException">There is no such output.</exception>
    /// <exception cref="InvalidOperationException">The model has run again.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public TensorView this[string name] => Model.OutputIndex(name) is >= 0 and var index ? Model.Output(index, run)
        : throw new ArgumentException($"there is no output '{name}'; the model gives {string.Join(", ", Model.Outputs)}", nameof(name));
}
