using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Runtime.Fusion;
using Softmodel.Tests.Common;

namespace Softmodel.Tests.Fusion;

/// <summary>Programs of one's own: C# files and assemblies, the folder of a fused model, the passages that are made of example sentences.</summary>
public sealed class OwnProgramTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static string Example(string name) => Repository.File($"examples/{name.ToLowerInvariant()}/{name}.cs");

    static readonly Lazy<FusedSources> examples = new(() => Sources("arithmetic", Example("Dates"), Example("Letters")));

    static FusedSources Sources(params string[] names) => FusedSources.Open(names, TestContext.Current.CancellationToken);

    string File(string name, string text)
    {
        var path = Path.Combine(folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    static string Refused(params string[] names) => Assert.Throws<SoftmodelException>(() => Sources(names)).Message;

    const string Price = """
        static class Shop
        {
            static readonly Dictionary<string, decimal> prices = new() { ["bread"] = 2.5m, ["milk"] = 1.2m, ["olive oil"] = 7m, ["tea"] = 3.1m };

            [Exact("What things cost together.", "What do {items:bread|milk} cost?", "the price of {items:olive oil|tea}")]
            static decimal Total(params string[] items) => items.Sum(i => prices[i]);
        }
        """;

    [Fact]
    public void A_file_becomes_programs()
    {
        var programs = examples.Value.Programs();
        Assert.Equal("3", programs.Named("letters_in").Run(["r", "strawberry"]).Text);
        Assert.Equal("34", programs.Named("days_between").Run(["5 March 2024", "April 8, 2024"]).Text);
        Assert.Equal("5", programs.Named("add").Run(["2", "3"]).Text);
        Assert.Equal(ProgramFailure.Exception, programs.Named("letters_in").Run(["rr", "strawberry"]).Failure);
        // The same file, the same assembly: its hash is known again.
        Assert.Equal(examples.Value.Libraries.Select(l => l.Hash), Sources("arithmetic", Example("Dates"), Example("Letters")).Libraries.Select(l => l.Hash));
    }

    [Fact]
    public void An_assembly_is_as_good_as_its_source()
    {
        var path = Path.Combine(folder, "Dates.dll");
        System.IO.File.WriteAllBytes(path, examples.Value.Libraries[0].Bytes);
        var library = Assert.Single(Sources(path).Libraries);
        Assert.Equal(("Dates.dll", "days_between", examples.Value.Libraries[0].Hash), (library.Name, library.Programs[0].Name, library.Hash));
    }

    [Fact]
    public void What_does_not_compile_is_said_with_its_line()
    {
        var path = File("Wrong.cs", "static class Wrong\n{\n    [Exact(\"a\", \"{x}\")]\n    static int Half(int x) => x / two;\n}\n");
        var message = Refused(path);
        Assert.StartsWith($"{path}(4,35): error CS0103".Replace("error ", "", StringComparison.Ordinal), message, StringComparison.Ordinal);
        Assert.Contains($"{path} has 1 error: mend the file", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("static class A { static int One(int x) => x; }", "it has no method that is marked [Exact]")]
    [InlineData("static class A { [Exact(\"a\", \"{x}\")] static int One(Version x) => x.Major; }", "A.One has the parameter 'x' of the type Version, which can't be read from text")]
    [InlineData("static class A { [Exact(\"a\")] static int One(int x) => x; }", "A.One has no example sentence")]
    [InlineData("static class A { [Exact(\"a\", \"{x} {y}\", Negatives = [\"{z}\"])] static int One(int x, int y) => x; }", "A.One has the example '{z}', but no parameter 'z'")]
    [InlineData("static class A { [Exact(\"a\", \"{x:1|two|cat}\")] static int One(int x) => x; }", "A.One has an example of {x} that isn't a number: 'cat' is no number.")]
    [InlineData("static class A { [Exact(\"a\", \"{x}\")] static int One(int x) => x; [Exact(\"a\", \"{x}\", Name = \"one\")] static int Two(int x) => x; }", "A.One and A.Two are both the program 'one'")]
    [InlineData("static class A { [Exact(\"a\", \"{a}{b}{c}{d}{e}{f}{g}{h}{i}\")] static int One(int a, int b, int c, int d, int e, int f, int g, int h, int i) => a; }", "the program 'one' has 9 parameters; a trigger points at 8 at most")]
    public void What_is_no_program_is_refused(string source, string says)
    {
        var path = File("A.cs", source);
        var message = Refused(path);
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_source_of_programs_is_refused()
    {
        Assert.Contains("'sums' is neither 'arithmetic' nor a .cs or .dll file", Refused("sums"), StringComparison.Ordinal);
        Assert.Contains("can't be read", Refused(Path.Combine(folder, "None.cs")), StringComparison.Ordinal);
        Assert.Contains("it is no assembly of .NET, or damaged", Refused(File("Text.dll", "text")), StringComparison.Ordinal);
        var add = File("Own.cs", "static class Own { [Exact(\"a\", \"{x}\")] static int Add(int x) => x; }");
        Assert.Contains("arithmetic and Own.dll both have a program 'add'; give one of them another Name", Refused("arithmetic", add), StringComparison.Ordinal);
        Assert.Contains("both have a program 'add'", Refused(add), StringComparison.Ordinal);
        add = File("Own.cs", "static class Own { [Exact(\"a\", \"{x}\")] static int Sum(int x) => x; }");
        Assert.Single(Sources(add).Programs().All);
        Directory.CreateDirectory(Path.Combine(folder, "b"));
        Assert.Contains("would be kept as Own.dll, as another file already is", Refused(add, File("b/Own.cs", "static class Own { [Exact(\"a\", \"{x}\")] static int Sub(int x) => x; }")), StringComparison.Ordinal);
    }

    void Write(FusedSources sources, params string[] programs)
    {
        var network = new TriggerNetwork(4, programs.Length, 2, Tensor.Vector<float>(0, 0, 0, 0), Tensor.Vector<float>(1, 1, 1, 1), 1);
        foreach (var (name, write) in FusedFolder.Files(new("0123", "model", 1, 2, 0, programs, network, new Dictionary<string, Tensor>()), sources))
        {
            using var stream = System.IO.File.Create(Path.Combine(folder, name));
            write(stream);
        }
    }

    [Fact]
    public void A_folder_works_by_itself()
    {
        Write(examples.Value, "add", "days_between", "letters_in");
        Assert.Equal(["Dates.dll", "Letters.dll", FusedTrigger.FileName], Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var (trigger, _, programs) = FusedFolder.Open(folder);
        Assert.Equal(["add", "days_between", "letters_in"], trigger.Programs);
        Assert.Equal("3", programs.Named("letters_in").Run(["'e'", "\u201Ccheese\u201D"]).Text);
        Assert.True(programs.Has("add"));
    }

    [Fact]
    public void A_folder_without_sums_has_none()
    {
        Write(examples.Value with { HasSums = false }, "letters_in");
        Assert.Equal(["days_between", "letters_in"], FusedFolder.Open(folder).Programs.All.Select(p => p.Name));
    }

    [Fact]
    public void Two_programs_of_one_name_are_not_called_by_one_process()
    {
        Write(examples.Value, "letters_in");
        Assert.Same(FusedFolder.Open(folder).Programs.Named("letters_in"), FusedPrograms.Known("letters_in"));
        // The same assembly in another folder is the same.
        Assert.Same(FusedFolder.Open(folder).Programs.Named("letters_in"), FusedPrograms.Known("letters_in"));
        Write(Sources(File("Other.cs", "static class Other { [Exact(\"a\", \"{x}\")] static int LettersIn(string x) => x.Length; }")), "letters_in");
        Assert.StartsWith("this process has another program 'letters_in' of a fused model", Assert.Throws<SoftmodelException>(() => FusedFolder.Open(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_changed_or_missing_assembly_is_refused()
    {
        string Message() => Assert.Throws<SoftmodelException>(() => FusedFolder.Open(folder)).Message;
        Assert.Contains($"has no {FusedTrigger.FileName}", Message(), StringComparison.Ordinal);
        Write(examples.Value, "days_between");
        var path = Path.Combine(folder, "Dates.dll");
        var bytes = System.IO.File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        System.IO.File.WriteAllBytes(path, bytes);
        Assert.Equal($"{path}: it is not the file that the model was fused with, and is not loaded; fuse the model again", Message());
        System.IO.File.Delete(path);
        Assert.Equal($"{path}: it is missing, and {FusedTrigger.FileName} needs it; fuse the model again", Message());
        // Of what is not in the folder, nothing is loaded.
        Write(examples.Value with { Libraries = [examples.Value.Libraries[0] with { Name = "Dates.dll" }] }, "sqrt_of_two");
        Assert.Contains("there is no program 'sqrt_of_two' in arithmetic, ", Message(), StringComparison.Ordinal);
        var outside = examples.Value.Libraries[0] with { Name = "../Dates.dll" };
        try
        {
            Write(examples.Value with { Libraries = [outside] }, "days_between");
            Assert.Contains("names the programs '", Message(), StringComparison.Ordinal);
        }
        finally
        {
            System.IO.File.Delete(Path.Combine(folder, "../Dates.dll"));
        }
    }

    static Passage[] Passages(FusedSources sources, int count) => [.. Grammar.Passages(11, sources.HasSums, [.. sources.Libraries.SelectMany(l => l.Programs)]).Take(count)];

    static readonly Lazy<Passage[]> many = new(() => Passages(examples.Value, 6000));

    [Fact]
    public void Every_answer_is_what_the_method_gives()
    {
        var programs = examples.Value.Programs();
        foreach (var (passage, due) in many.Value.SelectMany(p => p.Dues.Select(d => (p, d))))
        {
            Assert.Equal(new(due.Answer), programs.Named(due.Program).Run([.. due.Operands.Select(o => o.Of(passage.Text))]));
            Assert.True(passage.Text[due.At..].TrimStart().StartsWith(due.Answer, StringComparison.Ordinal), $"the answer '{due.Answer}' isn't there: {passage}");
            Assert.All(due.Operands, o => Assert.True(o.Length > 0 && o.End <= due.At, $"an operand stands after its result in: {passage}"));
            if (due.Program == "letters_in")
                Assert.All(due.Operands, o => Assert.True(o.Of(passage.Text).All(char.IsLetter), passage.ToString()));
        }
    }

    [Fact]
    public void Forms_are_thousands_and_about_half_is_due()
    {
        foreach (var program in (string[])["days_between", "letters_in"])
        {
            var of = many.Value.Where(p => p.Parts[0].StartsWith("exact", StringComparison.Ordinal) || p.Dues.Any(d => d.Program == program)).ToArray();
            Assert.InRange(of.Count(p => p.Dues.Any(d => d.Program == program)), 500, 9999);
            Assert.InRange(of.DistinctBy(p => p.Form).Count(), 1400, 9999);
        }
        Assert.InRange(many.Value.Count(p => p.Dues.Count > 0), many.Value.Length / 3, many.Value.Length * 3 / 5);
        Assert.True(many.Value.SelectMany(p => p.Dues).CountBy(d => d.Program).Count() > 30);
        // Of each program two examples of ten are held out, and whole frames.
        Assert.InRange(many.Value.Count(p => p.IsOfHeldOutExample), many.Value.Length / 20, many.Value.Length / 3);
        Assert.All(many.Value.Where(p => p.IsOfHeldOutExample), p => Assert.True(p.IsHeldOut(1_000_000)));
    }

    [Fact]
    public void Nothing_of_the_notation_is_left_in_a_text() => Assert.All(many.Value, p => Assert.DoesNotMatch(@"\{[a-z](\.\d)?(:|\})|\{[=?!@]|<\+?[a-z]+\.[a-z.]+>|<(Q|wh|Wh|np|order)>|<q>(?!.*</q>)", p.Text));

    [Fact]
    public void Same_seed_gives_the_same_passages() => Assert.Equal(many.Value.Take(300).Select(p => p.ToString()), Passages(examples.Value, 300).Select(p => p.ToString()));

    [Fact]
    public void Without_sums_no_sum_is_due()
    {
        var passages = Passages(examples.Value with { HasSums = false }, 2000);
        Assert.Equal(["days_between", "letters_in"], passages.SelectMany(p => p.Dues).Select(d => d.Program).Distinct().Order());
        Assert.Contains(passages, p => p.Text.Contains(" + ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_look_up_of_items_has_an_operand_for_each()
    {
        var passages = Passages(Sources(File("Shop.cs", Price)), 2000);
        var dues = passages.SelectMany(p => p.Dues.Select(d => (p, d))).ToArray();
        Assert.Equal(["bread", "milk", "olive oil", "tea"], dues.SelectMany(d => d.d.Operands.Select(o => o.Of(d.p.Text).ToLowerInvariant())).Distinct().Order());
        Assert.Equal(Enumerable.Range(1, Fusing.Slots), dues.Select(d => d.d.Operands.Count).Distinct().Order());
    }

    [Fact]
    public void A_program_that_never_gives_a_result_is_said()
    {
        var path = File("Never.cs", "static class Never { [Exact(\"a\", \"What is the never of {x:5}?\")] static int Of(int x) => throw new ArgumentException(\"there is none\"); }");
        var message = Assert.Throws<SoftmodelException>(() => Passages(Sources(path), 100_000)).Message;
        Assert.StartsWith("the program 'of' gave no result for 2,000 values, one after the other", message, StringComparison.Ordinal);
        Assert.EndsWith("of failed: there is none", message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_never_ends_does_not_hold_up_what_is_composed()
    {
        var path = File("Ever.cs", "static class Ever { [Exact(\"a\", \"What is the ever of {x:5}?\", Milliseconds = 20)] static int Of(int x) { while (true) Thread.Sleep(1); } }".Replace("Thread.", "System.Threading.Thread.", StringComparison.Ordinal));
        Assert.EndsWith("of took longer than 20 ms.", Assert.Throws<SoftmodelException>(() => Passages(Sources(path), 100_000)).Message, StringComparison.Ordinal);
    }
}
