using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Tests.Generated;

/// <summary>What generated graphs have found, as small as it could be made.</summary>
public class FoundTests
{
    static void Agree(string text, params Tensor[] inputs)
    {
        var graph = GraphText.Read(text);
        var expected = Evaluator.Run(graph, inputs);
        foreach (var width in new[] { 512, 256, 128 })
        {
            var actual = Answers.Compiled(graph, inputs, width, 1, 2);
            for (var i = 0; i < expected.Length; i++)
                Assert.True(expected[i].SameAs(actual[i]), $"{expected[i]} expected, {actual[i]} computed for {width} bits");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(9)]
    public void Stacks_of_a_loop_that_only_its_body_ends_have_room(long limit) => Agree("""
        graph g
          input limit: Int64[]
          input x: Float32[2]
          most: Int64[] = constant {5}
          yes: Bool[] = constant {1}
          l: Float32[2], all: Float32[n,2] = loop(most, yes, x, limit) carried=1 iterations=n
            graph body
              input i: Int64[]
              input s: Float32[2]
              input limit: Int64[]
              one: Int64[] = constant {1}
              next: Int64[] = add(i, one)
              go: Bool[] = less(next, limit)
              t: Float32[2] = add(s, s)
              output go = go
              output s = t
              output stack = t
            end
          output l = l
          output all = all
        end
        """, Tensor.Scalar(limit), Tensor.Vector<float>(1, -1));

    [Fact]
    public void A_product_may_have_no_rows() => Agree("""
        graph g
          input x: Float32[0,3]
          input y: Float32[3,40]
          one: Float32[] = constant {1}
          z: Float32[0,40] = contract(x, y) equation="ik,kj->ij"
          more: Float32[0,40] = add(z, one)
          output more = more
        end
        """, Tensor.Of<float>([], 0, 3), Answers.Ramp(3, 40));

    [Fact]
    public void Letters_of_a_contraction_are_not_names_in_its_kernel() => Agree("""
        graph g
          input x: Float32[2,3]
          input y: Float32[3,4]
          z: Float32[2,4] = contract(x, y) equation="Vr,rf->Vf"
          output z = z
        end
        """, Tensor.Of<float>([1, 2, 3, 4, 5, 6], 2, 3), Tensor.Of<float>([1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1], 3, 4));

    [Fact]
    public void Costs_of_sizes_that_are_broadcast_can_be_compared() => Agree("""
        graph g
          input n: Float32[T]
          input x: Float32[2*T]
          input y: Float32[S]
          t: Float32[T] = slice(x) starts=[0] sizes=[T] steps=[1]
          z: Float32[broadcast(2*T, S)] = add(x, y)
          w: Float32[broadcast(2*T, S)] = multiply(z, z)
          output z = z
          output w = w
          output t = t
        end
        """, Tensor.Vector<float>(0), Tensor.Vector<float>(1, 2), Tensor.Vector<float>(5));

    [Fact]
    public void What_is_always_outside_of_a_padded_tensor_is_never_looked_for() => Agree("""
        graph g
          input x: Float32[t,3]
          one: Int64[1] = constant {1}
          zero: Float32[] = constant {0}
          padded: Float32[t,6] = pad(x, zero) mode=constant low=[0,3] high=[0,0]
          chosen: Float32[t,1] = gather(padded, one) axis=1
          output chosen = chosen
        end
        """, Answers.Ramp(4, 3));

    /// <summary>The choice lies in a position that is compared, and nowhere else.</summary>
    [Fact]
    public void What_chooses_among_sizes_is_stored() => Agree("""
        graph g
          input x: Float32[t,3]
          at: Int64[4,1] = constant {0,1,1,0}
          sizes: Int64[2] = size_tensor() values=[t,3] shape=[2]
          chosen: Int64[4] = gather_nd(sizes, at) batchAxes=0
          output chosen = chosen
        end
        """, Answers.Ramp(5, 3));

    [Fact]
    public void A_sum_of_products_may_gain_an_axis_of_one_element_and_lose_another() => Agree("""
        graph g
          input x: Float32[6,t,3]
          input y: Float32[1,3]
          sums: Float32[6,t,1] = contract(x, y) equation="qrc,ac->qra"
          moved: Float32[1,6,t] = reshape(sums) shape=[1,6,t]
          output moved = moved
        end
        """, Answers.Ramp(6, 5, 3), Answers.Ramp(1, 3));

    [Fact]
    public void A_vector_beyond_one_padding_may_be_within_another() => Agree("""
        graph g
          input x: Float32[t,2]
          one: Float32[] = constant {1}
          zero: Float32[] = constant {0}
          inner: Float32[t,12] = pad(x, one) mode=constant low=[0,0] high=[0,10]
          outer: Float32[t+1,48] = pad(inner, zero) mode=constant low=[0,20] high=[1,16]
          output outer = outer
        end
        """, Answers.Ramp(3, 2));

    /// <summary>A kernel that reads what lies within the zeros, and not the copy with zeros around it, needs it after the copy is made.</summary>
    [Fact]
    public void What_is_padded_is_kept_for_a_convolution_that_reads_it_without_its_padding() => Agree("""
        graph g
          input x: Float32[19,1,t]
          whole: Float32[19,1,t] = round(x)
          one: Float32[1] = constant {1}
          across: Float32[t,19] = contract(one, whole) equation="b,abc->ca"
          w: Float32[7,1,3] = constant {-5,2,-2,5,1,-3,4,0,-4,3,-1,-5,2,-2,5,1,-3,4,0,-4,3}
          moved: Float32[19,7,floordiv(t+1, 3)+1] = convolve(whole, w) strides=[3] dilations=[1] low=[3] high=[1] groups=1
          output across = across
          output moved = moved
        end
        """, Answers.Ramp(19, 1, 40));

    [Theory]
    [InlineData("z: Float32[4] = scatter_nd(x, at, y) combine=sum", "Int64[1,1]", -5)]
    [InlineData("z: Float32[4] = scatter_elements(x, flat, y) axis=0 combine=sum", "Int64[1,1]", -8)]
    public void An_index_counts_from_the_end_once(string scatter, string indices, long index)
    {
        var graph = GraphText.Read($"""
            graph g
              input x: Float32[4]
              input at: {indices}
              input y: Float32[1]
              flat: Int64[1] = reshape(at) shape=[1]
              {scatter}
              output z = z
            end
            """);
        using var model = Answers.Compile(graph, 128);
        Assert.Equal(ModelError.Index, Assert.Throws<ModelException>(() => model.Run(TensorArgument.Of(new float[4], 4), TensorArgument.Of([index], 1, 1), TensorArgument.Of([1f], 1))).Error);
    }

    [Theory]
    [InlineData("divide", "Int64")]
    [InlineData("modulo", "Int32")]
    [InlineData("remainder", "UInt8")]
    public void An_integer_divided_by_0_is_refused_with_the_name_of_the_node(string function, string type)
    {
        var graph = GraphText.Read($"""
            graph g
              input x: {type}[4]
              input y: {type}[4]
              z: {type}[4] = {function}(x, y)   # Div 'ratio'
              output z = z
            end
            """);
        using var model = Answers.Compile(graph, 128);
        var numbers = Tensor.Of(graph.Inputs[0].Type.Element, [4], new long[] { 3, 1, 0, 1 });
        var refused = Assert.Throws<ModelException>(() => Running.Run(model, [numbers, numbers]));
        Assert.Equal(ModelError.Index, refused.Error);
        Assert.Contains("Div 'ratio'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_result_that_no_machine_holds_is_refused_as_it_is_run()
    {
        var graph = GraphText.Read("""
            graph g
              input x: Float32[4611686018427387904]
              output same = x
            end
            """);
        using var model = Answers.Compile(graph, 128);
        Assert.Contains("float32[4611686018427387904]", Assert.Throws<ModelException>(() => model.Run(TensorArgument.Of(new float[1], 1))).Message, StringComparison.Ordinal);
    }
}
