using System.Buffers;
using System.Runtime.InteropServices;
using Softmodel.Graphs;
using Softmodel.ModelTests.Speech;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Native;

/// <summary>Tests that count what the whole process allocates, and so run when no other does.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class Unaccompanied;

/// <summary>A run of a voice, once it is warm, allocates nothing on any thread.</summary>
[Collection<Unaccompanied>]
public sealed unsafe class AllocationTests : IDisposable
{
    readonly void* weights = NativeMemory.AlignedAlloc(WeightsFile.HeaderLength, Arena.Alignment);

    public void Dispose() => NativeMemory.AlignedFree(weights);

    static (CompiledModel, Tensor[]) Voice(int threads)
    {
        var cancel = TestContext.Current.CancellationToken;
        VoiceFolder.Of("tts-en").Wait(cancel);
        using var model = Model.LoadAsync("tts-en", cancellationToken: cancel).Result;
        var compiled = model.Compile(new() { Threads = threads });
        return (compiled, VoiceLibraryTests.Line("tts-en", compiled).Result.For(compiled.Inputs.Select(i => i.Name)));
    }

    /// <summary>The least that the process allocates in a run after the first ones: the test's own machinery may allocate now and then.</summary>
    static long Allocated(Action run)
    {
        for (var i = 0; i < 3; i++)
            run();
        var least = long.MaxValue;
        for (var i = 0; i < 20; i++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            run();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        return least;
    }

    [Fact]
    public void What_allocates_is_seen() => Assert.InRange(Allocated(() => GC.KeepAlive(new byte[100])), 100, 1000);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_run_allocates_nothing(int threads)
    {
        var (compiled, tensors) = Voice(threads);
        using var _ = compiled;
        var pins = tensors.Select(t => t.Bytes.Pin()).ToArray();
        var arguments = tensors.Select((t, i) => new TensorArgument(t.Type, pins[i].Pointer, t.Dims)).ToArray();
        compiled.Run(arguments);
        var memory = compiled.MemoryBytes;
        Assert.Equal(0, Allocated(() => compiled.Run(arguments)));
        Assert.Equal(memory, compiled.MemoryBytes);
        foreach (ref var pin in pins.AsSpan())
            pin.Dispose();
    }

    [ThreadStatic]
    static CompiledModel? made;

    static CompiledModel Make(WeightsFile _) => made!;

    nint Create()
    {
        nint handle;
        Assert.Equal(0, NativeInterface.Create(&Make, (byte*)weights, WeightsFile.HeaderLength, default, true, &handle, default));
        return handle;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_call_from_C_allocates_nothing(int threads)
    {
        var (compiled, tensors) = Voice(threads);
        var none = Path.Combine(Path.GetTempPath(), $"softmodel-{Guid.NewGuid():N}.weights");
        WeightsFile.Write(none, _ => { });
        File.ReadAllBytes(none).CopyTo(new Span<byte>(weights, WeightsFile.HeaderLength));
        File.Delete(none);
        made = compiled;
        var handle = Create();
        var pins = new MemoryHandle[tensors.Length];
        var inputs = (NativeTensor*)NativeMemory.AllocZeroed((nuint)((tensors.Length + 1) * sizeof(NativeTensor)));
        var output = inputs + tensors.Length;
        for (var i = 0; i < tensors.Length; i++)
        {
            pins[i] = tensors[i].Bytes.Pin();
            inputs[i] = new() { Data = pins[i].Pointer, Type = (int)tensors[i].Type, Rank = tensors[i].Rank };
            tensors[i].Dims.CopyTo(inputs[i].Sizes);
        }
        Assert.Equal(0, Allocated(() =>
        {
            if (NativeInterface.Run(handle, inputs, tensors.Length, default) != 0 || NativeInterface.Output(handle, 0, output, default) != 0)
                throw new InvalidOperationException();
        }));
        Assert.True(output->Sizes[output->Rank - 1] > 10_000);
        Assert.Equal(0, NativeInterface.Destroy(handle, default));
        NativeMemory.Free(inputs);
        foreach (ref var pin in pins.AsSpan())
            pin.Dispose();
    }
}
