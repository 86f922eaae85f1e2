using System.Text.Json;
using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Report;

namespace Softmodel.Tests.Report;

public class OutlineTests
{
    const string Text = """
        graph small
          input x: Float32[1,4,T]
          input n: Int64[1]
          w: Float32[4,4,3] = constant {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48}   # Conv '/dec/first/Conv'
          zero: Float32[] = constant {0}
          a: Float32[1,4,T] = convolve(x, w) strides=[1] dilations=[1] low=[1] high=[1] groups=1   # Conv '/dec/first/Conv'
          b: Float32[1,4,T] = maximum(a, zero)   # Relu '/dec/first/Relu'
          c: Float32[1,4,T] = convolve(b, w) strides=[1] dilations=[1] low=[1] high=[1] groups=1   # Conv '/dec/second/Conv'
          d: Float32[1,4,T] = tanh(c)   # Tanh '/dec/second/Tanh'
          bind(n) symbols=[m]   # Range 'lengths'
          e: Int64[m] = iota() size=m   # Range 'lengths'
          f: Int64[m] = add(e, e)   # Add 'lengths/Add'
          output d = d
          output f = f
        end
        """;

    static readonly Graph graph = GraphText.Read(Text);

    static Outline Of(Graph graph)
    {
        var program = Lower.Program(graph);
        return Outline.Of("small", program, ProgramCode.Write(program, 256));
    }

    [Fact]
    public void Every_operation_is_in_a_kernel_that_names_its_source()
    {
        var program = Lower.Program(graph);
        var within = program.AllSteps().SelectMany(s => s.Nodes).ToHashSet();
        Assert.All(graph.Nodes.Where(n => n.Op.Stored is null), n => Assert.Contains(n, within));
        var outline = Of(graph);
        Assert.Equal(graph.Nodes.Where(n => n.Op.Stored is null).Select(n => n.Source).ToHashSet(), outline.Parts.SelectMany(p => p.Sources).ToHashSet());
        Assert.Equal(6, outline.Sources);
    }

    [Fact]
    public void Parts_lie_in_the_scopes_of_their_names_and_follow_what_they_take()
    {
        var last = Of(graph).Parts.Single(p => p.Title == "convolve + tanh");
        Assert.Equal(["dec", "second"], last.Scope);
        Assert.Equal(["Conv '/dec/second/Conv'", "Tanh '/dec/second/Tanh'"], last.Sources);
        Assert.Equal(192, last.Weights);
        var padding = Of(graph).Parts[Assert.Single(last.From)];
        Assert.Equal("padding", padding.Title);
        Assert.Equal("Float32[1,4,T+2]", padding.Result);
    }

    [Fact]
    public void Steps_that_differ_in_their_buffers_alone_share_a_kernel()
    {
        var outline = Of(GraphText.Read(Text.Replace("= tanh(c)", "= maximum(c, zero)", StringComparison.Ordinal).Replace("= maximum(a, zero)", "= maximum(x, zero)", StringComparison.Ordinal)));
        Assert.Equal(outline.Parts.Count(p => p.Kernel >= 0), outline.Kernels.Sum(k => k.Steps));
        Assert.All(outline.Kernels, k => Assert.NotEmpty(k.Code));
        var whole = Of(graph);
        Assert.Contains("Tile", string.Join(' ', whole.Shared.Keys), StringComparison.Ordinal);
        Assert.All(whole.Shared, s => Assert.Contains(s.Key[(s.Key.IndexOf('.') + 1)..], s.Value, StringComparison.Ordinal));
    }

    [Fact]
    public void Work_counts_two_operations_for_a_product_of_a_sum()
    {
        var outline = Of(graph);
        var convolution = outline.Parts.Single(p => p.Title == "convolve + tanh").Work;
        var without = outline.Parts.Single(p => p.Title == "convolve + maximum").Work;
        Assert.Equal(2.0 * 4 * 4 * 3 * 50 + Functions.Named("maximum").Cost * 4.0 * 50, without.At(_ => 50));
        Assert.Equal(2.0 * 4 * 4 * 3 * 50 + Functions.Named("tanh").Cost * 4.0 * 50, convolution.At(_ => 50));
        Assert.Equal("1*4*s.T+2*4*s.T*4*3", without.ToJavaScript());
        Assert.Equal(["T", "m"], outline.Symbols.Order());
    }

    [Fact]
    public void Sizes_are_found_without_computing_what_none_depends_on()
    {
        // A word of 0 letters for x would be refused if it were convolved.
        var sizes = Sizes.Of(graph, [Tensor.Of<float>(new float[4 * 7], 1, 4, 7), Tensor.Vector(3L)], TestContext.Current.CancellationToken);
        Assert.Equal(7, sizes["T"]);
        Assert.Equal(3, sizes["m"]);
    }

    [Theory]
    [InlineData("Conv '/dec/ups.0/Conv'", "dec/ups.0")]
    [InlineData("If '/vad/If' / Conv '/stft/Conv'", "stft")]
    [InlineData("Conv 'Conv_12'", "")]
    [InlineData("outputs", "")]
    [InlineData("", "")]
    public void Scopes_are_read_from_names(string source, string scope) => Assert.Equal(scope, string.Join('/', Origin.Of(source).Scope));

    [Fact]
    public void Dot_has_a_box_for_each_part_and_quotes_names()
    {
        var outline = Of(graph) with { Name = "a \"b\" \\ c" };
        var text = new StringWriter();
        OutlineDot.Write(outline, text);
        var lines = text.ToString().Split('\n');
        Assert.Equal("digraph \"a \\\"b\\\" \\\\ c\" {", lines[0]);
        Assert.Equal(outline.Parts.Length, lines.Count(l => l.Contains(" [label=", StringComparison.Ordinal)));
        Assert.Equal(outline.Parts.Sum(p => p.From.Length), lines.Count(l => l.Contains(" -> p", StringComparison.Ordinal)));
        Assert.Equal(text.ToString().Count(c => c == '{'), lines.Count(l => l.Trim() == "}"));
    }

    [Fact]
    public void Pages_hold_all_there_is_and_ask_for_nothing_else()
    {
        var outline = Of(graph) with { Name = "</script><b>" };
        var text = new StringWriter();
        OutlinePage.Write(outline, [("nodes in the file", 9)], outline.Symbols.ToDictionary(s => s, _ => 100.0), text);
        var page = text.ToString();
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"(src|href)=", page);
        Assert.DoesNotContain("</script><b>", page, StringComparison.Ordinal);
        var start = page.IndexOf("id=\"outline\">", StringComparison.Ordinal) + "id=\"outline\">".Length;
        using var data = JsonDocument.Parse(page[start..page.IndexOf("</script>", start, StringComparison.Ordinal)]);
        Assert.Equal(outline.Name, data.RootElement.GetProperty("name").GetString());
        Assert.Equal(outline.Parts.Length, data.RootElement.GetProperty("parts").GetArrayLength());
    }
}
