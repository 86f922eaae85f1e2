namespace Softmodel.Speech;

/// <summary>Samples of one channel.</summary>
/// <param name="Samples">The samples, from -1 to 1.</param>
/// <param name="SampleRate">The sample rate in Hz.</param>
public sealed record Sound(ReadOnlyMemory<float> Samples, int SampleRate)
{
    /// <summary>Its duration.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds((double)Samples.Length / SampleRate);

    /// <summary>Writes it as a WAV file.</summary>
    /// <param name="path">The file; one that is there is replaced only when the new one is whole.</param>
    /// <param name="format">How the samples are stored.</param>
    /// <exception cref="SoftmodelException">The file can't be written.</exception>
    public void Save(string path, WaveFormat format = WaveFormat.Pcm16) => WaveFile.Write(path, Samples.Span, SampleRate, format);
}
