using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Load;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Sources;
using Softmodel.Speech;
using NativeLibrary = Softmodel.Cli.Bench.NativeLibrary;

namespace Softmodel.Bench.Flips;

/// <summary>A use of files that lie in a folder of their own.</summary>
/// <param name="Folder">Where they lie; files elsewhere below the root are not damaged.</param>
/// <param name="Use">Uses them, and tells what came of it: the same text as long as nothing damaged is used.</param>
sealed record Stand(string Folder, Func<string> Use)
{
    /// <summary>The kinds, each with how one is set up in an empty folder.</summary>
    public static IReadOnlyDictionary<string, Func<string, int, Stand>> Kinds { get; } = new Dictionary<string, Func<string, int, Stand>>
    {
        ["fetched model"] = Fetched,
        ["model of the catalogue"] = Listed,
        ["compiled program"] = Compiled,
        ["lexicon"] = Words,
        ["native library"] = Library,
        ["remembered hashes"] = Remembered,
        ["weights of a native library"] = Weights,
    };

    static readonly string[] listed = ["m.onnx", "tokens.txt", "LICENSE", "package.json"];
    static readonly int[] both = [1, 2];

    static string Digest(IEnumerable<byte[]> parts) => Convert.ToHexStringLower(SHA256.HashData([.. parts.SelectMany(p => p)]));

    static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    static string Contents(ResolvedModel model) =>
        Digest([.. model.Files.Select(f => File.ReadAllBytes(f.Path)), .. model.Files.Select(f => Encoding.UTF8.GetBytes(f.Role)), Encoding.UTF8.GetBytes($"{model.Licence.Spdx} {model.Licence.Note}"), model.Licence.TextFile is { } text ? File.ReadAllBytes(text) : []]);

    /// <summary>A package of npm, which a client of our own copies.</summary>
    static Stand Fetched(string root, int seed)
    {
        using (var gzip = new GZipStream(File.Create(Path.Combine(root, "package.tgz")), CompressionLevel.Fastest))
        using (var tar = new TarWriter(gzip, TarEntryFormat.Pax))
        {
            foreach (var (name, bytes) in new[] { ("package.json", Encoding.UTF8.GetBytes("""{ "license": "MIT" }""")), ("m.onnx", Noise(seed, 9000)), ("tokens.txt", Noise(seed + 1, 500)), ("LICENSE", Encoding.UTF8.GetBytes($"Be good {seed}.")) })
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"package/{name}") { DataStream = new MemoryStream(bytes) });
        }
        File.WriteAllText(Path.Combine(root, "listing.json"), JsonSerializer.Serialize(new[] { new { files = listed.Select(n => new { path = n }) } }));
        var npm = Path.Combine(root, "npm");
        File.WriteAllText(npm, $"#!/bin/sh\nwhile [ \"$1\" != --pack-destination ]; do shift; done\ncp '{root}/package.tgz' \"$2/package-1.0.0.tgz\"\ncat '{root}/listing.json'\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(npm, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var settings = new StoreSettings(Path.Combine(root, "cache"), null, npm, new Uri("http://127.0.0.1:9/"), null);
        return new(Path.Combine(root, "cache", "models"), () => Contents(new Store(settings, []).Resolve(Source.Parse("npm:some@1.0.0#m.onnx"), null, default).Result));
    }

    /// <summary>A model of the catalogue, of which another copy lies in the user's folder.</summary>
    static Stand Listed(string root, int seed)
    {
        var models = Directory.CreateDirectory(Path.Combine(root, "models")).FullName;
        CatalogueFile Entry(string role, byte[] bytes)
        {
            File.WriteAllBytes(Path.Combine(models, role), bytes);
            return new(role, Source.Parse($"npm:some@1.0.0#{role}"), null, null, bytes.Length, Convert.ToHexStringLower(SHA256.HashData(bytes)));
        }
        var model = new CatalogueModel("known", "A model.", "test", new("MIT"), 100, [Entry("model", Noise(seed, 20_000)), Entry("tokens", Noise(seed + 1, 300)), Entry("metadata", Noise(seed + 2, 100))]);
        var settings = new StoreSettings(Path.Combine(root, "cache"), models, "/nowhere/npm", new Uri("http://127.0.0.1:9/"), null);
        return new(Path.Combine(root, "cache", "models"), () => Contents(new Store(settings, [model]).Resolve(Source.Parse("known"), null, default).Result));
    }

    static (Graph Graph, int Size) Network(int seed)
    {
        const int size = 24;
        var builder = new GraphBuilder("flips", Evaluator.Fold);
        var random = new Random(seed);
        var weights = Tensor.Of<float>([.. Enumerable.Range(0, size * size).Select(_ => random.NextSingle() - 0.5f)], size, size);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("n"), size))));
        return (builder.Build([x.Apply(new Op.Contract("ij,jk->ik"), new Term(builder, builder.Constant(weights))).Map(Functions.Tanh).Value], ["y"]), size);
    }

    static CompiledCode Code(int seed) => codes.GetOrAdd(seed, s =>
    {
        var code = ProgramCode.Write(Lower.Program(Network(s).Graph), InProcess.Width);
        return new(InProcess.Assemble(code.Source), code.Weights, []);
    });

    static readonly System.Collections.Concurrent.ConcurrentDictionary<int, CompiledCode> codes = [];

    /// <summary>Two compiled programs in one cache, whose files can be mistaken for one another.</summary>
    static Stand Compiled(string root, int seed)
    {
        var cache = new CompileCache(root);
        return new(Path.Combine(root, "compiled"), () => Digest(both.Select(which =>
        {
            using var model = cache.Get($"flips {which}", $"flips {which}", root, InProcess.Width, () => Code(which), default);
            model.Run(TensorArgument.Of(Enumerable.Range(0, 5 * 24).Select(i => MathF.Sin(i + seed)).ToArray(), 5, 24));
            return MemoryMarshal.AsBytes(model.Output(0).Span<float>()).ToArray();
        })));
    }

    static Stand Words(string root, int seed)
    {
        string Json(int which)
        {
            var path = Path.Combine(root, $"words{which}.json");
            File.WriteAllText(path, JsonSerializer.Serialize(Enumerable.Range(0, 300).ToDictionary(i => $"W{i * (seed + which) % 997}X{i}", i => new[] { "AH0", $"P{(i + which) % 7}" })));
            return path;
        }
        string[] files = [Json(1), Json(2)];
        return new(Path.Combine(root, "lexicons"), () => string.Join(';', files.SelectMany(f =>
        {
            var lexicon = Lexicon.Of(LexiconCache.Open(f, root));
            return Enumerable.Range(0, 300).SelectMany(i => both.Select(b => seed + b).Select(k => string.Join(' ', lexicon.Find($"W{i * k % 997}X{i}") ?? ["-"])));
        })));
    }

    /// <summary>What <c>bench</c> keeps of a native build, without the compiler.</summary>
    static Stand Library(string root, int seed)
    {
        var folders = Path.Combine(root, "native");
        OwnFolder.Make(folders);
        return new(folders, () => string.Join(';', both.Select(which =>
        {
            var library = KeptFolder.Get(folders, $"{which}", $"library {which}", manifest => NativeLibrary.Open(manifest, root, default), stage =>
            {
                File.WriteAllBytes(Path.Combine(stage, "libflips.so"), Noise(seed + which, 30_000));
                File.WriteAllBytes(Path.Combine(stage, "flips.weights"), Noise(seed + which + 1, 10_000));
                File.WriteAllText(Path.Combine(stage, "MODEL.json"), $$"""{ "prefix": "flips", "bytes": { "code": {{which}}, "weights": 10000 } }""");
            }, default);
            return Digest([File.ReadAllBytes(library.Path), File.ReadAllBytes(library.Weights), Encoding.UTF8.GetBytes($"{library.Prefix} {library.CodeBytes}")]);
        })));
    }

    /// <summary>What is remembered of files that are not damaged themselves.</summary>
    static Stand Remembered(string root, int seed)
    {
        string[] files = [Path.Combine(root, "a"), Path.Combine(root, "b")];
        for (var i = 0; i < files.Length; i++)
            File.WriteAllBytes(files[i], Noise(seed + i, 5000));
        return new(Path.Combine(root, "cache", "hashes"), () => string.Join(';', files.Select(f => FileHashes.Of(f, Path.Combine(root, "cache")))));
    }

    /// <summary>What a native library does with its weights when a model is made, within this process.</summary>
    static Stand Weights(string root, int seed)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, "built")).FullName;
        var made = both.Select(which => (Path: Path.Combine(folder, $"{which}.weights"), Hash: WeightsFile.Write(Path.Combine(folder, $"{which}.weights"), s => s.Write(Noise(seed + which, 1 + seed * 977 % 40_000))))).ToArray();
        return new(folder, () => string.Join(';', made.Select(m =>
        {
            using var weights = WeightsFile.Open(m.Path, m.Hash);
            weights.Verify();
            unsafe
            {
                return Digest([new ReadOnlySpan<byte>(weights.Pointer, (int)weights.Length).ToArray()]);
            }
        })));
    }
}
