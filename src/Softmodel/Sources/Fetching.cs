namespace Softmodel.Sources;

/// <summary>Tells of a download in words.</summary>
/// <param name="progress">Is told.</param>
sealed class Fetching(IProgress<string> progress) : IProgress<FetchProgress>
{
    int last = -1;

    /// <summary>What tells of it; null where nobody is told.</summary>
    public static Fetching? To(IProgress<string>? progress) => progress is null ? null : new(progress);

    public void Report(FetchProgress value)
    {
        // News at every percent are enough for a line of text.
        var percent = value.Total is > 0 and var total ? (int)(100 * value.Bytes / total) : 0;
        if (Interlocked.Exchange(ref last, percent) != percent)
            progress.Report(value.Total is null ? $"{value.Step} {value.Model}" : $"{value.Step} {value.Model}: {percent} %");
    }
}
