using Softmodel.Speech;

namespace Softmodel.Tests.Speech;

public class WaveFileTests
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-wave").FullName;

    string File(string name = "a.wav") => Path.Combine(folder, name);

    static readonly float[] samples = [0, 0.5f, -0.5f, 1, -1, 2, -2, 0.25f, 1e-3f];

    [Fact]
    public void Floats_come_back_as_they_were()
    {
        WaveFile.Write(File(), samples, 22050, WaveFormat.Float32);
        var read = WaveFile.Read(File());
        Assert.Equal(samples, read.Samples.ToArray());
        Assert.Equal(22050, read.SampleRate);
    }

    [Fact]
    public void Whole_numbers_are_rounded_and_clipped()
    {
        WaveFile.Write(File(), samples, 44100);
        Assert.All(WaveFile.Read(File()).Samples.ToArray().Zip(samples), p => Assert.Equal(Math.Clamp(p.Second, -1, 32767 / 32768f), p.First, 1 / 32768f));
        Assert.Equal(44 + 2 * samples.Length, new FileInfo(File()).Length);
    }

    [Fact]
    public void Pieces_make_the_same_file_as_the_whole()
    {
        var many = Enumerable.Range(0, 100_000).Select(i => MathF.Sin(i * 0.01f)).ToArray();
        WaveFile.Write(File("whole.wav"), many, 44100);
        using (var writer = new WaveWriter(File("pieces.wav"), 44100))
        {
            foreach (var piece in many.Chunk(777))
                writer.Write(piece);
            writer.Commit();
        }
        Assert.Equal(System.IO.File.ReadAllBytes(File("whole.wav")), System.IO.File.ReadAllBytes(File("pieces.wav")));
    }

    [Fact]
    public void Without_commit_the_old_file_stays_and_nothing_else_is_left()
    {
        WaveFile.Write(File(), samples, 44100);
        var before = System.IO.File.ReadAllBytes(File());
        using (var writer = new WaveWriter(File(), 8000))
            writer.Write(samples);
        Assert.Equal(before, System.IO.File.ReadAllBytes(File()));
        Assert.Single(Directory.GetFiles(folder));
    }

    [Fact]
    public void What_is_wrong_is_named()
    {
        Assert.Contains("folder", Assert.Throws<SoftmodelException>(() => WaveFile.Write(folder, samples, 8000)).Message);
        Assert.Contains("can't be written", Assert.Throws<SoftmodelException>(() => WaveFile.Write(Path.Combine(folder, "no", "a.wav"), samples, 8000)).Message);
        Assert.Contains("768,000", Assert.Throws<SoftmodelException>(() => WaveFile.Write(File(), samples, 0)).Message);
        Assert.Contains("can't be read", Assert.Throws<SoftmodelException>(() => WaveFile.Read(File("none.wav"))).Message);
    }

    [Fact]
    public void Damaged_files_are_refused_or_read_but_never_crash()
    {
        WaveFile.Write(File(), samples, 44100);
        var whole = System.IO.File.ReadAllBytes(File());
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var damaged = whole[..random.Next(whole.Length + 1)];
            for (var flips = random.Next(4); flips > 0 && damaged.Length > 0; flips--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            System.IO.File.WriteAllBytes(File("b.wav"), damaged);
            try
            {
                WaveFile.Read(File("b.wav"));
            }
            catch (SoftmodelException)
            {
            }
        }
    }
}
