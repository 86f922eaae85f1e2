using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Tests.Emit;

public sealed class CompileCacheTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
    readonly List<string> told = [];
    int made;

    public void Dispose() => Directory.Delete(root, recursive: true);

    static readonly Lazy<CompiledCode> code = new(() =>
    {
        var builder = new GraphBuilder("double", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(2))));
        var graph = builder.Build([(x * x.Constant(Tensor.Of<float>([2, 3], 2))).Value], ["y"]);
        var source = ProgramCode.Write(Lower.Program(graph), InProcess.Width);
        return new(InProcess.Assemble(source.Source), source.Weights, []);
    });

    float[] Run(string? cache, params string[] madeOf)
    {
        using var listening = Repairs.Listen(told.Add);
        using var model = new CompileCache(cache).Get("key", "double", root, InProcess.Width, () =>
        {
            made++;
            return code.Value with { MadeOf = madeOf };
        }, TestContext.Current.CancellationToken);
        model.Run([1f, 1f], 2);
        return model.Output(0).Span<float>().ToArray();
    }

    string Entry => Directory.GetDirectories(Path.Combine(root, "compiled")).Single();

    [Theory]
    [InlineData("program.dll")]
    [InlineData("weights")]
    [InlineData("manifest")]
    [InlineData("made-of")]
    public void What_is_damaged_is_made_again_with_a_word(string file)
    {
        Assert.Equal([2, 3], Run(root));
        Assert.Equal([2, 3], Run(root));
        Assert.Equal(1, made);
        var path = Path.Combine(Entry, file);
        var whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, [.. whole, 0]);
        Assert.Equal([2, 3], Run(root));
        File.Delete(path);
        Assert.Equal([2, 3], Run(root));
        Assert.Equal(whole, File.ReadAllBytes(path));
        Assert.Equal(3, made);
        Assert.Equal(2, told.Count);
        Assert.All(told, t => Assert.Equal($"the cached program of double was damaged ({file}) and has been made again", t));
        Assert.Equal([2, 3], Run(root));
        Assert.Equal(3, made);
    }

    [Fact]
    public void What_it_was_made_of_is_looked_at()
    {
        var other = Path.Combine(root, "external.data");
        File.WriteAllText(other, "weights");
        Run(root, "external.data");
        Run(root, "external.data");
        Assert.Equal(1, made);
        File.WriteAllText(other, "others");
        Run(root, "external.data");
        Assert.Equal(2, made);
        Run(root, "external.data");
        Assert.Equal(2, made);
        Assert.Empty(told);
    }

    [Fact]
    public void Code_that_others_can_write_is_not_loaded()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "rights are otherwise there");
        if (OperatingSystem.IsWindows())
            return;
        Run(root);
        var file = Path.Combine(Entry, "program.dll");
        File.SetUnixFileMode(file, File.GetUnixFileMode(file) | UnixFileMode.GroupWrite);
        Run(root);
        Assert.Equal(2, made);
        File.SetUnixFileMode(Entry, File.GetUnixFileMode(Entry) | UnixFileMode.OtherWrite);
        Run(root);
        Assert.Equal(3, made);
        Assert.Equal(2, told.Count);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(root, "compiled")));
    }

    [Fact]
    public void What_the_users_habits_let_others_write_is_closed_to_them()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "rights are otherwise there");
        if (OperatingSystem.IsWindows())
            return;
        string Get() => KeptFolder.Get(Path.Combine(root, "kept"), "key", "text", manifest => System.Text.Encoding.ASCII.GetString(manifest.Bytes("text")), stage =>
        {
            made++;
            File.WriteAllText(Path.Combine(stage, "text"), "words");
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(Path.Combine(stage, "text"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        }, TestContext.Current.CancellationToken);
        Assert.Equal("words", Get());
        Assert.Equal("words", Get());
        Assert.Equal(1, made);
    }

    [Fact]
    public void Without_a_cache_nothing_is_kept()
    {
        Assert.Equal([2, 3], Run(null));
        Assert.Empty(Directory.GetFileSystemEntries(root));
        Assert.Equal(1, made);
    }

    [Fact]
    public void Twenty_at_once_heal_a_damaged_program()
    {
        Run(root);
        File.WriteAllBytes(Path.Combine(Entry, "weights"), [1]);
        Parallel.For(0, 20, _ => Assert.Equal([2, 3], Run(root)));
        Assert.Equal([2, 3], Run(root));
        // Whoever was slower has left nothing behind.
        Assert.Single(Directory.GetFileSystemEntries(Path.Combine(root, "compiled")));
    }
}
