using Softmodel.Fusion;

namespace Softmodel.Tests.Fusion;

public sealed class StoredResidualsTests : IDisposable
{
    const int Width = 4;

    static readonly int[][] texts = [[1, 2, 3], [4], [5, 6]];

    readonly string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(path);

    StoredResiduals Open(string baseHash = "0123", int[][]? of = null) => new(path, baseHash, [3, 7], Width, of ?? texts);

    // For each layer a ramp that begins elsewhere.
    static float[][] Streams(int text) => [.. Enumerable.Range(0, 2).Select(layer => Enumerable.Range(0, texts[text].Length * Width).Select(i => 100 * layer + 10 * text + i * 0.5f).ToArray())];

    static float[] Read(StoredResiduals stored, int text, int layer)
    {
        var read = new float[texts[text].Length * Width];
        stored.Read(text, layer, read);
        return read;
    }

    [Fact]
    public void What_was_read_before_a_stop_is_there()
    {
        using (var stored = Open())
        {
            Assert.Equal(0, stored.Count);
            stored.Append(Streams(0));
            stored.Append(Streams(1));
        }
        using var again = Open();
        Assert.Equal(2, again.Count);
        again.Append(Streams(2));
        for (var text = 0; text < texts.Length; text++)
        {
            for (var layer = 0; layer < 2; layer++)
                Assert.Equal(Streams(text)[layer], Read(again, text, layer));
        }
    }

    [Fact]
    public void A_text_that_is_not_whole_is_read_again()
    {
        using (var stored = Open())
        {
            stored.Append(Streams(0));
            stored.Append(Streams(1));
        }
        using (var file = File.OpenWrite(path))
            file.SetLength(file.Length - 1);
        using var again = Open();
        Assert.Equal(1, again.Count);
    }

    [Fact]
    public void Of_another_model_or_other_texts_it_begins_anew()
    {
        using (var stored = Open())
            stored.Append(Streams(0));
        using (var other = Open(of: [[1, 2, 3], [4], [5, 7]]))
        {
            Assert.Equal(0, other.Count);
            other.Append(Streams(0));
        }
        using var another = Open("4567", [[1, 2, 3], [4], [5, 7]]);
        Assert.Equal(0, another.Count);
    }

    [Fact]
    public void What_is_too_large_for_a_half_is_clipped()
    {
        using var stored = Open();
        stored.Append([[.. Enumerable.Repeat(1e6f, 12)], [.. Enumerable.Repeat(-1e6f, 12)]]);
        Assert.All(Read(stored, 0, 0), x => Assert.Equal(65_504, x));
        Assert.All(Read(stored, 0, 1), x => Assert.Equal(-65_504, x));
    }
}
