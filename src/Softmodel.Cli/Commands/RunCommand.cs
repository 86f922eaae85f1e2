using System.CommandLine;
using System.Diagnostics;
using Softmodel.Cli.Arrays;
using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel run</c>: any model on arrays from files.</summary>
static class RunCommand
{
    public static Command Create()
    {
        var choice = new ModelChoice();
        var inputs = new Option<string[]>("--input", "-i")
        {
            Description = "NAME=FILE (.npy, .json, .wav) or NAME=NUMBERS such as [[1,2]]; or a .npz or .json file with several. A single number fills its input.",
            HelpName = "NAME=VALUE",
        };
        var outputs = new Option<string[]>("--output", "-o") { Description = "A .npz or .json file for all outputs, or NAME=FILE (.npy, .json, .wav) for one.", HelpName = "FILE" };
        var rate = new Option<int>("--rate") { Description = "The sample rate of .wav files, in Hz.", DefaultValueFactory = _ => 22050 };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var bits = new Option<int>("--vector-bits") { Description = "SIMD width: 512, 256 or 128 bits; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var seed = new Option<ulong>("--seed") { Description = "The seed of the model's random numbers.", DefaultValueFactory = _ => 0 };
        rate.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 768_000)
                r.AddError("--rate must be between 1 and 768000");
        });
        var verb = new Verb("run", "Run a model on arrays from files.", "run model.onnx -i x=input.npy -o out.npz", "run model.onnx -i \"ids=[[1,2,3]]\" -i scale=0.5 -o audio=out.wav --rate 22050", "run model.onnx -i inputs.npz --json")
        {
            inputs, outputs, rate, threads, bits, seed,
        };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var given = ArrayFiles.Read(parsed.GetValue(inputs) ?? []);
            using var model = await choice.Load(parsed, terminal, cancel);
            using var compiled = await terminal.Working(progress => model.CompileAsync(new CompileOptions { Threads = parsed.GetValue(threads), VectorBits = parsed.GetValue(bits) }, progress, cancel));
            compiled.Seed = parsed.GetValue(seed);
            var tensors = Arguments(compiled, given);
            var clock = Stopwatch.StartNew();
            var results = await Task.Run(() => compiled.Run(tensors), cancel);
            var took = clock.Elapsed.TotalMilliseconds;
            var named = results.Select((t, i) => (compiled.Outputs[i].Name, Tensor: t)).ToArray();
            foreach (var output in parsed.GetValue(outputs) ?? [])
                Write(output, named, parsed.GetValue(rate));
            Show(terminal, model, named, took);
            return CommandLine.Done;
        }, Verb.Json());
    }

    /// <summary>A tensor for each input of the model.</summary>
    static Tensor[] Arguments(CompiledModel model, Dictionary<string, Given> given)
    {
        if (given.Keys.FirstOrDefault(n => model.Inputs.All(i => i.Name != n)) is { } unknown)
            throw new UsageException($"the model has no input '{unknown}'; it takes {string.Join(", ", model.Inputs)}");
        if (model.Inputs.Where(i => !given.ContainsKey(i.Name)).ToArray() is { Length: > 0 } missing)
            throw new UsageException($"nothing was given for {string.Join(", ", (object[])missing)}; write -i {missing[0].Name}=FILE");

        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        var tensors = new Tensor?[model.Inputs.Count];
        // What brings its own sizes comes first, since a number that fills an input has none.
        foreach (var (input, i) in model.Inputs.Select((input, i) => (input, i)))
        {
            var value = given[input.Name];
            if (value.Numbers is { Dims.Length: 0 } && input.Rank > 0)
                continue;
            tensors[i] = value.Tensor is { } tensor ? Widened(tensor, input) : value.Numbers!.ToTensor(input.Type, input.Rank, value.Where);
            for (var axis = 0; axis < Math.Min(input.Rank, tensors[i]!.Rank); axis++)
                sizes.TryAdd(input.Axes[axis], tensors[i]!.Dims[axis]);
        }
        foreach (var (input, i) in model.Inputs.Select((input, i) => (input, i)).Where(p => tensors[p.i] is null))
        {
            var dims = new long[input.Rank];
            for (var axis = 0; axis < input.Rank; axis++)
            {
                dims[axis] = input.Sizes[axis] >= 0 ? input.Sizes[axis] : sizes.TryGetValue(input.Axes[axis], out var size) ? size
                    : throw new UsageException($"'{input.Axes[axis]}' in {input} is not known from another input, so that one number can't fill it: give all of it");
            }
            tensors[i] = Filled(given[input.Name].Numbers!.ToTensor(input.Type, 0, given[input.Name].Where), dims);
        }
        return tensors!;
    }

    /// <summary>Sound has one axis where models often want a batch of it.</summary>
    static Tensor Widened(Tensor tensor, TensorInfo input) =>
        tensor.Rank < input.Rank && tensor.Rank == 1 ? tensor.Reshape([.. Enumerable.Repeat(1L, input.Rank - 1), .. tensor.Dims]) : tensor;

    static Tensor Filled(Tensor one, long[] dims)
    {
        var bytes = new byte[checked(Tensor.CountOf(dims) * one.Type.Size())];
        for (var i = 0; i < bytes.Length; i += one.Type.Size())
            one.Bytes.Span.CopyTo(bytes.AsSpan(i));
        return new Tensor(one.Type, dims, bytes);
    }

    static void Write(string output, (string Name, Tensor Tensor)[] named, int rate)
    {
        var equals = output.IndexOf('=');
        if (equals <= 0)
        {
            ArrayFiles.Write(output, named, rate);
            return;
        }
        var one = named.Where(n => n.Name == output[..equals]).ToArray();
        if (one.Length == 0)
            throw new UsageException($"the model has no output '{output[..equals]}'; it gives {string.Join(", ", named.Select(n => n.Name))}");
        ArrayFiles.Write(output[(equals + 1)..], one, rate);
    }

    static void Show(Terminal terminal, Model model, (string Name, Tensor Tensor)[] named, double took)
    {
        const int few = 16;
        var shown = named.Select(n => (n.Name, n.Tensor, Facts: Facts(n.Tensor))).ToArray();
        terminal.Result(new
        {
            model = model.Name,
            ms = Math.Round(took, 3),
            outputs = shown.Select(o => new
            {
                name = o.Name,
                type = o.Tensor.Type.Name(),
                shape = o.Tensor.Dims.ToArray(),
                min = o.Facts?.Min,
                max = o.Facts?.Max,
                mean = o.Facts?.Mean,
                values = o.Tensor.Count <= few ? Enumerable.Range(0, (int)o.Tensor.Count).Select(i => Finite(o.Tensor.Float(i))) : null,
            }),
        }, () =>
        {
            var table = Text.Table("output", "type", "smallest", "largest", "mean");
            foreach (var (name, tensor, facts) in shown)
                table.Row(name, $"{tensor.Type.Name()}[{string.Join(',', tensor.Dims.ToArray())}]", $"{facts?.Min:G6}", $"{facts?.Max:G6}", $"{facts?.Mean:G6}");
            return table;
        });
    }

    static double? Finite(double value) => double.IsFinite(value) ? value : null;

    static (double? Min, double? Max, double? Mean)? Facts(Tensor tensor)
    {
        if (tensor.Count == 0)
            return null;
        var (min, max, sum) = (double.PositiveInfinity, double.NegativeInfinity, 0.0);
        for (long i = 0; i < tensor.Count; i++)
        {
            var value = tensor.Float(i);
            (min, max, sum) = (Math.Min(min, value), Math.Max(max, value), sum + value);
        }
        return (Finite(min), Finite(max), Finite(sum / tensor.Count));
    }
}
