using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;
using Softmodel.Language;
using Softmodel.Passes;

namespace Softmodel.Cli.Peers;

/// <summary>An exported language model in ONNX Runtime, which is given the past that it gave in the run before; nothing of that is copied.</summary>
/// <param name="peer">The model, which this takes over.</param>
internal sealed class OnnxRuntimeText(OnnxRuntimePeer peer) : IDisposable
{
    readonly Dictionary<string, OrtValue> past = [];
    int length;

    /// <summary>Forgets everything and reads a prompt.</summary>
    /// <returns>How long it took, in milliseconds.</returns>
    public double Prefill(IReadOnlyList<int> tokens)
    {
        Forget();
        var clock = Stopwatch.StartNew();
        Read(tokens);
        return clock.Elapsed.TotalMilliseconds;
    }

    /// <summary>Reads a prompt, which is not timed, and writes the best tokens after it.</summary>
    /// <returns>How long these took, in milliseconds.</returns>
    public double Decode(IReadOnlyList<int> tokens, int count)
    {
        Forget();
        var next = Read(tokens);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < count; i++)
            next = Read([next]);
        return clock.Elapsed.TotalMilliseconds;
    }

    /// <summary>Goes on with tokens, and gives the scores of what comes after the last.</summary>
    public float[] Scores(IReadOnlyList<int> tokens)
    {
        using var scores = Run(tokens);
        return Last(scores).ToArray();
    }

    int Read(IReadOnlyList<int> tokens)
    {
        using var scores = Run(tokens);
        return Sampler.Largest(Last(scores));
    }

    static ReadOnlySpan<float> Last(OrtValue scores) => scores.GetTensorDataAsSpan<float>()[^(int)scores.GetTensorTypeAndShape().Shape[^1]..];

    OrtValue Run(IReadOnlyList<int> tokens)
    {
        static OrtValue Row(IEnumerable<int> numbers) => (long[])[.. numbers.Select(n => (long)n)] is var row ? OrtValue.CreateTensorValueFromMemory(row, [1, row.Length]) : null!;
        var values = peer.Inputs.Select(name => name switch
        {
            ExportInputs.Ids => Row(tokens),
            ExportInputs.Places => Row(Enumerable.Range(length, tokens.Count)),
            ExportInputs.Mask => Row(Enumerable.Repeat(1, length + tokens.Count)),
            _ => past.TryGetValue(name, out var value) ? value : peer.Empty(name),
        }).ToArray();
        var results = peer.Run(values);
        foreach (var value in values)
            value.Dispose();
        past.Clear();
        for (var i = 0; i < results.Count; i++)
        {
            if (KeptPast.PastOf(peer.Outputs[i], peer.Inputs) is { } name)
                past[name] = results[i];
        }
        length += tokens.Count;
        return results[0];
    }

    void Forget()
    {
        foreach (var value in past.Values)
            value.Dispose();
        past.Clear();
        length = 0;
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        Forget();
        peer.Dispose();
    }
}
