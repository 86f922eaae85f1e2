using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Softmodel.Fusion;

/// <summary>
/// Residual streams of texts in a file, in half precision: they are too large for memory, and what was read before a stop is there when
/// it goes on. The file begins with a hash of what it is of; the texts follow in order, each with its layers one after the other.
/// </summary>
sealed class StoredResiduals : IDisposable
{
    const int Header = 64;

    // The first token's channels may be larger than what a half can be.
    const float Most = 65_504;

    readonly SafeFileHandle file;
    readonly IReadOnlyList<int[]> texts;
    readonly long[] begins;

    /// <summary>Opens the file, or begins it anew where there is none, or one of other texts.</summary>
    /// <param name="path">The file.</param>
    /// <param name="baseHash">The hash of the model.</param>
    /// <param name="layers">After which layers.</param>
    /// <param name="width">The width of the stream.</param>
    /// <param name="texts">The tokens of each text.</param>
    /// <exception cref="SoftmodelException">It can't be written.</exception>
    public StoredResiduals(string path, string baseHash, IReadOnlyList<int> layers, int width, IReadOnlyList<int[]> texts)
    {
        (this.texts, Layers, Width) = (texts, layers, width);
        begins = new long[texts.Count + 1];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{baseHash} {width} {string.Join(' ', layers)}")));
        for (var i = 0; i < texts.Count; i++)
        {
            begins[i + 1] = begins[i] + (long)texts[i].Length * layers.Count * width * 2;
            hash.AppendData(MemoryMarshal.AsBytes<int>([texts[i].Length, .. texts[i]]));
        }
        Identity = Convert.ToHexStringLower(hash.GetHashAndReset());
        try
        {
            file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
            var there = new byte[Header];
            var length = RandomAccess.Read(file, there, 0) == Header && Encoding.ASCII.GetString(there) == Identity ? RandomAccess.GetLength(file) - Header : -1;
            if (length < 0)
            {
                RandomAccess.SetLength(file, 0);
                RandomAccess.Write(file, Encoding.ASCII.GetBytes(Identity), 0);
                (length, IsNew) = (0, true);
            }
            while (Count < texts.Count && begins[Count + 1] <= length)
                Count++;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' can't be written: {e.Message}", e);
        }
    }

    /// <summary>After which layers.</summary>
    public IReadOnlyList<int> Layers { get; }

    /// <summary>The width of the stream.</summary>
    public int Width { get; }

    /// <summary>A hash of what it is of.</summary>
    public string Identity { get; }

    /// <summary>Whether there was nothing to go on from.</summary>
    public bool IsNew { get; }

    /// <summary>How many texts are there.</summary>
    public int Count { get; private set; }

    /// <summary>Adds the next text.</summary>
    /// <param name="streams">For each layer [tokens, width].</param>
    /// <exception cref="SoftmodelException">There is no space left.</exception>
    public void Append(float[][] streams)
    {
        var halves = new Half[(begins[Count + 1] - begins[Count]) / 2];
        foreach (var (i, stream) in streams.Index())
        {
            var clipped = new float[stream.Length];
            TensorPrimitives.Max(stream, -Most, clipped);
            TensorPrimitives.Min(clipped, Most, clipped);
            TensorPrimitives.ConvertToHalf(clipped, halves.AsSpan(i * stream.Length));
        }
        try
        {
            RandomAccess.Write(file, MemoryMarshal.AsBytes<Half>(halves), Header + begins[Count]);
        }
        catch (IOException e)
        {
            throw new SoftmodelException($"the residual streams can't be kept: {e.Message}; free space, or name another folder", e);
        }
        Count++;
    }

    /// <summary>Reads a stream.</summary>
    /// <param name="text">The number of the text.</param>
    /// <param name="layer">The number of the layer among <see cref="Layers"/>.</param>
    /// <param name="to">[tokens, width].</param>
    public void Read(int text, int layer, Span<float> to)
    {
        var length = texts[text].Length * Width;
        var halves = new Half[length];
        RandomAccess.Read(file, MemoryMarshal.AsBytes(halves.AsSpan()), Header + begins[text] + 2L * layer * length);
        TensorPrimitives.ConvertToSingle(halves, to);
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}

/// <summary>The streams of some texts at one layer.</summary>
/// <param name="Stored">Where they are.</param>
/// <param name="Layer">The number of the layer among those that are there.</param>
/// <param name="First">The number of the first text.</param>
readonly record struct Streams(StoredResiduals Stored, int Layer, int First)
{
    /// <summary>Reads the stream of a text, [tokens, width].</summary>
    public void Read(int text, Span<float> to) => Stored.Read(First + text, Layer, to);
}
