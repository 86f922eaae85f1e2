using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace Softmodel.Runtime;

/// <summary>A tensor as the C interface passes it.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
[StructLayout(LayoutKind.Sequential)]
public unsafe struct NativeTensor
{
    /// <summary>The first element.</summary>
    public void* Data;

    /// <summary>The number of the <see cref="ElementType"/>.</summary>
    public int Type;

    /// <summary>The number of axes.</summary>
    public int Rank;

    /// <summary>The sizes of the axes, outermost first.</summary>
    public Extents Sizes;

    /// <summary>A tensor of these sizes.</summary>
    /// <param name="data">Its first element.</param>
    /// <param name="type">The type of its elements.</param>
    /// <param name="sizes">The sizes of its axes, outermost first.</param>
    /// <exception cref="ModelException">It has too many axes.</exception>
    public NativeTensor(void* data, ElementType type, params ReadOnlySpan<long> sizes)
    {
        Data = data;
        Type = (int)type;
        Rank = Check.Rank(sizes.Length, "a tensor");
        sizes.CopyTo(Sizes);
    }
}

/// <summary>Where the C interface puts what went wrong: UTF-8 that ends with 0.</summary>
/// <param name="text">The first byte.</param>
/// <param name="room">The bytes there are.</param>
[EditorBrowsable(EditorBrowsableState.Never)]
public readonly unsafe struct NativeMessage(byte* text, int room)
{
    internal void Set(string message)
    {
        var bytes = new Span<byte>(text, room);
        if (bytes.IsEmpty)
            return;
        Utf8.FromUtf16(message, bytes[..^1], out _, out var written);
        bytes[written] = 0;
    }
}

/// <summary>What a model that was compiled ahead of time does when C calls it: nothing is thrown, every error is a number and a message.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static unsafe class NativeInterface
{
    sealed class Handle(CompiledModel model)
    {
        public readonly CompiledModel Model = model;
        public readonly TensorArgument[] Arguments = new TensorArgument[model.Inputs.Count];
        public int Busy;
    }

    /// <summary>What <see cref="Set"/> sets.</summary>
    public enum Setting
    {
        /// <summary><see cref="CompiledModel.Threads"/>.</summary>
        Threads = 0,
        /// <summary><see cref="CompiledModel.Seed"/>.</summary>
        Seed = 1,
        /// <summary><see cref="CompiledModel.MemoryLimit"/>.</summary>
        MemoryLimit = 2,
        /// <summary><see cref="CompiledModel.ResetStates"/>; the value does not matter.</summary>
        ResetStates = 3,
    }

    /// <summary>Makes a model.</summary>
    /// <param name="make">Its constructor.</param>
    /// <param name="weights">The weights file, mapped into memory and never written to, which must stay until the model is destroyed.</param>
    /// <param name="length">The bytes of it.</param>
    /// <param name="hash">The hash of the weights that the model was compiled with.</param>
    /// <param name="verify">Whether all weights are read and compared with their checksum, and not their header alone.</param>
    /// <param name="handle">Receives the model.</param>
    /// <param name="message">Receives the error.</param>
    public static int Create(delegate*<WeightsFile, CompiledModel> make, byte* weights, long length, ReadOnlySpan<byte> hash, bool verify, nint* handle, NativeMessage message)
    {
        try
        {
            var file = WeightsFile.At(weights, length, hash, isMapped: true);
            if (verify)
                file.Verify();
            var model = make(file);
            *handle = GCHandle.ToIntPtr(GCHandle.Alloc(new Handle(model)));
            return 0;
        }
        catch (Exception e)
        {
            return Failed(e, message);
        }
    }

    /// <summary>Frees a model; fails while it runs.</summary>
    public static int Destroy(nint handle, NativeMessage message)
    {
        var reference = GCHandle.FromIntPtr(handle);
        try
        {
            ((Handle)reference.Target!).Model.Dispose();
        }
        catch (Exception e)
        {
            return Failed(e, message);
        }
        reference.Free();
        return 0;
    }

    /// <summary>Sets something; fails while the model runs.</summary>
    public static int Set(nint handle, Setting setting, long value, NativeMessage message)
    {
        var model = Of(handle).Model;
        try
        {
            switch (setting)
            {
                case Setting.Threads:
                    // The message alone: .NET adds the name of a parameter to that of its own exceptions.
                    if (CompiledModel.ThreadsFault(value) is { } fault)
                        throw new ModelException(ModelError.Argument, fault);
                    model.Threads = (int)value;
                    break;
                case Setting.Seed:
                    model.Seed = (ulong)value;
                    break;
                case Setting.MemoryLimit:
                    model.MemoryLimit = value;
                    break;
                case Setting.ResetStates:
                    model.ResetStates();
                    break;
            }
            return 0;
        }
        catch (Exception e)
        {
            return Failed(e, message);
        }
    }

    /// <summary>Runs a model.</summary>
    public static int Run(nint handle, NativeTensor* inputs, int count, NativeMessage message)
    {
        var target = Of(handle);
        if (Interlocked.Exchange(ref target.Busy, 1) != 0)
            return Failed(new InvalidOperationException("the model is running on another thread; give each thread its own"), message);
        try
        {
            var arguments = target.Arguments;
            if (count != arguments.Length || (inputs is null && count > 0))
                throw new ModelException(ModelError.Argument, $"{(inputs is null ? 0 : count)} inputs were given; the model has {arguments.Length}");
            for (var i = 0; i < count; i++)
                arguments[i] = new TensorArgument(target.Model.Inputs[i].Name, inputs[i]);
            target.Model.Run(arguments);
            return 0;
        }
        catch (Exception e)
        {
            return Failed(e, message);
        }
        finally
        {
            Volatile.Write(ref target.Busy, 0);
        }
    }

    /// <summary>Tells where an output of the latest run lies.</summary>
    public static int Output(nint handle, int index, NativeTensor* output, NativeMessage message)
    {
        try
        {
            var model = Of(handle).Model;
            if (model.OutputFault(index) is { } fault)
                throw new ModelException(ModelError.Argument, fault);
            var view = model.Output(index);
            *output = new(view.Pointer, view.Info.Type, view.Sizes);
            return 0;
        }
        catch (Exception e)
        {
            return Failed(e, message);
        }
    }

    static Handle Of(nint handle) => (Handle)GCHandle.FromIntPtr(handle).Target!;

    static int Failed(Exception e, NativeMessage message)
    {
        var (error, text) = e switch
        {
            ModelException known => (known.Error, known.Message),
            InvalidOperationException misuse => (ModelError.State, misuse.Message),
            OutOfMemoryException => (ModelError.Memory, "the machine has not enough memory"),
            _ => (ModelError.Internal, $"a defect of the compiled model: {e.Message}"),
        };
        message.Set(text);
        return (int)error;
    }
}
