using Softmodel.Emit.Native;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Native;

/// <summary>What is written in C, for models, inputs and outputs whose names mean something in C, through its compilers.</summary>
public sealed class NameTests : IDisposable
{
    const string Headers = """
        #include <assert.h>
        #include <complex.h>
        #include <ctype.h>
        #include <dirent.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <inttypes.h>
        #include <limits.h>
        #include <locale.h>
        #include <math.h>
        #include <netdb.h>
        #include <poll.h>
        #include <pthread.h>
        #include <sched.h>
        #include <search.h>
        #include <semaphore.h>
        #include <setjmp.h>
        #include <signal.h>
        #include <stdarg.h>
        #include <stdbool.h>
        #include <stddef.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <strings.h>
        #include <sys/mman.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <sys/wait.h>
        #include <time.h>
        #include <unistd.h>
        #include <wchar.h>

        """;

    /// <summary>Names that files in C of our own use, and others that are common.</summary>
    static readonly string[] own =
        ["model", "image", "message", "set", "map", "fail", "chosen", "choose", "describe", "inputs", "outputs", "weights", "made", "start", "handle", "room", "bits", "create", "run", "output",
         "info", "tensor", "check", "argument", "element_size", "bytes_of", "take", "now", "peak", "of", "join", "public", "embedded", "info_info", "sets", "arguments", "count", "path", "file",
         "softmodel", "softmodel_image", "softmodel_weights", "last", "abi", "type", "rank", "size", "data", "name", "axis", "given", "value_of", "output_files", "theimage", "lastmessage", "k", "a1", "模型", "Größe", "3d", ""];

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static NativeModel Model(string name)
    {
        string[] nasty = ["int", "threads", "seed", "n", "N", "a=b", "*/ \"\\\n??/", "%s%n", "a/b", "a_b", "../x", "", "模型", "size:n", "int", new string('q', 300)];
        TensorInfo[] inputs = [.. nasty.Distinct().Select(n => new TensorInfo(n, ElementType.Float32, "n", "2*n", "3", "int", "threads"))];
        return new(name, _ => "", _ => { }, inputs, [.. inputs.Reverse()], "");
    }

    string Write(string name, string template, string file, NativeModel? model = null)
    {
        var filled = Templates.Fill(template, new Dictionary<string, string>(Templates.Words(model ?? Model(name), "lib.so", [256, 512], false)) { ["HASH"] = "" });
        var path = Path.Combine(folder, file);
        File.WriteAllText(path, filled);
        return path;
    }

    async Task Compile(string compiler, string file, params string[] options)
    {
        if (!NativeTools.Has(compiler))
            Assert.Skip($"'{compiler}' is not installed");
        await Tool.Run(compiler, ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-iquote", folder, .. options, file], folder, TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("gcc", "-std=gnu99", ".c")]
    [InlineData("g++", "-std=gnu++20", ".cc")]
    public async Task Headers_of_every_name_stand_beside_those_of_the_system(string compiler, string standard, string extension)
    {
        NativeTools.Require();
        // One of so many of the words that headers declare, and all of a letter with which many keywords begin.
        var words = CName.Taken.Order(StringComparer.Ordinal).Where((w, i) => i % 8 == 0 || w[0] is 'c' or 't' || Shared.AreAllCases);
        // Two models of which one is called as the other's function can't be in one program.
        string[] ends = ["_create", "_destroy", "_run", "_input", "_output", "_result", "_info", "_tensor", "_abi"];
        var names = words.Concat(own).Select(CName.Of).Distinct().Where(n => !ends.Any(e => n.EndsWith(e, StringComparison.Ordinal))).ToArray();
        var text = string.Concat(names.Select(n => $"#include \"{n}.h\"\nint32_t (*use_{n})(const char *, struct {n} **) = {n}_create;\n"));
        foreach (var name in names)
            Write(name, "model.h", $"{name}.h", new(name, _ => "", _ => { }, [], [], ""));
        var all = Path.Combine(folder, $"every{extension}");
        File.WriteAllText(all, Headers + text);
        await Compile(compiler, all, standard, "-D_GNU_SOURCE");
    }

    [Fact]
    public async Task Whatever_is_written_in_C_compiles_for_every_name()
    {
        NativeTools.Require();
        foreach (var name in own.Concat(["int", "main", "class", "read", "stat", "f", "stdio", "errno", "pthread", "tts-en"]))
        {
            var prefix = Model(name).Prefix;
            Write(name, "model.h", $"{prefix}.h");
            await Compile("gcc", Write(name, "shim.c", "shim.c"), "-std=gnu11");
            await Compile("gcc", Write(name, "sample.c", "sample.c"), "-std=c99");
            using var alone = typeof(Cli.Bench.NativeLibrary).Assembly.GetManifestResourceStream("Softmodel.Cli.Bench.alone.c")!;
            using (var file = File.Create(Path.Combine(folder, "alone.c")))
                await alone.CopyToAsync(file, TestContext.Current.CancellationToken);
            await Compile("gcc", Path.Combine(folder, "alone.c"), "-std=gnu11", "-include", $"{prefix}.h", $"-DMODEL={prefix}");
            if (NativeTools.Has("g++"))
                await Compile("g++", Path.Combine(folder, "sample.c"), "-x", "c++", "-std=c++17", "-Wno-missing-field-initializers");
        }
        var python = Write("model", "sample.py", "sample.py");
        await Tool.Run("python3", ["-c", "import ast, sys; ast.parse(open(sys.argv[1], encoding='utf-8').read())", python], folder, TestContext.Current.CancellationToken);
    }
}
