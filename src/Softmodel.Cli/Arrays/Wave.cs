using System.Buffers.Binary;
using Softmodel.Graphs;

namespace Softmodel.Cli.Arrays;

/// <summary>Sound in WAV files: 16-bit whole or 32-bit real samples of one channel.</summary>
static class Wave
{
    /// <summary>Reads samples between -1 and 1.</summary>
    /// <exception cref="SoftmodelException">It is no such file.</exception>
    public static (Tensor Samples, int Rate) Read(ReadOnlySpan<byte> bytes, string where)
    {
        if (bytes.Length < 12 || !bytes.StartsWith("RIFF"u8) || !bytes[8..].StartsWith("WAVE"u8))
            throw new SoftmodelException($"{where} is no WAV file");
        var (format, channels, rate, bits) = (0, 0, 0, 0);
        for (long at = 12; at + 8 <= bytes.Length;)
        {
            var chunk = bytes[(int)at..];
            var length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            var body = chunk[8..(int)Math.Min(chunk.Length, 8 + (long)length)];
            if (chunk.StartsWith("fmt "u8) && body.Length >= 16)
            {
                format = BinaryPrimitives.ReadUInt16LittleEndian(body);
                channels = BinaryPrimitives.ReadUInt16LittleEndian(body[2..]);
                rate = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
                bits = BinaryPrimitives.ReadUInt16LittleEndian(body[14..]);
            }
            else if (chunk.StartsWith("data"u8))
            {
                if (channels != 1 || (format, bits) is not ((1, 16) or (3, 32)))
                    throw new SoftmodelException($"{where} has {channels} channels of {bits} bits (format {format}); one channel of 16-bit whole or 32-bit real samples can be read");
                var samples = new float[body.Length / (bits / 8)];
                for (var i = 0; i < samples.Length; i++)
                    samples[i] = bits == 16 ? BinaryPrimitives.ReadInt16LittleEndian(body[(2 * i)..]) / 32768f : BinaryPrimitives.ReadSingleLittleEndian(body[(4 * i)..]);
                return (Tensor.Of<float>(samples, samples.Length), rate);
            }
            at += 8 + (long)length + (length & 1);
        }
        throw new SoftmodelException($"{where} holds no samples");
    }

    /// <summary>Writes samples as 16-bit numbers; what lies beyond -1 and 1 is cut off.</summary>
    public static void Write(Stream stream, Tensor samples, int rate)
    {
        var data = new byte[44 + 2 * samples.Count];
        "RIFF"u8.CopyTo(data);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(4), (uint)(data.Length - 8));
        "WAVEfmt "u8.CopyTo(data.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(16), 16);
        BinaryPrimitives.WriteInt16LittleEndian(data.AsSpan(20), 1);
        BinaryPrimitives.WriteInt16LittleEndian(data.AsSpan(22), 1);
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(24), rate);
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(28), 2 * rate);
        BinaryPrimitives.WriteInt16LittleEndian(data.AsSpan(32), 2);
        BinaryPrimitives.WriteInt16LittleEndian(data.AsSpan(34), 16);
        "data"u8.CopyTo(data.AsSpan(36));
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(40), (uint)(data.Length - 44));
        for (var i = 0; i < samples.Count; i++)
            BinaryPrimitives.WriteInt16LittleEndian(data.AsSpan(44 + 2 * i), (short)Math.Clamp(Math.Round(samples.Real(i) * 32767), -32768, 32767));
        stream.Write(data);
    }
}
