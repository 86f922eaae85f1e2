using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

/// <summary>Sizes that make an operation impossible are found before it, and refused with the name of its node.</summary>
public class DemandTests
{
    static Tensor Zeros(params long[] dims) => Tensor.Of(new float[Tensor.CountOf(dims)], dims);

    /// <summary>Compiled code and the evaluator refuse it alike, whatever becomes of it later.</summary>
    static void Refused(string text, string message, params Tensor[] inputs)
    {
        var graph = GraphText.Read(text);
        Assert.Contains(message, Assert.ThrowsAny<SoftmodelException>(() => Evaluator.Run(graph, inputs)).Message, StringComparison.Ordinal);
        foreach (var threads in new[] { 1, 2 })
        {
            using var model = Answers.Compile(graph, 256);
            model.Threads = threads;
            var refusal = Assert.Throws<ModelException>(() => model.Run([.. inputs.Select(Argument)]));
            Assert.Equal(ModelError.Shape, refusal.Error);
            Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
        }
    }

    static TensorArgument Argument(Tensor t) => t.Type == ElementType.Float32 ? TensorArgument.Of(t.Values<float>().ToArray(), t.Dims)
        : t.Type == ElementType.Bool ? TensorArgument.Of(t.Values<bool>().ToArray(), t.Dims) : TensorArgument.Of(t.Values<long>().ToArray(), t.Dims);

    static string Graph(string inputs, string node, string use = "output y = y") => $"graph g\n{inputs}\n{node}   # Node 'here'\n{use}\nend";

    const string Convolved = """
        graph g
          input x: Float32[1,2,T]
          w: Float32[3,2,7] = constant sha256:w
          y: Float32[1,3,T-6] = convolve(x, w) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # Conv 'encoder/first'
          m: Float32[1,3] = reduce(y) kind=sum axes=[2]
          output m = m
        end
        """;

    static Graph Read(string text) => GraphText.Read(text, _ => Zeros(3, 2, 7));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(6)]
    public void A_window_longer_than_its_axis_is_refused_before_anything_is_written(int length)
    {
        using var model = Answers.Compile(Read(Convolved), 512);
        var message = Assert.Throws<ModelException>(() => model.Run(TensorArgument.Of(new float[2 * length], 1, 2, length))).Message;
        Assert.Equal($"Conv 'encoder/first': its window of 7 elements is longer than axis 2, which has {length} with its padding; T is {length}", message);
        // It goes on as if nothing had been.
        model.Run(TensorArgument.Of(new float[2 * 7], 1, 2, 7));
        Assert.Equal(3, model.Output(0).Count);
    }

    [Fact]
    public void A_slice_with_less_than_nothing_left_is_refused() =>
        Refused(Graph("input x: Float32[T,2]", "y: Float32[T-3,2] = slice(x) starts=[3,0] sizes=[T-3,2] steps=[1,1]"), "Node 'here': axis 0 of its result would have -1 elements", Zeros(2, 2));

    [Fact]
    public void A_slice_that_does_not_lie_within_is_refused() =>
        Refused(Graph("input x: Float32[T]", "y: Float32[2] = slice(x) starts=[3] sizes=[2] steps=[1]"), "Node 'here': a slice of 2 elements from 3 in steps of 1 does not lie within axis 0, which has 4", Zeros(4));

    [Fact]
    public void A_padding_that_takes_more_than_there_is_is_refused() =>
        Refused(Graph("input x: Float32[T]\nzero: Float32[] = constant {0}", "y: Float32[T-4] = pad(x, zero) mode=constant low=[-2] high=[-2]"), "Node 'here': axis 0 of its result would have -1 elements", Zeros(3));

    [Fact]
    public void Nothing_is_made_of_an_empty_axis() =>
        Refused(Graph("input x: Float32[T]\nzero: Float32[] = constant {0}", "y: Float32[T+2] = pad(x, zero) mode=reflect low=[1] high=[1]"), "Node 'here': there is nothing to pad axis 0 with", Zeros(0));

    [Theory]
    [InlineData("input x: Float32[T]\ninput z: Float32[S]", "y: Float32[broadcast(S, T)] = add(x, z)", "axes of 3 and 2 elements cannot be broadcast to one another", 3, 2)]
    [InlineData("input x: Float32[T]\ninput z: Float32[5]", "y: Float32[5] = add(x, z)", "axes of 3 and 5 elements cannot be broadcast to one another", 3, 5)]
    [InlineData("input x: Float32[T]\ninput z: Float32[5]", "y: Float32[5] = add(x, z)", "axes of 0 and 5 elements cannot be broadcast to one another", 0, 5)]
    [InlineData("input x: Float32[T]\ninput z: Float32[S]", "y: Float32[S] = broadcast(x) shape=[S]", "an axis of 2 elements cannot be broadcast to 3", 2, 3)]
    [InlineData("input x: Float32[T]\ninput z: Float32[S]", "y: Float32[] = contract(x, z) equation=a,a->", "a,a->: sizes 3 and 4 differ", 3, 4)]
    [InlineData("input x: Float32[T]\ninput z: Float32[S]", "y: Float32[S,2] = reshape(x) shape=[S,2]", "5 elements cannot be viewed as [", 5, 2)]
    public void Sizes_that_do_not_fit_one_another_are_refused(string inputs, string node, string message, long t, long s) =>
        Refused(Graph(inputs, node), $"Node 'here': {message}", Zeros(t), Zeros(s));

    [Fact]
    public void More_of_the_largest_than_there_are_is_refused() =>
        Refused(Graph("input x: Float32[T]", "y: Float32[3], i: Int64[3] = top_k(x) count=3 axis=0 largest=true"), "Node 'here': the first 3 are asked for along axis 0, which has 2 elements", Zeros(2));

    const string Branches = """
        graph g
          input c: Bool[]
          input x: Float32[T]
          y: Float32[] = if(c, x, x)
            graph then
              input x: Float32[T]
              s: Float32[] = reduce(x) kind=sum axes=[0]
              output s = s
            end
            graph else
              input x: Float32[T]
              t: Float32[T-3] = slice(x) starts=[3] sizes=[T-3] steps=[1]   # Slice 'tail'
              u: Float32[T-3] = add(t, t)
              s: Float32[] = reduce(u) kind=sum axes=[0]
              output s = s
            end
          output y = y
        end
        """;

    [Fact]
    public void A_branch_that_is_not_taken_demands_nothing()
    {
        using var model = Answers.Compile(GraphText.Read(Branches), 256);
        model.Run(TensorArgument.Of([true]), TensorArgument.Of([1f, 2f], 2));
        Assert.Equal(3, model.Output(0).Span<float>()[0]);
        Refused(Branches, "Slice 'tail': axis 0 of its result would have -1 elements", Tensor.Scalar(false), Zeros(2));
    }

    const string Turns = """
        graph g
          input limit: Int64[]
          input x: Float32[T]
          yes: Bool[] = constant {1}
          none: Float32[] = constant {0}
          l: Float32[] = loop(limit, yes, none, x) carried=1 iterations=n
            graph body
              input i: Int64[]
              input s: Float32[]
              input x: Float32[T]
              go: Bool[] = constant {1}
              t: Float32[T-3] = slice(x) starts=[3] sizes=[T-3] steps=[1]   # Slice 'tail'
              m: Float32[] = reduce(t) kind=sum axes=[0]
              u: Float32[] = add(s, m)
              output go = go
              output s = u
            end
          output l = l
        end
        """;

    [Fact]
    public void A_loop_demands_nothing_before_it_turns()
    {
        using var model = Answers.Compile(GraphText.Read(Turns), 256);
        model.Run(TensorArgument.Of([0L]), TensorArgument.Of([1f, 2f], 2));
        Assert.Equal(0, model.Output(0).Span<float>()[0]);
        Refused(Turns, "Slice 'tail': axis 0 of its result would have -1 elements", Tensor.Scalar(1L), Zeros(2));
    }

    [Theory]
    [InlineData(-3, "Node 'here'")]
    [InlineData(2, "Slice 'tail': axis 0 of its result would have -1 elements")]
    public void Sizes_that_the_run_finds_are_checked_when_they_are_known(long size, string message) => Refused("""
        graph g
          input n: Int64[1]
          input x: Float32[]
          bind(n) symbols=[k]   # Node 'here'
          a: Float32[k] = broadcast(x) shape=[k]
          y: Float32[k-3] = slice(a) starts=[3] sizes=[k-3] steps=[1]   # Slice 'tail'
          z: Float32[] = reduce(y) kind=sum axes=[0]
          output z = z
        end
        """, message, Tensor.Vector(size), Tensor.Scalar(1f));

    [Fact]
    public void Products_of_sizes_that_do_not_fit_into_64_bits_are_refused()
    {
        // 2^32 times 2^32 is 0 in 64 bits.
        using var model = Answers.Compile(GraphText.Read("""
            graph g
              input x: Float32[T,0]
              one: Float32[] = constant {1}
              y: Float32[T*T] = broadcast(one) shape=[T*T]
              output y = y
            end
            """), 256);
        Assert.Equal(ModelError.Memory, Assert.Throws<ModelException>(() => model.Run(TensorArgument.Of(Array.Empty<float>(), 1L << 32, 0))).Error);
        model.Run(TensorArgument.Of(Array.Empty<float>(), 3, 0));
        Assert.Equal(9, model.Output(0).Count);
    }

    [Fact]
    public void An_argument_shorter_than_what_lies_along_it_is_refused()
    {
        using var model = Answers.Compile(GraphText.Read("""
            graph g
              input x: Float32[T+2]
              y: Float32[T] = slice(x) starts=[2] sizes=[T] steps=[1]
              output y = y
            end
            """), 256);
        Assert.Equal("x has an axis of 1 elements where there are T+2, at least 2", Assert.Throws<ModelException>(() => model.Run(TensorArgument.Of(new float[1], 1))).Message);
    }

    /// <summary>A check costs time and code: there is none of what always holds.</summary>
    [Fact]
    public void What_always_holds_is_not_checked()
    {
        var program = Lower.Program(GraphText.Read("""
            graph g
              input x: Float32[1,2,T]
              w: Float32[3,2,3] = constant sha256:w
              y: Float32[1,3,T] = convolve(x, w) strides=[1] dilations=[1] low=[1] high=[1] groups=1
              z: Float32[1,3,2*T] = concat(y, y) axis=2
              s: Float32[1,3,T] = slice(z) starts=[0,0,T] sizes=[1,3,T] steps=[1,1,1]
              r: Float32[1,3,T] = slice(s) starts=[0,0,T-1] sizes=[1,3,T] steps=[1,1,-1]
              m: Float32[3,T] = reshape(r) shape=[3,T]
              output m = m
            end
            """, _ => Zeros(3, 2, 3)));
        // Without any sample the window is longer than the padded axis; that is all.
        Assert.Equal(1, program.AllSteps().OfType<Step.Demanded>().Sum(s => s.Conditions.Length));
    }
}
