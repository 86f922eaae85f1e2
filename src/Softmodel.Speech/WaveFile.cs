using System.Buffers.Binary;

namespace Softmodel.Speech;

/// <summary>How samples are stored in a WAV file.</summary>
public enum WaveFormat
{
    /// <summary>16-bit integers (PCM): what every player reads. Samples beyond -1 and 1 are clipped.</summary>
    Pcm16,
    /// <summary>32-bit floats: the samples as they are.</summary>
    Float32,
}

/// <summary>Reads and writes WAV files of one channel.</summary>
public static class WaveFile
{
    /// <summary>Writes a file; one that is there is replaced only when the new one is whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="samples">The samples, from -1 to 1.</param>
    /// <param name="sampleRate">The sample rate in Hz.</param>
    /// <param name="format">How they are stored.</param>
    /// <exception cref="SoftmodelException">The file can't be written, or would be larger than the 4 GiB a WAV file can have.</exception>
    public static void Write(string path, ReadOnlySpan<float> samples, int sampleRate, WaveFormat format = WaveFormat.Pcm16)
    {
        using var writer = new WaveWriter(path, sampleRate, format);
        writer.Write(samples);
        writer.Commit();
    }

    /// <summary>Reads a file of 8, 16, 24 or 32-bit integers or 32 or 64-bit floats. Several channels become their mean.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">The file is missing, damaged, or no WAV file of these kinds.</exception>
    public static Sound Read(string path)
    {
        try
        {
            return Decode(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SoftmodelException)
        {
            throw new SoftmodelException($"'{path}' can't be read as a WAV file: {e.Message}", e);
        }
    }

    static Sound Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 12 || !bytes.StartsWith("RIFF"u8) || !bytes[8..].StartsWith("WAVE"u8))
            throw new SoftmodelException("it does not begin as one");
        ReadOnlySpan<byte> format = default;
        for (var rest = bytes[12..]; rest.Length >= 8;)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            var isData = rest.StartsWith("data"u8);
            // A file that is being streamed tells a length beyond its end.
            var there = (int)Math.Min(length, (uint)(rest.Length - 8));
            if (there < length && !isData)
                throw new SoftmodelException("it is cut off");
            var chunk = rest.Slice(8, there);
            if (rest.StartsWith("fmt "u8))
                format = chunk;
            if (isData)
                return Samples(format, chunk);
            rest = rest[(int)Math.Min(rest.Length, 8L + there + (there & 1))..];
        }
        throw new SoftmodelException("it has no samples");
    }

    static Sound Samples(ReadOnlySpan<byte> format, ReadOnlySpan<byte> data)
    {
        const int Pcm = 1, Float = 3, Extensible = 0xFFFE;
        if (format.Length < 16)
            throw new SoftmodelException("it does not say how its samples are stored");
        var kind = (int)BinaryPrimitives.ReadUInt16LittleEndian(format);
        if (kind == Extensible && format.Length >= 26)
            kind = BinaryPrimitives.ReadUInt16LittleEndian(format[24..]);
        var channels = BinaryPrimitives.ReadUInt16LittleEndian(format[2..]);
        var rate = BinaryPrimitives.ReadInt32LittleEndian(format[4..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(format[14..]);
        if (channels == 0 || rate <= 0 || (kind, bits) is not ((Pcm, 8 or 16 or 24 or 32) or (Float, 32 or 64)))
            throw new SoftmodelException($"it has {channels} channels of {bits}-bit samples of kind {kind} at {rate} Hz; 8 to 32-bit integers and 32 or 64-bit floats can be read");
        var width = bits / 8;
        var samples = new float[data.Length / (width * channels)];
        for (var i = 0; i < samples.Length; i++)
        {
            var sum = 0.0;
            for (var c = 0; c < channels; c++)
                sum += Sample(data[((i * channels + c) * width)..], kind == Float, width);
            samples[i] = (float)(sum / channels);
        }
        return new Sound(samples, rate);
    }

    static double Sample(ReadOnlySpan<byte> at, bool isFloat, int width) => (isFloat, width) switch
    {
        (true, 4) => BinaryPrimitives.ReadSingleLittleEndian(at),
        (true, _) => BinaryPrimitives.ReadDoubleLittleEndian(at),
        (_, 1) => (at[0] - 128) / 128.0,
        (_, 2) => BinaryPrimitives.ReadInt16LittleEndian(at) / 32768.0,
        (_, 3) => ((at[0] << 8 | at[1] << 16 | at[2] << 24) >> 8) / 8388608.0,
        _ => BinaryPrimitives.ReadInt32LittleEndian(at) / 2147483648.0,
    };

    /// <summary>The bytes of samples in a format.</summary>
    internal static void Encode(ReadOnlySpan<float> samples, WaveFormat format, Span<byte> bytes)
    {
        for (var i = 0; i < samples.Length; i++)
        {
            if (format == WaveFormat.Float32)
                BinaryPrimitives.WriteSingleLittleEndian(bytes[(4 * i)..], samples[i]);
            else
                BinaryPrimitives.WriteInt16LittleEndian(bytes[(2 * i)..], float.IsNaN(samples[i]) ? (short)0 : (short)Math.Clamp(MathF.Round(samples[i] * 32768), short.MinValue, short.MaxValue));
        }
    }

    internal static int Width(WaveFormat format) => format == WaveFormat.Float32 ? 4 : 2;
}
