using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Softmodel.Cli.Baselines;

/// <summary>
/// A process that does nothing but load a model into ONNX Runtime and run it: what a program in C# with ONNX Runtime takes.
/// It touches nothing else of this program, so that it starts as quickly as one that has nothing else.
/// </summary>
static class OnnxRuntimeAlone
{
    /// <summary>The first argument that makes this program such a process; the model, the number of threads and the inputs follow.</summary>
    public const string Command = "onnxruntime-alone";

    /// <summary>Runs, and writes what <c>alone.c</c> writes.</summary>
    /// <param name="model">The ONNX file.</param>
    /// <param name="threads">How many threads share an operator.</param>
    /// <param name="inputs">The file of inputs; see <c>alone.c</c> for its form.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string model, int threads, string inputs)
    {
        Telemetry.TurnOff();
        using var file = new BinaryReader(File.OpenRead(inputs));
        var sets = file.ReadInt64();
        using var options = new SessionOptions { IntraOpNumThreads = threads, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        using var session = new InferenceSession(model, options);
        using var run = new RunOptions();
        var (first, busy, elements) = (0L, 0L, 0L);
        for (var set = 0; set < sets; set++)
        {
            var values = new OrtValue[session.InputNames.Count];
            foreach (ref var value in values.AsSpan())
                value = Read(file);
            var start = Stopwatch.GetTimestamp();
            using var results = session.Run(run, session.InputNames, values, session.OutputNames);
            var end = Stopwatch.GetTimestamp();
            first = set == 0 ? end : first;
            busy += end - start;
            elements += results[0].GetTensorTypeAndShape().ElementCount;
            foreach (var value in values)
                value.Dispose();
        }
        Console.WriteLine($"{Nanoseconds(first)} {Nanoseconds(busy)} {PeakMemory.Bytes} {elements}");
        return 0;
    }

    static OrtValue Read(BinaryReader file)
    {
        var (type, dims) = ((TensorElementType)file.ReadInt64(), new long[file.ReadInt64()]);
        for (var axis = 0; axis < 8; axis++)
        {
            var size = file.ReadInt64();
            if (axis < dims.Length)
                dims[axis] = size;
        }
        var value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, type, dims);
        file.BaseStream.ReadExactly(value.GetTensorMutableRawData()[..(int)file.ReadInt64()]);
        return value;
    }

    static long Nanoseconds(long ticks) => (long)(ticks * (1e9 / Stopwatch.Frequency));
}
