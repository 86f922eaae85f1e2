using System.ComponentModel;

namespace Softmodel.Runtime;

/// <summary>Room for what one task computes in between; it is kept by the thread, so that it stays in the core's cache.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static unsafe class Scratch
{
    [ThreadStatic]
    static Room? room;

    sealed class Room(long floats) : IDisposable
    {
        public readonly float* Start = (float*)AlignedMemory.Allocate(checked(floats * sizeof(float)));
        public readonly long Floats = floats;

        public void Dispose()
        {
            AlignedMemory.Free(Start);
            GC.SuppressFinalize(this);
        }

        // Freed with the thread.
        ~Room() => AlignedMemory.Free(Start);
    }

    /// <summary>Room for at least so many numbers, aligned to a cache line; what it holds is whatever was left there.</summary>
    /// <param name="floats">How many; the same or less costs nothing after the first time.</param>
    public static float* Floats(long floats)
    {
        if (GuardPages.AreOn)
            return Guarded(floats);
        if (room is null || room.Floats < floats)
        {
            room = new Room(floats);
            new Span<float>(room.Start, checked((int)floats)).Clear();
        }
        return room.Start;
    }

    static float* Guarded(long floats)
    {
        room?.Dispose();
        return (room = new Room(floats)).Start;
    }
}
