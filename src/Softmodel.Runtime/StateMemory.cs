using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>Native memory for what a model keeps from run to run: each state grows and never shrinks, and what it holds stays.</summary>
/// <param name="count">How many states there are.</param>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed unsafe class StateMemory(int count) : IDisposable
{
    readonly nint[] allocated = new nint[count];
    readonly long[] capacity = new long[count];

    /// <summary>The bytes that all states together take now; pages of them that were never written take no memory.</summary>
    public long Bytes { get; private set; }

    /// <summary>The start of a state that has room for so many bytes, aligned to <see cref="Arena.Alignment"/>. What is new is zero.</summary>
    /// <param name="state">Which state.</param>
    /// <param name="bytes">The room.</param>
    /// <exception cref="ModelException">The machine's memory does not suffice; the state is as it was.</exception>
    public byte* Reserve(int state, long bytes)
    {
        if (bytes > capacity[state] || allocated[state] == 0 || (GuardPages.AreOn && bytes != capacity[state]))
            Grow(state, bytes);
        return Start(state);
    }

    byte* Start(int state) => GuardPages.AreOn ? (byte*)allocated[state] : Aligned(allocated[state]);

    void Grow(int state, long bytes)
    {
        // Half as much again, since what has grown by a row often grows by another.
        var granted = GuardPages.AreOn ? bytes : Math.Max(bytes + Math.Min(bytes, capacity[state] / 2), Arena.Alignment);
        nint grown;
        try
        {
            grown = (nint)(GuardPages.AreOn ? GuardPages.Allocate(granted) : NativeMemory.AllocZeroed(checked((nuint)granted + (nuint)Arena.Alignment)));
        }
        catch (Exception e) when (e is OutOfMemoryException or OverflowException)
        {
            throw new ModelException(ModelError.Memory, $"{bytes} bytes are needed for the model's states, and the machine does not have them; use a shorter context (fewer cells of the KV cache)");
        }
        var before = Start(state);
        var kept = Math.Min(capacity[state], granted);
        if (GuardPages.AreOn)
            NativeMemory.Clear((byte*)grown + kept, (nuint)(granted - kept));
        NativeMemory.Copy(before, GuardPages.AreOn ? (byte*)grown : Aligned(grown), (nuint)kept);
        Release(state);
        (allocated[state], capacity[state]) = (grown, granted);
        Bytes += granted;
    }

    static byte* Aligned(nint start) => (byte*)(start + Arena.Alignment - 1 & -Arena.Alignment);

    void Release(int state)
    {
        if (GuardPages.AreOn)
            GuardPages.Free((void*)allocated[state]);
        else
            NativeMemory.Free((void*)allocated[state]);
        Bytes -= capacity[state];
        (allocated[state], capacity[state]) = (0, 0);
    }

    /// <summary>Frees all states; they are zeros from now on.</summary>
    public void Clear()
    {
        for (var state = 0; state < allocated.Length; state++)
            Release(state);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what was not disposed of.</summary>
    ~StateMemory() => Clear();
}
