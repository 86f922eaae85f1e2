using System.Buffers;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Runs compiled models on tensors.</summary>
internal static unsafe class Running
{
    extension(CompiledModel model)
    {
        /// <summary>Computes the outputs of a model and copies them.</summary>
        /// <param name="inputs">One for each input, in order; read in place.</param>
        /// <exception cref="ModelException">The inputs are not what the model takes, or it fails on them.</exception>
        public Tensor[] Run(IReadOnlyList<Tensor> inputs)
        {
            model.Time(inputs);
            return model.Results();
        }

        /// <summary>Copies of the outputs of the latest run.</summary>
        /// <exception cref="ModelException">The model has not run, or its latest run failed.</exception>
        public Tensor[] Results() => [.. Enumerable.Range(0, model.Outputs.Count).Select(i => Copy(model.Output(i)))];

        /// <summary>Computes the outputs of a model, and leaves them in it: what is to be timed.</summary>
        /// <param name="inputs">One for each input, in order; read in place.</param>
        /// <exception cref="ModelException">The inputs are not what the model takes, or it fails on them.</exception>
        public void Time(IReadOnlyList<Tensor> inputs)
        {
            var pins = new MemoryHandle[inputs.Count];
            try
            {
                var arguments = new TensorArgument[inputs.Count];
                for (var i = 0; i < pins.Length; i++)
                {
                    pins[i] = inputs[i].Bytes.Pin();
                    arguments[i] = new(inputs[i].Type, pins[i].Pointer, inputs[i].Dims);
                }
                model.Run(arguments);
            }
            finally
            {
                foreach (ref var pin in pins.AsSpan())
                    pin.Dispose();
            }
        }
    }

    static Tensor Copy(TensorView view) =>
        new(view.Info.Type, view.Sizes, new ReadOnlySpan<byte>(view.Pointer, checked((int)(view.Count * view.Info.Type.Size()))).ToArray());
}
