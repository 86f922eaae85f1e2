using System.Text.RegularExpressions;
using Softmodel.Language;
using Softmodel.Runtime;
using Softmodel.Speech;
using Softmodel.Tests.Common;

namespace Softmodel.Tests;

/// <summary>Rooms import downward only: what each may know of is listed here, the ground floor first.</summary>
public class RoomTests
{
    static readonly (string Room, string[] Imports)[] rooms =
    [
        ("Softmodel.Runtime", []),
        // Projects of their own: what ships around a compiled model knows no compiler.
        ("Softmodel.Language", ["Softmodel.Runtime"]),
        ("Softmodel.Speech", ["Softmodel.Runtime"]),
        ("Softmodel.Graphs", ["Softmodel.Runtime"]),
        ("Softmodel.Sources", []),
        ("Softmodel.Evaluate", ["Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Networks", ["Softmodel.Evaluate", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Import", ["Softmodel.Networks", "Softmodel.Graphs", "Softmodel.Language", "Softmodel.Runtime"]),
        ("Softmodel.Arrays", ["Softmodel.Import", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Export", ["Softmodel.Import", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Passes", ["Softmodel.Graphs", "Softmodel.Language", "Softmodel.Runtime"]),
        ("Softmodel.Lowering", ["Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Interpret", ["Softmodel.Lowering", "Softmodel.Evaluate", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Compile", ["Softmodel.Arrays", "Softmodel.Passes", "Softmodel.Evaluate", "Softmodel.Sources", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Emit", ["Softmodel.Lowering", "Softmodel.Sources", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Report", ["Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Evaluate", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel", ["Softmodel.Arrays", "Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Compile", "Softmodel.Passes", "Softmodel.Import", "Softmodel.Evaluate", "Softmodel.Sources", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Learn", ["Softmodel", "Softmodel.Export", "Softmodel.Import", "Softmodel.Networks", "Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Compile", "Softmodel.Passes", "Softmodel.Evaluate", "Softmodel.Graphs", "Softmodel.Runtime"]),
        ("Softmodel.Trace", ["Softmodel.Learn", "Softmodel.Networks", "Softmodel.Arrays", "Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Compile", "Softmodel.Passes", "Softmodel.Evaluate", "Softmodel.Graphs", "Softmodel.Language", "Softmodel.Runtime"]),
        ("Softmodel.Fusion", ["Softmodel", "Softmodel.Trace", "Softmodel.Learn", "Softmodel.Networks", "Softmodel.Export", "Softmodel.Import", "Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Compile", "Softmodel.Passes", "Softmodel.Evaluate", "Softmodel.Graphs", "Softmodel.Language", "Softmodel.Runtime"]),
        // How what is in files becomes a model, a voice, a language model.
        ("Softmodel.Load", ["Softmodel", "Softmodel.Fusion", "Softmodel.Learn", "Softmodel.Arrays", "Softmodel.Export", "Softmodel.Networks", "Softmodel.Passes", "Softmodel.Graphs", "Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Compile", "Softmodel.Import", "Softmodel.Evaluate", "Softmodel.Sources", "Softmodel.Language", "Softmodel.Speech", "Softmodel.Runtime"]),
        ("Softmodel.Cli.Arrays", [.. Library, "Softmodel.Cli"]),
        ("Softmodel.Cli.Baselines", [.. Library, "Softmodel.Cli"]),
        ("Softmodel.Cli.Workloads", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Arrays"]),
        ("Softmodel.Cli.Training", [.. Library, "Softmodel.Cli"]),
        ("Softmodel.Cli.Eval", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Training"]),
        ("Softmodel.Cli.Verify", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Arrays", "Softmodel.Cli.Baselines", "Softmodel.Cli.Workloads"]),
        ("Softmodel.Cli.Bench", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Baselines", "Softmodel.Cli.Workloads"]),
        ("Softmodel.Cli.Demo", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Bench", "Softmodel.Cli.Baselines", "Softmodel.Cli.Workloads"]),
        ("Softmodel.Cli.Conformance", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Baselines"]),
        ("Softmodel.Cli.Commands", [.. Library, "Softmodel.Cli", "Softmodel.Cli.Training", "Softmodel.Cli.Eval", "Softmodel.Cli.Arrays", "Softmodel.Cli.Baselines", "Softmodel.Cli.Workloads", "Softmodel.Cli.Verify", "Softmodel.Cli.Bench", "Softmodel.Cli.Demo"]),
        // What commands have in common lies beside them, and so does the list of all of them, and of what the program is to itself.
        ("Softmodel.Cli", [.. Library, "Softmodel.Cli.Commands", "Softmodel.Cli.Conformance", "Softmodel.Cli.Bench", "Softmodel.Cli.Baselines"]),
    ];

    static string[] Library => ["Softmodel", "Softmodel.Load", "Softmodel.Fusion", "Softmodel.Trace", "Softmodel.Learn", "Softmodel.Networks", "Softmodel.Report", "Softmodel.Language", "Softmodel.Speech", "Softmodel.Emit", "Softmodel.Lowering", "Softmodel.Compile", "Softmodel.Passes", "Softmodel.Export", "Softmodel.Arrays", "Softmodel.Import", "Softmodel.Evaluate", "Softmodel.Sources", "Softmodel.Graphs", "Softmodel.Runtime"];

    // Types without a room of their own are seen from every room: these names tell that one is used.
    static readonly Regex rootTypes = new(@"(?<![\w.""])(?:Model\.Load|CompileOptions\b)");

    static IEnumerable<(string Path, string Room)> Files =>
        from path in Directory.EnumerateFiles(Repository.File("src"), "*.cs", SearchOption.AllDirectories)
        let parts = Path.GetRelativePath(Repository.File("src"), path).Split(Path.DirectorySeparatorChar)
        where !parts.Contains("bin") && !parts.Contains("obj")
        select (path, parts[0] is "Softmodel.Runtime" or "Softmodel.Language" or "Softmodel.Speech" || parts.Length == 2 ? parts[0] : $"{parts[0]}.{parts[1]}");

    public static TheoryData<string> Rooms => [.. Files.Select(f => f.Room).Distinct()];

    [Theory]
    [MemberData(nameof(Rooms))]
    public void Rooms_import_downward_only(string room)
    {
        var declared = rooms.FirstOrDefault(r => r.Room == room);
        Assert.True(declared.Room is not null, $"the room {room} is not known: say in {nameof(RoomTests)} which rooms it may import");
        foreach (var (path, _) in Files.Where(f => f.Room == room))
        {
            foreach (var imported in Imports(File.ReadAllText(path), room))
                Assert.True(declared.Imports.Contains(imported), $"{Path.GetRelativePath(Repository.Folder, path)} imports {imported}, which {room} may not know of");
        }
    }

    [Fact]
    public void What_a_room_may_import_lies_below_it()
    {
        var below = new HashSet<string>();
        foreach (var (room, imports) in rooms)
        {
            // Every room of the command line sees what all commands have in common.
            Assert.All(imports.Where(i => i != "Softmodel.Cli"), i => Assert.Contains(i, below));
            below.Add(room);
        }
    }

    [Theory]
    [InlineData("using Softmodel.Emit;", "Softmodel.Emit")]
    [InlineData("using Buffer = Softmodel.Lowering.Buffer;", "Softmodel.Lowering")]
    [InlineData("using Softmodel.Emit.Native;", "Softmodel.Emit")]
    [InlineData("var b = Emit.InProcess.Width;", "Softmodel.Emit")]
    [InlineData("Lowering.Buffer? b = null;", "Softmodel.Lowering")]
    [InlineData("var m = Model.Load(path);", "Softmodel")]
    [InlineData("var o = there.Sources.Count; // Emit.InProcess", null)]
    [InlineData("/// <see cref=\"Emit.InProcess\"/>", null)]
    public void Imports_are_found_in_code(string code, string? room) => Assert.Equal(room is null ? [] : [room], Imports(code, "Softmodel.Passes"));

    // What counts covered lines makes the assembly refer to .NET by another of its names.
    [Fact]
    public void Solution_has_a_runtime_without_dependencies() =>
        Assert.DoesNotContain(typeof(CompiledModel).Assembly.GetReferencedAssemblies(), a => !a.Name!.StartsWith("System", StringComparison.Ordinal) && a.Name != "netstandard");

    [Theory]
    [InlineData(typeof(Voice))]
    [InlineData(typeof(LanguageModel))]
    public void What_an_application_needs_knows_no_compiler(Type type) =>
        Assert.DoesNotContain(type.Assembly.GetReferencedAssemblies(), a => a.Name is "Softmodel" or "Google.Protobuf" || a.Name!.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal));

    /// <summary>The rooms that code names, by a using or in full.</summary>
    static IEnumerable<string> Imports(string code, string room)
    {
        var text = Regex.Replace(code, @"//.*", "");
        var found = new HashSet<string>();
        foreach (var (name, _) in rooms.Where(r => r.Room is not ("Softmodel" or "Softmodel.Cli")))
        {
            // Within its own namespace a room is named by its last part.
            var space = name[..name.LastIndexOf('.')];
            var last = Regex.Escape(name[(name.LastIndexOf('.') + 1)..]);
            var seen = room == space || room.StartsWith(space + '.', StringComparison.Ordinal);
            var prefix = $@"{Regex.Escape(space)}\.";
            if (Regex.IsMatch(text, $@"(?<![\w.""/]){(seen ? $"(?:{prefix})?" : prefix)}{last}(?:\.[A-Z]|;)") && name != room)
                found.Add(name);
        }
        if (room != "Softmodel" && rootTypes.IsMatch(text))
            found.Add("Softmodel");
        return found;
    }
}
