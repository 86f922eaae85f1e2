using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>
/// A few threads that share the tasks of one job after another. A job costs about a microsecond while jobs follow one
/// another closely; threads that find nothing to do for a while sleep.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed unsafe class Workers : IDisposable
{
    // Tasks are claimed by lowering the ticket: the job's number above, the tasks not yet claimed below. A worker reads
    // the job before it claims; that the claim succeeds proves that what it read is of the job that it claims from,
    // since a job is replaced only when nothing of it is left to claim.
    [StructLayout(LayoutKind.Explicit, Size = 320)]
    struct Job
    {
        [FieldOffset(64)] public long Ticket;
        [FieldOffset(128)] public int Unfinished;
        [FieldOffset(192)] public delegate*<void*, int, void> Body;
        [FieldOffset(200)] public void* State;
        [FieldOffset(208)] public int Tasks;
    }

    // About 10 ms, 50 µs and 170 µs. To wake a thread takes tens of microseconds, more than most jobs: between the jobs of
    // one inference threads wait awake, through its serial pieces too.
    const int SpinsWithin = 120_000, SpinsBeforeSleep = 600, SpinsBeforeYield = 2000;

    readonly Thread[] threads;
    readonly object gate = new();
    Job job;
    ExceptionDispatchInfo? failure;
    int sleeping, running;
    bool stopping, within;

    /// <summary>Starts the threads.</summary>
    /// <param name="count">Threads that work on a job, the one that brings it included, so that one less is started.</param>
    public Workers(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        threads = new Thread[count - 1];
        for (var i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Work, 256 << 10) { IsBackground = true, Name = "softmodel" };
            threads[i].Start();
        }
    }

    /// <summary>The threads that work on a job, the one that brings it included.</summary>
    public int Count => threads.Length + 1;

    /// <summary>Tells that jobs will follow one another closely from now on, until <see cref="End"/>: threads wake and stay awake.</summary>
    public void Begin()
    {
        Volatile.Write(ref within, true);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref sleeping) > 0)
            Wake();
    }

    /// <summary>Tells that there will be no more jobs for a while: threads may sleep.</summary>
    public void End() => Volatile.Write(ref within, false);

    /// <summary>Does all tasks of a job, in any order and on any thread, and returns when all are done.</summary>
    /// <param name="body">Does one task: is given the state and the task's number.</param>
    /// <param name="state">What the tasks have in common; must stay until this returns.</param>
    /// <param name="tasks">The number of tasks.</param>
    /// <remarks>A job brought from within a task, or while another is under way, is done by the thread that brings it.</remarks>
    /// <exception cref="Exception">What the first task to fail threw; tasks that had not begun are then left out.</exception>
    public void Run(delegate*<void*, int, void> body, void* state, int tasks)
    {
        if (tasks <= 1 || threads.Length == 0 || Interlocked.Exchange(ref running, 1) != 0)
        {
            for (var task = 0; task < tasks; task++)
                body(state, task);
            return;
        }
        job.Body = body;
        job.State = state;
        job.Tasks = job.Unfinished = tasks;
        var number = (Volatile.Read(ref job.Ticket) >> 32) + 1;
        // A full fence: either this sees a worker that is about to sleep, or that worker sees the ticket.
        Interlocked.Exchange(ref job.Ticket, (number << 32) | (uint)tasks);
        if (Volatile.Read(ref sleeping) > 0)
            Wake();
        Share();
        for (var spins = 0; Volatile.Read(ref job.Unfinished) != 0; spins++)
        {
            if (spins < SpinsBeforeYield)
                Thread.SpinWait(1);
            else
                Thread.Yield();
        }
        var thrown = failure;
        failure = null;
        Volatile.Write(ref running, 0);
        thrown?.Throw();
    }

    /// <summary>Claims and does tasks while there are any.</summary>
    void Share()
    {
        while (true)
        {
            var ticket = Volatile.Read(ref job.Ticket);
            var left = (int)ticket;
            if (left == 0)
                return;
            var body = job.Body;
            var state = job.State;
            var task = job.Tasks - left;
            if (Interlocked.CompareExchange(ref job.Ticket, ticket - 1, ticket) != ticket)
                continue;
            try
            {
                if (Volatile.Read(ref failure) is null)
                    body(state, task);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
            Interlocked.Decrement(ref job.Unfinished);
        }
    }

    void Work()
    {
        while (true)
        {
            var spins = 0;
            while ((int)Volatile.Read(ref job.Ticket) == 0 && ++spins < (Volatile.Read(ref within) ? SpinsWithin : SpinsBeforeSleep))
                Thread.SpinWait(1);
            if ((int)Volatile.Read(ref job.Ticket) == 0 && !Sleep())
                return;
            Share();
        }
    }

    /// <summary>Sleeps until there may be a job; false when there will be none.</summary>
    bool Sleep()
    {
        lock (gate)
        {
            Interlocked.Increment(ref sleeping);
            if (!stopping && (int)Volatile.Read(ref job.Ticket) == 0)
                Monitor.Wait(gate);
            sleeping--;
            return !stopping;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Wake()
    {
        lock (gate)
            Monitor.PulseAll(gate);
    }

    /// <summary>Ends the threads. No job may be under way.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            stopping = true;
            Monitor.PulseAll(gate);
        }
        foreach (var thread in threads)
            thread.Join();
    }
}
