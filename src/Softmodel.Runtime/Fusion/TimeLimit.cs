using System.Globalization;

namespace Softmodel.Runtime.Fusion;

/// <summary>
/// Runs what may never end. .NET ends no thread from outside: one that is late is left to itself, in the background, and once
/// <see cref="MaxAbandoned"/> are, the program isn't called any more, so that they are never more than that.
/// </summary>
sealed class TimeLimit
{
    /// <summary>How many threads of one program may be late.</summary>
    public const int MaxAbandoned = 2;

    int late;

    /// <summary>Runs a call on a thread of its own.</summary>
    /// <param name="call">The call; it doesn't throw.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="name">The name of the program, for the sentence.</param>
    public ProgramResult Run(Func<ProgramResult> call, TimeSpan limit, string name)
    {
        if (Volatile.Read(ref late) >= MaxAbandoned)
            return Late(limit, name);
        var (result, state) = (default(ProgramResult), 0);
        var thread = new Thread(() =>
        {
            result = call();
            // Whoever comes second, the thread or the clock, sees what the first has left.
            if (Interlocked.Exchange(ref state, 1) == 1)
                Interlocked.Decrement(ref late);
        })
        { IsBackground = true, Name = name };
        thread.Start();
        if (thread.Join(limit) || Interlocked.Exchange(ref state, 1) == 1)
            return result;
        Interlocked.Increment(ref late);
        return Late(limit, name);
    }

    static ProgramResult Late(TimeSpan limit, string name) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{name} took longer than {limit.TotalMilliseconds:0} ms."), ProgramFailure.TimeLimit);
}
