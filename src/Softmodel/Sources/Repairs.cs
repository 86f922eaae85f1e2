namespace Softmodel.Sources;

/// <summary>Tells of what lay damaged in the cache and has been made or fetched again, and of a cache that can't be trusted.</summary>
public static class Repairs
{
    // What is told belongs to whoever asked for the work: two callers in one process don't hear each other's.
    static readonly AsyncLocal<Action<string>?> listener = new();

    /// <summary>Hands the sentences of the work that the caller does from here on, and of the tasks and threads that it starts, to <paramref name="hear"/>.</summary>
    /// <param name="hear">Is given a sentence; may be called from any thread. The command line writes it to standard error.</param>
    /// <returns>Ends the listening when disposed.</returns>
    public static IDisposable Listen(Action<string> hear)
    {
        var outer = listener.Value;
        listener.Value = hear;
        return new Listening(outer);
    }

    internal static void Tell(string sentence) => listener.Value?.Invoke(sentence);

    sealed class Listening(Action<string>? outer) : IDisposable
    {
        public void Dispose() => listener.Value = outer;
    }
}
