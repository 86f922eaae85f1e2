namespace Softmodel.Sources;

/// <summary>Tells of what lay damaged in the cache and has been made or fetched again, and of a cache that can't be trusted.</summary>
public static class Repairs
{
    /// <summary>Is given a sentence; may be called from any thread. The command line writes it to standard error.</summary>
    public static event Action<string>? Told;

    internal static void Tell(string sentence) => Told?.Invoke(sentence);
}
