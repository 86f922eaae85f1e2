using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Tests.Lowering;

public class StoredTests
{
    [Fact]
    public void What_is_read_twice_again_and_again_is_decided_once()
    {
        // Each of these doubles the ways from the sum to what it is computed of.
        var text = new System.Text.StringBuilder("graph blocks\n  input x: Float32[1,4,T]\n  v: Float32[4,4,1] = constant {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}\n  a0: Float32[1,4,T] = tanh(x)\n");
        const int Times = 200;
        for (var i = 0; i < Times; i++)
            text.Append($"  b{i}: Float32[1,4,T] = tanh(a{i})\n  a{i + 1}: Float32[1,4,T] = add(a{i}, b{i})\n");
        text.Append($"  c: Float32[1,4,T] = convolve(a{Times}, v) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # sum\n  d: Float32[1,4,T] = add(c, a{Times})\n  output d = d\nend\n");
        Assert.Single(Sums(text.ToString()));
    }

    static string[] Sums(string text) => [.. Lower.Program(GraphText.Read(text)).AllSteps().OfType<Step.Nest>().Where(n => n.Fold is not null).Select(n => n.Source)];

    [Fact]
    public void What_is_added_to_a_sum_of_products_is_added_in_its_kernel_and_not_in_that_of_a_later_one() => Assert.Equal(
        ["convolve one; add first", "convolve two; add both", "convolve three; tanh end"],
        Sums("""
            graph residual
              input x: Float32[1,4,T]
              v: Float32[4,4,1] = constant {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}
              a: Float32[1,4,T] = convolve(x, v) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # one
              b: Float32[1,4,T] = convolve(x, v) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # two
              c: Float32[1,4,T] = convolve(x, v) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # three
              d: Float32[1,4,T] = add(x, a)   # first
              e: Float32[1,4,T] = add(x, b)   # second
              f: Float32[1,4,T] = add(d, e)   # both
              g: Float32[1,4,T] = add(c, f)   # all
              h: Float32[1,4,T] = tanh(g)   # end
              output h = h
            end
            """));

    [Fact]
    public void A_reader_with_a_sum_of_its_own_finds_what_was_computed_of_a_sum() => Assert.Equal(
        ["convolve one; maximum rectified", "convolve two"],
        Sums("""
            graph layers
              input x: Float32[1,4,T]
              v: Float32[4,4,1] = constant {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}
              zero: Float32[] = constant {0}
              a: Float32[1,4,T] = convolve(x, v) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # one
              b: Float32[1,4,T] = maximum(a, zero)   # rectified
              c: Float32[1,4,T] = convolve(b, v) strides=[1] dilations=[1] low=[0] high=[0] groups=1   # two
              output c = c
            end
            """));
}
