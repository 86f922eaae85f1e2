using Softmodel.Bench.Fuzz;

namespace Softmodel.ModelTests.Fuzz;

public class FuzzTests
{
    static FuzzOptions Options(string format, string folder, long count) => new(format, Shared.Folder(folder), count, Seed: 7, CompileEvery: 40, FuzzFormat.Of(format).MostBytes);

    [Theory]
    [InlineData("onnx", "onnx", 3000, 100)]
    [InlineData("gguf", "lm/families", 500, 20)]
    [InlineData("safetensors", "lm/families", 500, 20)]
    public async Task Damaged_models_are_refused_with_a_message(string format, string folder, int count, int errors)
    {
        (count, errors) = Shared.AreAllCases ? (count, errors) : (count / 4, errors / 4);
        var report = await FuzzRun.Run(Options(format, folder, count), workers: 2, TestContext.Current.CancellationToken);
        Assert.Equal(count, report.Fates.Values.Sum());
        Assert.True(report.DistinctErrors > errors);
        Assert.True(report.Fates[nameof(Fate.Imported)] > 0);
        Assert.Empty(report.Faults);
    }

    [Theory]
    [InlineData("onnx", "onnx")]
    [InlineData("gguf", "lm/families")]
    [InlineData("safetensors", "lm/families")]
    public void The_same_seed_gives_the_same_models(string format, string folder)
    {
        var options = Options(format, folder, 10);
        var corpus = FuzzWorker.Corpus(options);
        var place = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
        byte[] Model(long index)
        {
            FuzzWorker.Write(Path.Combine(place, "model"), options, corpus, index);
            return [.. Directory.EnumerateFiles(place, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).SelectMany(File.ReadAllBytes)];
        }
        Assert.Equal(Model(3), Model(3));
        Assert.NotEqual(Model(3), Model(4));
        Directory.Delete(place, recursive: true);
    }
}
