using System.Buffers.Binary;

namespace Softmodel.Speech;

/// <summary>
/// Writes a WAV file piece by piece. The pieces go to a file beside it, which takes the name with <see cref="Commit"/>;
/// without that, disposal leaves no trace.
/// </summary>
public sealed class WaveWriter : IDisposable
{
    const int HeaderLength = 44;

    readonly string path, temporary;
    readonly int sampleRate;
    readonly WaveFormat format;
    readonly FileStream file;
    readonly byte[] buffer = new byte[1 << 16];
    bool closed;

    /// <summary>Begins a file.</summary>
    /// <param name="path">The file that there will be.</param>
    /// <param name="sampleRate">The sample rate in Hz, from 1 to 768,000.</param>
    /// <param name="format">How they are stored.</param>
    /// <exception cref="SoftmodelException">The folder is missing or can't be written to, or the rate is out of range.</exception>
    public WaveWriter(string path, int sampleRate, WaveFormat format = WaveFormat.Pcm16)
    {
        if (sampleRate is < 1 or > 768_000)
            throw new SoftmodelException($"a sample rate of {sampleRate} Hz was asked for; 1 to 768,000 Hz are possible");
        if (Directory.Exists(path))
            throw new SoftmodelException($"'{path}' is a folder: name a file in it");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
            throw new SoftmodelException($"'{path}' can't be written: there is no folder '{folder}'");
        (this.path, this.sampleRate, this.format) = (path, sampleRate, format);
        temporary = $"{path}.{Guid.NewGuid():N}.part";
        try
        {
            file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write);
            file.Write(stackalloc byte[HeaderLength]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(e);
        }
    }

    /// <summary>How many samples there are so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds samples.</summary>
    /// <exception cref="SoftmodelException">The disk is full, or the file would have more than the 4 GiB a WAV file can have.</exception>
    public void Write(ReadOnlySpan<float> samples)
    {
        ObjectDisposedException.ThrowIf(closed, this);
        var width = WaveFile.Width(format);
        if ((Count + samples.Length) * width > uint.MaxValue - HeaderLength)
            throw new SoftmodelException($"'{path}' would be larger than the 4 GiB that a WAV file can have: write several");
        try
        {
            while (samples.Length > 0)
            {
                var piece = samples[..Math.Min(samples.Length, buffer.Length / width)];
                WaveFile.Encode(piece, format, buffer);
                file.Write(buffer, 0, piece.Length * width);
                Count += piece.Length;
                samples = samples[piece.Length..];
            }
        }
        catch (IOException e)
        {
            throw Refused(e);
        }
    }

    /// <summary>Completes the file and gives it its name, in place of one that had it.</summary>
    /// <exception cref="SoftmodelException">The disk is full, or the folder can't be written to.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(closed, this);
        try
        {
            file.Position = 0;
            file.Write(Header());
            file.Dispose();
            File.Move(temporary, path, overwrite: true);
            closed = true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(e);
        }
    }

    byte[] Header()
    {
        var width = WaveFile.Width(format);
        var length = (uint)(Count * width);
        var header = new byte[HeaderLength];
        var at = header.AsSpan();
        "RIFF"u8.CopyTo(at);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], HeaderLength - 8 + length);
        "WAVEfmt "u8.CopyTo(at[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(at[16..], 16);
        BinaryPrimitives.WriteInt16LittleEndian(at[20..], (short)(format == WaveFormat.Float32 ? 3 : 1));
        BinaryPrimitives.WriteInt16LittleEndian(at[22..], 1);
        BinaryPrimitives.WriteInt32LittleEndian(at[24..], sampleRate);
        BinaryPrimitives.WriteInt32LittleEndian(at[28..], sampleRate * width);
        BinaryPrimitives.WriteInt16LittleEndian(at[32..], (short)width);
        BinaryPrimitives.WriteInt16LittleEndian(at[34..], (short)(8 * width));
        "data"u8.CopyTo(at[36..]);
        BinaryPrimitives.WriteUInt32LittleEndian(at[40..], length);
        return header;
    }

    SoftmodelException Refused(Exception e) => new($"'{path}' can't be written: {e.Message}", e);

    /// <summary>Gives up what has not been committed.</summary>
    public void Dispose()
    {
        if (closed)
            return;
        closed = true;
        try
        {
            file.Dispose();
        }
        catch (IOException)
        {
            // What could not be flushed is given up with the rest.
        }
        File.Delete(temporary);
    }
}
