using Softmodel.Graphs;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Tests.Graphs;

public class GraphTextTests
{
    const string Everything = """
        graph everything
          positive T, n1
          input x: Float32[1,4,T]
          input "token ids": Int64[1]
          input c: Bool[]
          w: Float32[3,4,3] = parameter sha256:31cdd2b3fa0f55e3bb19ed70de2bd1a9d2bbd5b6ba60d1abbd1d3b9b0dbf2a42
          "fc 1.bias": Float32[2] = parameter {0.5,-1} frozen=false
          half: Float16[2] = constant {0.1,-0}
          most: Int64[] = constant {5}
          yes: Bool[] = constant {1}
          zero: Float32[] = constant {-Infinity}
          y: Float32[1,3,floordiv(T+1, 2)] = convolve(x, w) strides=[2] dilations=[1] low=[1] high=[1] groups=1   # Conv /enc/0 "a" # b
          y'2: Float32[3,1,floordiv(T+1, 2)] = transpose(y) order=[1,0,2]
          p: Float32[1,4,T+2] = pad(x, zero) mode=constant low=[0,0,1] high=[0,0,1]   # [layer=3 role=mlp_hidden] model.layers.3.mlp.down_proj.weight
          q: Float32[1,4,T] = negate(x)   # [layer= role=value scope="a b/c"] Neg '/layers.7/q_proj/Neg'
          r: Float32[1,4,T] = exp(q)   # Exp '/layers.7/q_proj/Exp'
          e: Float32[] = contract(w, w) equation="abc,abc->"
          sizes: Int64[3] = size_tensor() values=[1,4,T] shape=[3]
          best: Float32[1,4,2], "best'": Int64[1,4,2] = top_k(p) count=2 axis=2 largest=true
          bind("token ids") symbols=[n0]
          found: Int64[0,n1] = call(c) program=NonZero arguments=[-1] sizes=[n1]
          z: Float32[1,4,T] = if(c, x, x)
            graph then
              input a: Float32[1,4,T]
              b: Float32[1,4,T] = add(a, a)
              output r = b
            end
            graph else
              input a: Float32[1,4,T]
              output r = a
            end
          l: Float32[1,4,T], all: Float32[n2,1,4,T] = loop(most, yes, z) carried=1 iterations=n2
            graph body
              input i: Int64[]
              input s: Float32[1,4,T]
              go: Bool[] = constant {1}
              t: Float32[1,4,T] = negate(s)
              output go = go
              output s = t
              output stack = t
            end
          output y = y'2
          output "the end" = l
        end

        """;

    static Tensor Weight() => Tensor.Of<float>(Enumerable.Range(0, 36).Select(i => i / 8f).ToArray(), 3, 4, 3);

    // The hash in the text is that of the weight.
    static readonly string text = Everything.Replace("sha256:31cdd2b3fa0f55e3bb19ed70de2bd1a9d2bbd5b6ba60d1abbd1d3b9b0dbf2a42", GraphText.Hash(Weight()), StringComparison.Ordinal);

    static Graph Read(string text) => GraphText.Read(text, hash => hash == GraphText.Hash(Weight()) ? Weight() : null);

    [Fact]
    public void What_is_read_is_written_again() => Assert.Equal(text, GraphText.Write(Read(text)));

    [Fact]
    public void What_is_read_is_what_was_meant()
    {
        var graph = Read(text);
        Assert.Equal(["y", "the end"], graph.OutputNames);
        Assert.Equal("y", graph.Outputs[0].Name);
        Assert.NotSame(graph.Outputs[0], graph.Nodes.Single(n => n.Op is Op.Convolve).Output);
        var node = graph.Nodes.Single(n => n.Op is Op.Convolve);
        Assert.Equal("Conv /enc/0 \"a\" # b", node.Source);
        Assert.Equal(new Op.Convolve([2], [1], [1], [1], 1), node.Op);
        Assert.Equal(new Origin("model.layers.3.mlp.down_proj.weight") { Layer = 3, Role = Role.MlpHidden }, Of("p"));
        Assert.Equal(new Origin("Neg '/layers.7/q_proj/Neg'") { Role = Role.Value, Scope = ["a b", "c"] }, Of("q"));
        Assert.Equal(new Origin("Exp '/layers.7/q_proj/Exp'") { Layer = 7, Role = Role.Query, Scope = ["layers.7", "q_proj"] }, Of("r"));
        Origin Of(string name) => graph.Nodes.Single(n => n.Outputs.Count > 0 && n.Output.Name == name).Origin;
        Assert.Equal(new Op.Parameter("w", Weight()), graph.Nodes[0].Op);
        Assert.Equal(new Op.Parameter("fc 1.bias", Tensor.Vector(0.5f, -1), IsFrozen: false), graph.Nodes[1].Op);
        Assert.Equal(0x8000, graph.Nodes[2].Op.Stored!.Values<ushort>()[1]);
        Assert.Single(graph.Nodes.Single(n => n.Op is Op.Loop).Bodies.Single().Nodes, n => n.Op is Op.Map);
    }

    [Fact]
    public void Numbers_that_text_does_not_tell_apart_are_referred_to()
    {
        var nan = Tensor.Vector<float>(BitConverter.UInt32BitsToSingle(0x7FC0_0001));
        var builder = new GraphBuilder("g", (_, _) => null);
        var graph = builder.Build([builder.Constant(nan)]);
        Assert.Contains("sha256:", GraphText.Write(graph));
    }

    [Theory]
    [InlineData("", "line 1", "'end' is missing")]
    [InlineData("graph g", "line 1", "'end' is missing")]
    [InlineData("graph g\nend\nend", "line 3", "more after")]
    [InlineData("graph g\ninput x: Float[1]\nend", "line 2", "no type")]
    [InlineData("graph g\ninput x: Float32[1\nend", "line 2", "no list")]
    [InlineData("graph g\ninput x: Float32[1]\ninput x: Float32[1]\nend", "line 3", "already")]
    [InlineData("graph g\noutput y = x\nend", "line 2", "no value x")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[1] = nothing(x)\nend", "line 3", "no function 'nothing'")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[1] = cast(x)\nend", "line 3", "lacks its attribute 'to'")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[1] = cast(x) to=float31\nend", "line 3", "float31")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[1] = cast(x) to=float32 from=int8\nend", "line 3", "no attribute 'from'")]
    [InlineData("graph g\nw: Float32[2] = constant {1}\nend", "line 2", "bytes")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[1] = exp(x) # [role=king] Exp\nend", "line 3", "no role 'king'")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[1] = exp(x) # [layer=3 king=1] Exp\nend", "line 3", "'king=1'")]
    [InlineData("graph g\nw: Float32[99999999999] = constant sha256:00\nend", "line 2", "no constant sha256:00")]
    [InlineData("graph g\ninput x: Float32[1]\ny: Float32[2] = negate(x)\nend", "graph g", "gives Float32[1]")]
    public void Wrong_text_is_refused_with_its_line(string text, string where, string what)
    {
        var error = Assert.Throws<SoftmodelException>(() => GraphText.Read(text));
        Assert.Contains(where, error.Message);
        Assert.Contains(what, error.Message);
    }

    [Fact]
    public void Weights_may_be_drawn()
    {
        static string Text(string of) => $"graph g\n  a: Float32[40,50] = parameter {of}\n  b: Float32[40,50] = parameter {of}\n  output a = a\n  output b = b\nend\n";
        var drawn = Softmodel.Passes.Parameters.Of(GraphText.Read(Text("normal(0.5)"))).Select(p => p.Value.Values<float>().ToArray()).ToArray();
        Assert.All(drawn, x => Assert.InRange(Math.Sqrt(x.Average(e => (double)e * e)), 0.47, 0.53));
        Assert.NotEqual(drawn[0], drawn[1]);
        Assert.Equal(drawn, Softmodel.Passes.Parameters.Of(GraphText.Read(Text("normal(0.5)"))).Select(p => p.Value.Values<float>().ToArray()));
        Assert.Contains("line 2 of the text of a graph: a: 'normal(much)' is not understood", Assert.Throws<SoftmodelException>(() => GraphText.Read(Text("normal(much)"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_is_refused() =>
        Assert.Contains("deep", Assert.Throws<SoftmodelException>(() => GraphText.Read(string.Concat(Enumerable.Repeat("graph g\nif()\n", 100_000)))).Message);

    [Fact]
    public void Every_operation_has_a_form()
    {
        foreach (var type in typeof(Op).GetNestedTypes().Where(t => t.IsSubclassOf(typeof(Op)) && t != typeof(Op.Map) && t != typeof(Op.Constant) && t != typeof(Op.Parameter)))
        {
            var parameters = type.GetConstructors().Single().GetParameters();
            var op = (Op)Activator.CreateInstance(type, [.. parameters.Select(p =>
                p.ParameterType == typeof(string) ? "s p" : p.ParameterType == typeof(Dim) ? Dim.Symbol("T") + 1 : p.ParameterType == typeof(Graph) ? new Graph("b", [], [], [], [])
                : p.ParameterType == typeof(Shape) ? new Shape(Dim.Symbol("T"), 2) : Activator.CreateInstance(p.ParameterType))])!;
            var attributes = OpForms.Attributes(op).Trim();
            var pairs = attributes.Length == 0 ? [] : attributes.Replace("\"s p\"", "\"s_p\"").Split(' ').ToDictionary(a => a[..a.IndexOf('=')], a => a[(a.IndexOf('=') + 1)..].Replace("s_p", "s p"));
            Assert.Equal(op, OpForms.Read(OpForms.NameOf(op), pairs, [.. new Node(op, [], [], Origin.None).Bodies]));
        }
    }
}
