using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;
using Softmodel.Language;
using Softmodel.Passes;

namespace Softmodel.Cli.Baselines;

/// <summary>An exported language model in ONNX Runtime, which is given the past that it gave in the run before; nothing of that is copied.</summary>
/// <param name="baseline">The model, which this takes over.</param>
internal sealed class OnnxRuntimeText(OnnxRuntimeBaseline baseline) : IDisposable
{
    readonly Dictionary<string, OrtValue> past = [];
    int length;

    /// <summary>Clears the KV cache and reads a prompt.</summary>
    /// <returns>How long it took, in milliseconds.</returns>
    public double Prefill(IReadOnlyList<int> tokens)
    {
        Reset();
        var clock = Stopwatch.StartNew();
        Read(tokens);
        return clock.Elapsed.TotalMilliseconds;
    }

    /// <summary>Reads a prompt, which is not timed, and writes the best tokens after it.</summary>
    /// <returns>How long these took, in milliseconds.</returns>
    public double Decode(IReadOnlyList<int> tokens, int count)
    {
        Reset();
        var next = Read(tokens);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < count; i++)
            next = Read([next]);
        return clock.Elapsed.TotalMilliseconds;
    }

    /// <summary>Goes on with tokens, and gives the logits of what comes after the last.</summary>
    public float[] Logits(IReadOnlyList<int> tokens)
    {
        using var logits = Run(tokens);
        return Last(logits).ToArray();
    }

    int Read(IReadOnlyList<int> tokens)
    {
        using var logits = Run(tokens);
        return Sampler.Largest(Last(logits));
    }

    static ReadOnlySpan<float> Last(OrtValue logits) => logits.GetTensorDataAsSpan<float>()[^(int)logits.GetTensorTypeAndShape().Shape[^1]..];

    OrtValue Run(IReadOnlyList<int> tokens)
    {
        static OrtValue Row(IEnumerable<int> numbers) => (long[])[.. numbers.Select(n => (long)n)] is var row ? OrtValue.CreateTensorValueFromMemory(row, [1, row.Length]) : null!;
        var values = baseline.Inputs.Select(name => name switch
        {
            ExportInputs.Ids => Row(tokens),
            ExportInputs.Places => Row(Enumerable.Range(length, tokens.Count)),
            ExportInputs.Mask => Row(Enumerable.Repeat(1, length + tokens.Count)),
            _ => past.TryGetValue(name, out var value) ? value : baseline.Empty(name),
        }).ToArray();
        var results = baseline.Run(values);
        foreach (var value in values)
            value.Dispose();
        past.Clear();
        for (var i = 0; i < results.Count; i++)
        {
            if (KvCachePass.PastOf(baseline.Outputs[i], baseline.Inputs) is { } name)
                past[name] = results[i];
        }
        length += tokens.Count;
        return results[0];
    }

    void Reset()
    {
        foreach (var value in past.Values)
            value.Dispose();
        past.Clear();
        length = 0;
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        Reset();
        baseline.Dispose();
    }
}
