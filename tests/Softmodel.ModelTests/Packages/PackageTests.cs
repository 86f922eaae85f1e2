using System.Diagnostics;
using System.IO.Compression;
using Softmodel.ModelTests.Native;
using Softmodel.ModelTests.Speech;
using Softmodel.Speech;

namespace Softmodel.ModelTests.Packages;

/// <summary>The packages, installed from a folder into projects outside of the repository, as a user does.</summary>
public sealed class PackageTests(ITestOutputHelper output) : IDisposable
{
    const string Text = "Good morning. It is 7:30, said Xanthippe Quorvane.";

    static readonly string[] packages = ["Softmodel.Runtime", "Softmodel.Language", "Softmodel.Speech", "Softmodel", "Softmodel.Cli"];

    // A version of its own, which no cache of packages knows.
    static readonly string version = $"0.0.0-test.{Guid.NewGuid():N}";

    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose()
    {
        Directory.Delete(root, recursive: true);
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        foreach (var package in packages.Select(p => Path.Combine(cache, p.ToLowerInvariant(), version)).Where(Directory.Exists))
            Directory.Delete(package, recursive: true);
    }

    static string Repository(string folder) => File.Exists(Path.Combine(folder, "Softmodel.slnx")) ? folder : Repository(Path.GetDirectoryName(folder)!);

    // Tests lie in bin/CONFIGURATION/net10.0.
    static string Configuration => Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar))!);

    static string Run(string folder, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        // What the test's own build has set is not the new project's.
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || k is "DOTNET_CLI_TELEMETRY_SESSIONID").ToArray())
            start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {said}{error.Result}");
        return said;
    }

    string Packed()
    {
        var folder = Path.Combine(root, "packages");
        Run(Repository(AppContext.BaseDirectory), "dotnet", "pack", "--no-build", "-c", Configuration, $"-p:PackageVersion={version}", "-o", folder, "-v", "q", "-nologo", "-nodeReuse:false");
        return folder;
    }

    string Project(string name, string source, string package, string code)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, name)).FullName;
        File.WriteAllText(Path.Combine(folder, "nuget.config"), $"""<configuration><packageSources><add key="built" value="{source}" /></packageSources></configuration>""");
        File.WriteAllText(Path.Combine(folder, $"{name}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <InvariantGlobalization>true</InvariantGlobalization>
              </PropertyGroup>
              <ItemGroup><PackageReference Include="{package}" Version="{version}" /></ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(folder, "Program.cs"), code);
        return folder;
    }

    /// <summary>The C# between fences in a readme.</summary>
    static string Fenced(string readme) => readme.Split("```csharp\n")[1].Split("```")[0];

    [Fact]
    public async Task A_built_voice_speaks_from_packages_without_the_compiler()
    {
        NativeTools.Require();
        await VoiceFolder.Of("tts-en");
        var cancel = TestContext.Current.CancellationToken;
        var source = Packed();
        foreach (var package in packages)
        {
            using var archive = ZipFile.OpenRead(Path.Combine(source, $"{package}.{version}.nupkg"));
            Assert.All(["README.md", "icon.png", "LICENSE"], f => Assert.NotNull(archive.GetEntry(f)));
        }
        using var model = await Model.LoadAsync("tts-en", cancellationToken: cancel);
        await Voice.BuildAsync(model, Path.Combine(root, "voice"), cancellationToken: cancel);
        using var voice = await Voice.LoadAsync("tts-en", cancellationToken: cancel);
        voice.Speak(Text, new() { Seed = 7 }, cancel).Save(Path.Combine(root, "expected.wav"));
        var expected = File.ReadAllBytes(Path.Combine(root, "expected.wav"));
        // In this process too.
        using (var built = Voice.Open(Path.Combine(root, "voice")))
            Assert.Equal(voice.Speak(Text, new() { Seed = 7 }, cancel).Samples.ToArray(), built.Speak(Text, new() { Seed = 7 }, cancel).Samples.ToArray());

        var project = Project("Say", source, "Softmodel.Speech", """
            using Softmodel.Speech;

            using var voice = Voice.Open(args[0]);
            voice.Speak(args[1], new() { Seed = 7 }).Save(args[2]);
            """);
        foreach (var (kind, option) in new[] { ("trimmed", "-p:PublishTrimmed=true"), ("aot", "-p:PublishAot=true") })
        {
            var published = Path.Combine(root, kind);
            Run(project, "dotnet", "publish", "-c", "Release", "-r", "linux-x64", "--self-contained", option, "-o", published, "-v", "q", "-nologo", "-nodeReuse:false", "-warnaserror");
            var files = Directory.GetFiles(published).Where(f => Path.GetExtension(f) is not (".dbg" or ".pdb")).Select(f => new FileInfo(f)).ToArray();
            output.WriteLine($"{kind}: {files.Sum(f => f.Length)} bytes in {files.Length} files: {string.Join(", ", files.Where(f => f.Extension == ".dll").Select(f => f.Name))}");
            Assert.DoesNotContain(files, f => f.Name is "Softmodel.dll" or "Google.Protobuf.dll" || f.Name.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal));
            var said = Path.Combine(root, $"{kind}.wav");
            Run(root, Path.Combine(published, "Say"), Path.Combine(root, "voice"), Text, said);
            Assert.True(File.ReadAllBytes(said).AsSpan().SequenceEqual(expected), $"{kind}: other samples");
        }

        // What the package's readme shows.
        var shown = Project("Shown", source, "Softmodel.Speech", Fenced(File.ReadAllText(Path.Combine(Repository(AppContext.BaseDirectory), "src", "Softmodel.Speech", "README.md"))));
        Run(shown, "dotnet", "build", "-c", "Release", "-v", "q", "-nologo", "-nodeReuse:false");
        Run(root, "dotnet", Path.Combine(shown, "bin", "Release", "net10.0", "Shown.dll"));
        Assert.True(new FileInfo(Path.Combine(root, "morning.wav")).Length > 100_000);

        // And the repository's: with the compiler.
        var quick = Project("Quick", source, "Softmodel", Fenced(File.ReadAllText(Path.Combine(Repository(AppContext.BaseDirectory), "README.md"))));
        Run(quick, "dotnet", "build", "-c", "Release", "-v", "q", "-nologo", "-nodeReuse:false");
        Run(root, "dotnet", Path.Combine(quick, "bin", "Release", "net10.0", "Quick.dll"));
    }
}
