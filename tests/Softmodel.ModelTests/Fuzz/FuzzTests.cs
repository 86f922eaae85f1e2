using Softmodel.Bench.Fuzz;

namespace Softmodel.ModelTests.Fuzz;

public class FuzzTests
{
    static FuzzOptions Options(long count) => new(Shared.Folder("onnx"), count, Seed: 7, CompileEvery: 40, MostBytes: 100_000);

    [Fact]
    public async Task Damaged_models_are_refused_with_a_message()
    {
        var report = await FuzzRun.Run(Options(3000), workers: 2, TestContext.Current.CancellationToken);
        Assert.Equal(3000, report.Fates.Values.Sum());
        Assert.True(report.DistinctErrors > 100);
        Assert.True(report.Fates[nameof(Fate.Imported)] > 0);
        Assert.Empty(report.Faults);
    }

    [Fact]
    public void The_same_seed_gives_the_same_models()
    {
        var options = Options(10);
        var corpus = FuzzWorker.Corpus(options.Corpus, options.MostBytes);
        var path = Path.GetTempFileName();
        byte[] Model(long index)
        {
            FuzzWorker.Write(path, options, corpus, index);
            return File.ReadAllBytes(path);
        }
        Assert.Equal(Model(3), Model(3));
        Assert.NotEqual(Model(3), Model(4));
        File.Delete(path);
    }
}
