using System.Buffers;
using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;
using Softmodel.Graphs;
using Softmodel.Runtime;
using TensorElementType = Microsoft.ML.OnnxRuntime.Tensors.TensorElementType;

namespace Softmodel.Cli.Baselines;

/// <summary>A model in ONNX Runtime: what compiled models are compared with, in what they compute and in what it costs.</summary>
internal sealed unsafe class OnnxRuntimeBaseline : IDisposable
{
    readonly InferenceSession session;
    readonly RunOptions run = new();

    static OnnxRuntimeBaseline() => Telemetry.TurnOff();

    OnnxRuntimeBaseline(InferenceSession session) => this.session = session;

    /// <summary>Its version, as <c>1.31.1</c>.</summary>
    public static string Version => OrtEnv.Instance().GetVersionString();

    /// <summary>The bytes of its own library; null where it can't be found.</summary>
    public static long? LibraryBytes
    {
        get
        {
            _ = OrtEnv.Instance();
            using var process = Process.GetCurrentProcess();
            return process.Modules.Cast<ProcessModule>().Where(m => Path.GetFileNameWithoutExtension(m.FileName) is "libonnxruntime" or "onnxruntime").Select(m => (long?)new FileInfo(m.FileName).Length).FirstOrDefault();
        }
    }

    /// <summary>The names of what a run takes, in the model's order.</summary>
    public IReadOnlyList<string> Inputs => session.InputNames;

    /// <summary>The names of what a run gives, in the model's order.</summary>
    public IReadOnlyList<string> Outputs => session.OutputNames;

    /// <summary>Loads a model for the processor, with everything that ONNX Runtime knows to make it fast.</summary>
    /// <param name="path">The ONNX file.</param>
    /// <param name="threads">How many threads share an operator, the calling one included; operators follow one another.</param>
    /// <exception cref="SoftmodelException">ONNX Runtime refuses the model.</exception>
    public static OnnxRuntimeBaseline Load(string path, int threads = 1) => Load(path, threads, options => new InferenceSession(path, options));

    /// <inheritdoc cref="Load(string, int)"/>
    /// <param name="model">The content of an ONNX file.</param>
    /// <param name="threads">How many threads share an operator, the calling one included.</param>
    public static OnnxRuntimeBaseline Load(byte[] model, int threads = 1) => Load("the model", threads, options => new InferenceSession(model, options));

    static OnnxRuntimeBaseline Load(string what, int threads, Func<SessionOptions, InferenceSession> load)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        // Its threads would go on turning for a while after a run, in the way of what is timed in turns with it.
        options.AddSessionConfigEntry("session.force_spinning_stop", "1");
        try
        {
            return new(load(options));
        }
        catch (OnnxRuntimeException e)
        {
            throw new SoftmodelException($"{what}: ONNX Runtime does not load it: {e.Message}", e);
        }
    }

    /// <summary>Computes the outputs, and copies them.</summary>
    /// <param name="inputs">One for each of <see cref="Inputs"/>, in that order.</param>
    /// <exception cref="SoftmodelException">ONNX Runtime refuses the inputs, fails on them, or gives what is no tensor of numbers.</exception>
    public Tensor[] Run(IReadOnlyList<Tensor> inputs)
    {
        using var results = Compute(inputs);
        return [.. results.Select(Copy)];
    }

    /// <summary>Computes the outputs and drops them: what is to be timed.</summary>
    /// <inheritdoc cref="Run(IReadOnlyList{Tensor})"/>
    public void Time(IReadOnlyList<Tensor> inputs) => Compute(inputs).Dispose();

    IDisposableReadOnlyCollection<OrtValue> Compute(IReadOnlyList<Tensor> inputs)
    {
        if (inputs.Count != Inputs.Count)
            throw new SoftmodelException($"{inputs.Count} tensors were given; the model has {Inputs.Count} inputs: {string.Join(", ", Inputs)}");
        var pins = new MemoryHandle[inputs.Count];
        var values = new OrtValue[inputs.Count];
        try
        {
            for (var i = 0; i < values.Length; i++)
            {
                pins[i] = inputs[i].Bytes.Pin();
                // The numbers of the types are the same. An empty tensor needs an address as well.
                values[i] = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, (TensorElementType)inputs[i].Type, inputs[i].Dims.ToArray(),
                    inputs[i].Count > 0 ? (nint)pins[i].Pointer : sizeof(long), inputs[i].Bytes.Length);
            }
            return session.Run(run, Inputs, values, Outputs);
        }
        catch (OnnxRuntimeException e)
        {
            throw new SoftmodelException($"ONNX Runtime fails: {e.Message}", e);
        }
        finally
        {
            foreach (var value in values)
                value?.Dispose();
            foreach (ref var pin in pins.AsSpan())
                pin.Dispose();
        }
    }

    /// <summary>Computes the outputs from values of its own; both are the caller's to dispose of.</summary>
    /// <param name="values">One for each of <see cref="Inputs"/>, in that order.</param>
    /// <exception cref="SoftmodelException">ONNX Runtime refuses the inputs or fails on them.</exception>
    public IReadOnlyList<OrtValue> Run(OrtValue[] values)
    {
        try
        {
            return [.. session.Run(run, Inputs, values, Outputs)];
        }
        catch (OnnxRuntimeException e)
        {
            throw new SoftmodelException($"ONNX Runtime fails: {e.Message}", e);
        }
    }

    /// <summary>A value for an input with nothing in it: sizes that are not known are 0, but for the first, which is 1.</summary>
    public OrtValue Empty(string input) => OrtValue.CreateTensorValueFromMemory(Array.Empty<float>(), [.. session.InputMetadata[input].Dimensions.Select((d, i) => d >= 0 ? (long)d : i == 0 ? 1 : 0)]);

    static Tensor Copy(OrtValue value)
    {
        if (!value.IsTensor)
            throw new SoftmodelException($"an output is a {value.OnnxType}, not a tensor");
        var info = value.GetTensorTypeAndShape();
        var type = (ElementType)info.ElementDataType;
        return type.IsFloat() || type.IsInteger() || type == ElementType.Bool ? new(type, info.Shape, value.GetTensorMutableRawData().ToArray())
            : throw new SoftmodelException($"an output holds {info.ElementDataType}, not numbers");
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        run.Dispose();
        session.Dispose();
    }
}
