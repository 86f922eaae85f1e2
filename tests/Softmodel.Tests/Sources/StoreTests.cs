using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Softmodel.Sources;

namespace Softmodel.Tests.Sources;

/// <summary>The store against an npm client of our own, which copies archives and fails as the real one does.</summary>
public sealed class StoreTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    string Cache => Path.Combine(root, "cache");

    StoreSettings Settings => new(Cache, null, Path.Combine(root, "npm"), new Uri("http://127.0.0.1:9/"), null);

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>Writes a package, and a client that counts its calls and hands the package out.</summary>
    void Publish(params (string Name, string Text)[] entries) => PublishTar(stream =>
    {
        using var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var (name, text) in entries.Prepend(("package/package.json", """{ "license": "MIT" }""")))
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Bytes(text)) });
    }, [.. entries.Select(e => e.Name)]);

    void PublishTar(Action<Stream> write, string[] names)
    {
        using (var gzip = new GZipStream(File.Create(Path.Combine(root, "package.tgz")), CompressionLevel.Fastest))
            write(gzip);
        var listing = JsonSerializer.Serialize(new[] { new { files = names.Select(n => new { path = n[(n.IndexOf('/') + 1)..] }) } });
        File.WriteAllText(Path.Combine(root, "listing.json"), listing);
        Client($"""
            echo call >> '{root}/calls'
            while [ "$1" != --pack-destination ]; do shift; done
            cp '{root}/package.tgz' "$2/package-1.0.0.tgz"
            cat '{root}/listing.json'
            """);
    }

    void Client(string script)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in for npm is a shell script");
        var path = Path.Combine(root, "npm");
        File.WriteAllText(path, "#!/bin/sh\n" + script.ReplaceLineEndings("\n") + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    int Calls => File.Exists(Path.Combine(root, "calls")) ? File.ReadAllLines(Path.Combine(root, "calls")).Length : 0;

    Task<ResolvedModel> Resolve(string source, IProgress<FetchProgress>? progress = null, CancellationToken cancel = default) =>
        new Store(Settings, Catalogue.All).Resolve(Source.Parse(source), progress, cancel);

    async Task<string> Refused(string source) => (await Assert.ThrowsAsync<SoftmodelException>(() => Resolve(source, cancel: Cancel))).Message;

    void AssertNothingLeft()
    {
        Assert.False(Directory.Exists(Path.Combine(Cache, "models")) && Directory.EnumerateFileSystemEntries(Path.Combine(Cache, "models")).Any());
        Assert.False(Directory.Exists(Path.Combine(Cache, "tmp")) && Directory.EnumerateFileSystemEntries(Path.Combine(Cache, "tmp")).Any());
    }

    [Fact]
    public async Task A_package_is_fetched_once_and_then_used_without_the_network()
    {
        Publish(("package/sub/m.onnx", "network"), ("package/sub/m.onnx.data", "weights"), ("package/other/x.txt", "-"), ("package/LICENSE.md", "be good"));
        var first = await Resolve("npm:some@1.0.0#sub/m.onnx", cancel: Cancel);
        Client("exit 1");
        var second = await Resolve("npm:some@1.0.0#sub/m.onnx", cancel: Cancel);
        Assert.Equal(first.Files, second.Files);
        Assert.Equal("network", File.ReadAllText(first.MainFile));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Bytes("network"))), first.Files[0].Sha256);
        Assert.Equal("weights", File.ReadAllText(Path.Combine(first.Folder, "m.onnx.data")));
        Assert.Equal("MIT", first.Licence.Spdx);
        Assert.Equal("be good", File.ReadAllText(first.Licence.TextFile!));
        Assert.False(File.Exists(Path.Combine(first.Folder, "x.txt")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Cache, "tmp")));
    }

    [Fact]
    public async Task What_was_damaged_in_the_cache_is_fetched_again()
    {
        Publish(("package/m.onnx", "network"));
        var first = await Resolve("npm:some@1.0.0", cancel: Cancel);
        File.WriteAllText(first.MainFile, "netwurk");
        var second = await Resolve("npm:some@1.0.0", cancel: Cancel);
        Assert.Equal("network", File.ReadAllText(second.MainFile));
        Assert.Equal(2, Calls);
    }

    [Theory]
    [InlineData("source.json", 2)]
    [InlineData("licences/some/LICENSE", 2)]
    [InlineData("licences/some/package.json", 2)]
    [InlineData("manifest", 1)]
    public async Task A_bit_in_what_lies_beside_the_model_is_noticed(string file, int calls)
    {
        Publish(("package/m.onnx", "network"), ("package/LICENSE", "be good"));
        var first = await Resolve("npm:some@1.0.0", cancel: Cancel);
        var path = Path.Combine(first.Folder, file);
        var whole = await File.ReadAllBytesAsync(path, Cancel);
        for (var at = whole.Length / 2; at < whole.Length; at += Math.Max(1, whole.Length / 2 - 1))
        {
            var told = new List<string>();
            var damaged = whole.ToArray();
            damaged[at] ^= 4;
            await File.WriteAllBytesAsync(path, damaged, Cancel);
            ResolvedModel second;
            using (Repairs.Listen(told.Add))
                second = await Resolve("npm:some@1.0.0", cancel: Cancel);
            Assert.Equal("be good", await File.ReadAllTextAsync(second.Licence.TextFile!, Cancel));
            Assert.Equal(whole, await File.ReadAllBytesAsync(path, Cancel));
            Assert.Contains(told, t => t.Contains($"'{file}' of npm:some@1.0.0 in the cache was damaged", StringComparison.Ordinal));
        }
        Assert.Equal(calls == 1 ? 1 : 3, Calls);
    }

    [Fact]
    public async Task A_member_of_the_record_that_has_lost_its_name_is_noticed()
    {
        Publish(("package/m.onnx", "network"), ("package/LICENSE", "be good"));
        var first = await Resolve("npm:some@1.0.0", cancel: Cancel);
        var path = Path.Combine(first.Folder, "source.json");
        var whole = await File.ReadAllTextAsync(path, Cancel);
        var members = Regex.Matches(whole, "\"(\\w+)\":");
        Assert.Equal(10, members.Count);
        foreach (Match member in members)
        {
            await File.WriteAllTextAsync(path, whole.Insert(member.Index + 1, "x"), Cancel);
            await Resolve("npm:some@1.0.0", cancel: Cancel);
            Assert.Equal(whole, await File.ReadAllTextAsync(path, Cancel));
        }
        await File.WriteAllTextAsync(path, """{ "source": "npm:some@1.0.0", "licence": { "spdx": "MIT" }, "files": [null] }""", Cancel);
        await Resolve("npm:some@1.0.0", cancel: Cancel);
        Assert.Equal(whole, await File.ReadAllTextAsync(path, Cancel));
    }

    [Fact]
    public async Task What_is_damaged_and_cannot_be_fetched_is_named()
    {
        Publish(("package/m.onnx", "network"));
        var first = await Resolve("npm:some@1.0.0#m.onnx", cancel: Cancel);
        await File.WriteAllTextAsync(first.MainFile, "netwurk", Cancel);
        Client("echo '{ \"error\": { \"code\": \"ENOTFOUND\" } }'; exit 1");
        Assert.Contains("'m.onnx' of npm:some@1.0.0#m.onnx in the cache is damaged", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_an_older_version_fetched_is_listed_and_not_fetched_again()
    {
        Publish(("package/m.onnx", "network"));
        var first = await Resolve("npm:some@1.0.0#m.onnx", cancel: Cancel);
        var list = Path.Combine(first.Folder, Manifest.Name);
        File.Delete(list);
        await Resolve("npm:some@1.0.0#m.onnx", cancel: Cancel);
        Assert.True(File.Exists(list));
        Assert.Equal(1, Calls);
    }

    [Fact]
    public async Task Twenty_at_once_fetch_once()
    {
        Publish(("package/m.onnx", "network"));
        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => Resolve("npm:some@1.0.0#m.onnx"))));
        Assert.All(all, m => Assert.Equal("network", File.ReadAllText(m.MainFile)));
        Assert.Equal(1, Calls);
    }

    [Fact]
    public async Task A_range_of_bytes_is_cut_out()
    {
        Publish(("package/pack.data", "0123456789"));
        var model = await Resolve("npm:some@1.0.0#pack.data[3..7]", cancel: Cancel);
        Assert.Equal("3456", File.ReadAllText(model.MainFile));
    }

    [Fact]
    public async Task A_range_beyond_the_file_is_refused()
    {
        Publish(("package/pack.data", "0123456789"));
        Assert.Contains("10 bytes", await Refused("npm:some@1.0.0#pack.data[3..11]"), StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Fact]
    public async Task A_missing_file_is_named()
    {
        Publish(("package/m.onnx", "network"));
        Assert.Contains("'n.onnx'", await Refused("npm:some@1.0.0#n.onnx"), StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Fact]
    public async Task An_open_choice_is_put_to_the_user()
    {
        Publish(("package/a.onnx", "a"), ("package/b/b.gguf", "b"));
        Assert.Contains("a.onnx, b/b.gguf", await Refused("npm:some@1.0.0"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../../escaped.onnx")]
    [InlineData("/escaped.onnx")]
    [InlineData("package/../../escaped.onnx")]
    public async Task No_entry_leaves_its_folder(string name)
    {
        Publish((name, "evil"), ("package/m.onnx", "network"), ("package/../m2.onnx", "evil"));
        var model = await Resolve("npm:some@1.0.0#m.onnx", cancel: Cancel);
        Assert.Equal("network", File.ReadAllText(model.MainFile));
        Assert.All(Directory.EnumerateFiles(root, "*escaped*", SearchOption.AllDirectories), f => Assert.StartsWith(model.Folder, f, StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFiles(root, "m2.onnx", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_link_is_not_followed()
    {
        var secret = Path.Combine(root, "secret");
        File.WriteAllText(secret, "secret");
        PublishTar(stream =>
        {
            using var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true);
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "package/m.onnx") { LinkName = secret });
        }, ["package/m.onnx"]);
        Assert.Contains("'m.onnx'", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Fact]
    public async Task A_damaged_archive_is_refused()
    {
        Publish(("package/m.onnx", new string('x', 100000)));
        var archive = Path.Combine(root, "package.tgz");
        File.WriteAllBytes(archive, File.ReadAllBytes(archive)[..^60]);
        Assert.Contains("damaged", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
        File.WriteAllText(archive, "no archive");
        Assert.Contains("damaged", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Theory]
    [InlineData("E404", "no package some@1.0.0")]
    [InlineData("ETARGET", "not in this version")]
    [InlineData("E401", "npm login")]
    [InlineData("EAI_AGAIN", "check the network")]
    [InlineData("ENOSPC", "SOFTMODEL_CACHE")]
    [InlineData("EINTEGRITY", "try again")]
    [InlineData("EODD", "because of the weather")]
    public async Task A_failure_of_npm_says_what_to_do(string code, string says)
    {
        Client($$"""
            echo '{ "error": { "code": "{{code}}", "summary": "because of the weather" } }'
            exit 1
            """);
        Assert.Contains(says, await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Theory]
    [InlineData("echo nonsense")]
    [InlineData("echo '[]'")]
    [InlineData("echo '{}'; exit 3")]
    [InlineData("exit 1")]
    public async Task An_npm_that_talks_nonsense_is_an_error(string script)
    {
        Client(script);
        Assert.Contains("npm", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Fact]
    public async Task Without_npm_the_message_says_what_to_install() =>
        Assert.Contains("install Node.js", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);

    [Fact]
    public async Task Cancelling_ends_the_client_and_leaves_nothing()
    {
        Client($"""
            echo call >> '{root}/calls'
            sleep 60 &
            echo $! > '{root}/sleeper'
            wait
            """);
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var fetch = Resolve("npm:some@1.0.0#m.onnx", cancel: source.Token);
        while (!File.Exists(Path.Combine(root, "sleeper")) || File.ReadAllText(Path.Combine(root, "sleeper")).Trim().Length == 0)
            await Task.Delay(10, Cancel);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetch);
        AssertNothingLeft();
        var sleeper = File.ReadAllText(Path.Combine(root, "sleeper")).Trim();
        for (var tries = 0; Runs(sleeper); tries++)
        {
            Assert.True(tries < 100, "what the client had started still runs");
            await Task.Delay(50, Cancel);
        }
    }

    static bool Runs(string process)
    {
        try
        {
            return OperatingSystem.IsLinux() && !File.ReadAllText($"/proc/{process}/stat").Contains(") Z");
        }
        catch (IOException)
        {
            return false;
        }
    }

    [Fact]
    public async Task Progress_tells_of_bytes()
    {
        Client($"""
            while [ "$1" != --pack-destination ]; do shift; done
            head -c 5000 /dev/zero > "$2/npm/part"
            sleep 0.5
            echo '{JsonSerializer.Serialize(new { error = new { code = "E404" } })}'
            exit 1
            """);
        var seen = new List<FetchProgress>();
        await Assert.ThrowsAsync<SoftmodelException>(() => Resolve("npm:some@1.0.0#m.onnx", new Direct(seen.Add), Cancel));
        Assert.Contains(seen, p => p is { Step: "fetching", Bytes: 5000 });
    }

    sealed class Direct(Action<FetchProgress> report) : IProgress<FetchProgress>
    {
        public void Report(FetchProgress value) => report(value);
    }

    [Fact]
    public async Task A_cache_that_cannot_be_written_is_named()
    {
        File.WriteAllText(Cache, "a file where the folder should be");
        Publish(("package/m.onnx", "network"));
        Assert.Contains("SOFTMODEL_CACHE", await Refused("npm:some@1.0.0#m.onnx"), StringComparison.Ordinal);
        Assert.Equal("a file where the folder should be", File.ReadAllText(Cache));
    }

    [Fact]
    public async Task An_unknown_name_is_answered_with_the_nearest() =>
        Assert.Contains("did you mean 'tts-en'?", await Refused("tts-eng"), StringComparison.Ordinal);

    [Fact]
    public async Task A_file_of_the_user_is_used_where_it_lies()
    {
        var path = Path.Combine(root, "my.onnx");
        File.WriteAllText(path, "network");
        Assert.Equal(path, (await Resolve(path, cancel: Cancel)).MainFile);
        Assert.Equal(path, (await Resolve($"file:{path}", cancel: Cancel)).MainFile);
        Assert.Equal(path, (await Resolve(root, cancel: Cancel)).MainFile);
        Assert.Contains("no file", await Refused(path + "x"), StringComparison.Ordinal);
    }

    static CatalogueFile Entry(string role, string source, string text, params string[] then) =>
        new(role, Source.Parse(source), [.. then.Select(Source.Parse)], $"{role}.bin", text.Length, Convert.ToHexStringLower(SHA256.HashData(Bytes(text))));

    static CatalogueModel Model(params CatalogueFile[] files) => new("known", "A model.", "test", new ModelLicence("MIT", "a note"), 100, files);

    Task<ResolvedModel> Resolve(CatalogueModel model, string? models = null) =>
        new Store(Settings with { Models = models }, [model]).Resolve(Source.Parse("known"), null, Cancel);

    [Fact]
    public async Task A_model_of_the_catalogue_is_cut_and_joined_from_pieces()
    {
        Publish(("package/pack.data", "0123456789"), ("package/b.part", "tail"), ("package/LICENSE", "be good"));
        var model = await Resolve(Model(
            Entry("model", "npm:some@1.0.0#pack.data[2..6]", "2345tail01", "npm:other@1.0.0#b.part", "npm:some@1.0.0#pack.data[0..2]"),
            Entry("tokens", "npm:some@1.0.0#pack.data[6..9]", "678")));
        Assert.Equal("known", model.Name);
        Assert.Equal("2345tail01", File.ReadAllText(model.MainFile));
        Assert.Equal("678", File.ReadAllText(model.File("tokens")));
        Assert.Null(model.Find("lexicon"));
        Assert.Contains("'lexicon'", Assert.Throws<SoftmodelException>(() => model.File("lexicon")).Message, StringComparison.Ordinal);
        Assert.Equal(("MIT", "a note", "be good"), (model.Licence.Spdx, model.Licence.Note, File.ReadAllText(model.Licence.TextFile!)));
        Assert.Empty(Directory.EnumerateFiles(model.Folder, "*.part"));
        Assert.Equal(2, Calls);
    }

    [Fact]
    public async Task A_file_with_the_right_hash_is_used_instead_of_a_download()
    {
        var models = Directory.CreateDirectory(Path.Combine(root, "models", "deep")).Parent!.FullName;
        File.WriteAllText(Path.Combine(models, "wrong"), "natwork");
        File.WriteAllText(Path.Combine(models, "deep", "any-name"), "network");
        var model = await Resolve(Model(Entry("model", "npm:some@1.0.0#m.onnx", "network")), models);
        Assert.Equal("network", File.ReadAllText(model.MainFile));

        var other = Model(Entry("model", "npm:some@1.0.0#m.onnx", "notwork"));
        Assert.Contains("install Node.js", (await Assert.ThrowsAsync<SoftmodelException>(() => Resolve(other, models))).Message, StringComparison.Ordinal);
        Assert.Contains("no folder", (await Assert.ThrowsAsync<SoftmodelException>(() => Resolve(other, models + "x"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("another network")]
    [InlineData("netwurk")]
    public async Task What_the_catalogue_does_not_list_is_not_kept(string text)
    {
        Publish(("package/m.onnx", text));
        var e = await Assert.ThrowsAsync<SoftmodelException>(() => Resolve(Model(Entry("model", "npm:some@1.0.0#m.onnx", "network"))));
        Assert.Contains("SHA-256", e.Message, StringComparison.Ordinal);
        AssertNothingLeft();
    }

    [Fact]
    public void The_cache_lies_where_the_user_wants_it()
    {
        static string Of(params (string, string)[] variables) => StoreSettings.From(n => variables.FirstOrDefault(v => v.Item1 == n).Item2).Cache;
        Assert.Equal(Path.GetFullPath("/a"), Of(("SOFTMODEL_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")));
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the rest is for systems with XDG");
        Assert.Equal("/b/softmodel", Of(("XDG_CACHE_HOME", "/b"), ("HOME", "/c")));
        Assert.Equal("/c/.cache/softmodel", Of(("XDG_CACHE_HOME", "relative"), ("HOME", "/c")));
    }
}
