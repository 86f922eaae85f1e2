using Softmodel.Emit;
using Softmodel.Emit.Native;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Native;

/// <summary>
/// A model written by hand as the compiler would write it: y = exp(W x), and noise of its size; with a gather whose
/// indices may be wrong.
/// </summary>
static class SampleModel
{
    public const int Rows = 192, Depth = 160;

    static readonly TensorInfo[] inputs = [new("x", ElementType.Float32, "T", $"{Depth}"), new("rows", ElementType.Int64, "N")];
    static readonly TensorInfo[] outputs = [new("y", ElementType.Float32, "T", $"{Rows}"), new("noise", ElementType.Float32, "T"), new("picked", ElementType.Float32, "N")];

    public static NativeModel Model { get; } = new("Sample model", Source, WriteWeights, inputs, outputs, "Anyone may use it.");

    static void WriteWeights(Stream stream)
    {
        var weights = new float[Rows * Depth];
        Philox.Normal(1, 2, 0, weights);
        stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(weights));
    }

    static string Source(int width) => $$"""
        using System;
        using System.Runtime.Intrinsics;
        using Softmodel.Runtime;
        using V = System.Runtime.Intrinsics.Vector{{width}}<float>;
        using VX = System.Runtime.Intrinsics.Vector{{width}};

        namespace Softmodel.Compiled.Width{{width}};

        unsafe struct Frame { public float* X, W, Y; public long T; }

        public sealed unsafe class Model : CompiledModel
        {
            public Model(WeightsFile weights) : base(weights,
                [new("x", ElementType.Float32, "T", "{{Depth}}"), new("rows", ElementType.Int64, "N")],
                [new("y", ElementType.Float32, "T", "{{Rows}}"), new("noise", ElementType.Float32, "T"), new("picked", ElementType.Float32, "N")]) { }

            protected override void Execute()
            {
                var (t, n) = (InputSize(0, 0), InputSize(1, 0));
                try
                {
                    Check.Demand(Demand.AtLeast, "{1} rows are picked where {0} may be; N is {2}", 64, n, n);
                }
                catch (ModelException e)
                {
                    throw Check.Refused("Gather 'pick'", e);
                }
                var y = (float*)Arena.Reserve((t * {{Rows}} + t + n) * sizeof(float));
                var noise = y + t * {{Rows}};
                var frame = new Frame { X = (float*)Input(0), W = (float*)Weights, Y = y, T = t };
                Workers.Run(&Product, &frame, {{Rows}} / 16);
                Philox.Normal(Seed, 0, 0, new Span<float>(noise, (int)t));
                var picked = noise + t;
                for (var i = 0L; i < n; i++)
                    picked[i] = y[Check.Index(((long*)Input(1))[i], t, "pick") * {{Rows}}];
                SetOutput(0, y, t, {{Rows}});
                SetOutput(1, noise, t);
                SetOutput(2, picked, n);
            }

            static void Product(void* state, int task)
            {
                var f = (Frame*)state;
                for (var t = 0L; t < f->T; t++)
                {
                    for (var row = task * 16; row < task * 16 + 16; row += V.Count)
                    {
                        var sum = V.Zero;
                        for (var k = 0; k < {{Depth}}; k++)
                            sum = VX.FusedMultiplyAdd(VX.Create(f->X[t * {{Depth}} + k]), VX.Load(f->W + k * {{Rows}} + row), sum);
                        VX.Store(VX.Exp(sum * VX.Create(0.05f)), f->Y + t * {{Rows}} + row);
                    }
                }
            }
        }
        """;

    /// <summary>The model within this process.</summary>
    public static CompiledModel InProcessModel(int width, string folder)
    {
        var path = Path.Combine(folder, $"in-process-{width}-{Guid.NewGuid():N}.weights");
        var hash = WeightsFile.Write(path, WriteWeights);
        return InProcess.Load(InProcess.Assemble(Source(width)), width, WeightsFile.Open(path, hash));
    }
}
