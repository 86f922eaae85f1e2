using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Tests.Learn;

/// <summary>The gradient of every core operation and scalar function beside central differences in double precision.</summary>
public class GradientTests
{
    const double Most = 1e-6;

    sealed record OneNode(GraphBuilder Builder, List<Tensor> Given, Random Random)
    {
        public Term Float(params long[] dims) => Input(dims, () => Random.NextDouble() * 4 - 2);

        public Term Positive(params long[] dims) => Input(dims, () => Random.NextDouble() * 2 + 0.2);

        public Term Input(long[] dims, Func<double> number)
        {
            Given.Add(Tensor.Of(ElementType.Float32, dims, Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => number()).ToArray()));
            return new(Builder, Builder.Input($"x{Given.Count}", new(ElementType.Float32, Shape.Of(dims))));
        }

        public Term Integers(long[] dims, params long[] numbers) => new(Builder, Builder.Constant(Tensor.Of<long>(numbers, dims)));

        /// <summary>A branch of values x and w.</summary>
        public Term If(bool condition, Func<Func<Term, Term>, Term, Term, Term> then, Func<Func<Term, Term>, Term, Term, Term> otherwise) => If(condition, Float(3, 4), Float(4), then, otherwise);

        public Term If(bool condition, Term x, Term w, Func<Func<Term, Term>, Term, Term, Term> then, Func<Func<Term, Term>, Term, Term, Term> otherwise) =>
            If(x.Reduce(Reduction.Sum, [.. Enumerable.Range(0, x.Rank)]) is var sum && condition ? sum < 1e9 : sum > 1e9, x, w, then, otherwise);

        public Term If(Term condition, Term x, Term w, Func<Func<Term, Term>, Term, Term, Term> then, Func<Func<Term, Term>, Term, Term, Term> otherwise)
        {
            (Graph Graph, IReadOnlyList<Value> Captures) Branch(Func<Func<Term, Term>, Term, Term, Term> write)
            {
                var body = Builder.Body("branch");
                Term Within(Term y) => new(body, body.Capture(y.Value));
                var result = write(Within, Within(x), Within(w));
                return (body.Build([result.Value]), body.Captures);
            }
            var (yes, no) = (Branch(then), Branch(otherwise));
            return new(Builder, Builder.ApplyAll(new Op.If(yes.Graph, no.Graph), [condition.Value, .. yes.Captures, .. no.Captures])[0]);
        }

        /// <summary>A loop from x on, with w of the graph around it: what it leaves, with what it stacks.</summary>
        public Term Loop(long most, Func<Term, Term, Term, Iteration.Turn> turn, bool begin = true, int? of = null)
        {
            var (x, w) = (Float(3, 4), Float(4));
            var first = x.Reduce(Reduction.Sum, [0, 1]) is var sum && begin ? sum < 1e9 : sum > 1e9;
            var results = Iteration.Loop(Builder, x.Constant(Tensor.Scalar(most)), first, [x], (time, carried) => turn(time, carried[0], Iteration.Within(time, w)))!;
            Term Summed(Term stack) => stack.Reduce(Reduction.Sum, [0]);
            return of is 1 ? Summed(results[1]) : results[0] + Summed(results[1]);
        }

        /// <summary>A loop that carries an index, and takes another row of a table each time.</summary>
        public Term CountingLoop()
        {
            var (x, table) = (Float(3), Float(5, 3));
            return Iteration.Loop(Builder, x.Constant(Tensor.Scalar(4L)), null, [x.Constant(Tensor.Scalar(0L)), x], (time, carried) =>
                new([(carried[0] * 2 + 1).Map(Functions.Remainder, carried[0].Scalar(5)), (carried[1] * Iteration.Within(time, table).Gather(carried[0], 0)).Map(Functions.Sin)], []))![1];
        }

        /// <summary>A loop in the body of another.</summary>
        public static Term Inner(Term x, Term w, Term? most) => Iteration.Loop(x.Builder, most ?? x.Constant(Tensor.Scalar(5L)), null, [x],
            (time, carried) => new([carried[0] * Iteration.Within(time, w).Map(Functions.Cos) + Iteration.Within(time, x)], [], most is null ? time < 1 : null))![0];

        public Value[] All(Op op, params Term[] x) => Builder.ApplyAll(op, [.. x.Select(t => t.Value)]);
    }

    static readonly (string Name, Func<OneNode, Term> Build)[] operations =
    [
        ("cast", g => g.Float(3, 4).Cast(ElementType.Float64)),
        ("reduce sum", g => g.Float(3, 4, 5).Reduce(Reduction.Sum, [0, 2])),
        ("reduce max", g => g.Float(3, 4, 5).Reduce(Reduction.Max, [1])),
        ("reduce min", g => g.Float(3, 4, 5).Reduce(Reduction.Min, [0, 1, 2])),
        ("reduce product", g => g.Float(3, 4, 5).Reduce(Reduction.Product, [0, 2])),
        ("reduce product with zeros", g => g.Input([4, 4], () => g.Random.Next(3) - 1).Reduce(Reduction.Product, [1])),
        ("reduce max of copies", g => g.Float(3, 1).Broadcast(new(3, 5)).Reduce(Reduction.Max, [1])),
        ("contract matrices", g => g.Float(3, 4).Contract("ab,bc->ac", g.Float(4, 5))),
        ("contract batches, transposed", g => g.Float(2, 3, 4).Contract("nab,nca->cnb", g.Float(2, 5, 3))),
        ("contract what one alone has", g => g.Float(3, 4, 2).Contract("abc,bd->cd", g.Float(4, 5))),
        ("contract with itself", g => g.Float(3, 4) is var x ? x.Contract("ab,cb->ac", x) : default),
        ("contract to a scalar", g => g.Float(3, 4).Contract("ab,ba->", g.Float(4, 3))),
        ("convolve", g => g.Float(2, 3, 9).Apply(new Op.Convolve([1], [1], [1], [1], 1), g.Float(4, 3, 3))),
        ("convolve with strides that leave a rest", g => g.Float(2, 3, 12).Apply(new Op.Convolve([3], [2], [1], [0], 1), g.Float(4, 3, 4))),
        ("convolve in groups, 2-D", g => g.Float(2, 4, 7, 8).Apply(new Op.Convolve([2, 1], [1, 2], [1, 0], [2, 1], 2), g.Float(6, 2, 3, 2))),
        ("convolve depthwise", g => g.Float(2, 5, 11).Apply(new Op.Convolve([1], [2], [3], [3], 5), g.Float(5, 1, 4))),
        ("convolve, cut", g => g.Float(1, 2, 9).Apply(new Op.Convolve([1], [1], [-2], [-1], 1), g.Float(3, 2, 3))),
        ("transposed convolve", g => g.Float(2, 3, 5).Apply(new Op.ConvolveTransposed([2], [1], [1], [1], [1], 1), g.Float(3, 4, 4))),
        ("transposed convolve in groups, 2-D", g => g.Float(2, 4, 3, 5).Apply(new Op.ConvolveTransposed([2, 3], [1, 2], [0, 2], [1, 0], [1, 2], 2), g.Float(4, 3, 2, 3))),
        ("reshape", g => g.Float(3, 4).Reshape(new(2, 6))),
        ("transpose", g => g.Float(3, 4, 5).Transpose(2, 0, 1)),
        ("broadcast", g => g.Float(3, 1).Broadcast(new(2, 3, 5))),
        ("slice", g => g.Float(9, 8, 7).Apply(new Op.Slice([1, 7, 5], [3, 3, 2], [2, -3, -1]))),
        ("pad", g => g.Float(3, 4).Apply(new Op.Pad(Padding.Constant, [1, -1], [2, 3]), g.Float())),
        ("pad reflected", g => g.Float(5, 4).Apply(new Op.Pad(Padding.Reflect, [2, 0], [3, 1]))),
        ("pad with the edge", g => g.Float(5, 4).Apply(new Op.Pad(Padding.Edge, [2, 1], [0, 4]))),
        ("pad around", g => g.Float(5, 4).Apply(new Op.Pad(Padding.Wrap, [2, 0], [3, 1]))),
        ("unfold", g => g.Float(2, 17, 3).Apply(new Op.Unfold(1, 5, 2, 1))),
        ("unfold apart", g => g.Float(2, 17).Apply(new Op.Unfold(1, 3, 4, 1))),
        ("unfold dilated", g => g.Float(2, 17).Apply(new Op.Unfold(1, 4, 2, 3))),
        ("unfold much", g => g.Float(1, 80).Apply(new Op.Unfold(1, 37, 2, 1))),
        ("concat", g => g.Float(3, 2).Concat(1, g.Float(3, 4), g.Float(3, 1))),
        ("gather", g => g.Float(3, 4, 2).Gather(g.Integers([2, 3], 0, 3, 1, 1, -1, 0), 1)),
        ("gather elements", g => g.Float(3, 4).Apply(new Op.GatherElements(1), g.Integers([2, 3], 0, 3, 1, 1, -1, 1))),
        ("gather nd", g => g.Float(3, 4, 2).Apply(new Op.GatherND(0), g.Integers([2, 2], 0, 3, 2, 1))),
        ("gather nd in batches", g => g.Float(3, 4, 2).Apply(new Op.GatherND(1), g.Integers([3, 2, 1], 0, 3, 2, 1, 1, 1))),
        ("scatter elements, replace", g => g.Float(4, 3).Apply(new Op.ScatterElements(0, Combination.Replace), g.Integers([3, 2], 0, 3, 0, 1, 2, 3), g.Float(3, 2))),
        ("scatter elements, sum", g => g.Float(4, 3).Apply(new Op.ScatterElements(0, Combination.Sum), g.Integers([3, 2], 0, 3, 0, 1, 2, 3), g.Float(3, 2))),
        ("scatter elements, product", g => g.Float(4, 3).Apply(new Op.ScatterElements(0, Combination.Product), g.Integers([3, 2], 0, 3, 0, 1, 2, 3), g.Float(3, 2))),
        ("scatter elements, product with zeros", g => g.Float(2, 2).Apply(new Op.ScatterElements(0, Combination.Product), g.Integers([4, 2], 0, 1, 0, 1, 1, 0, 0, 1), g.Input([4, 2], () => g.Random.Next(2)))),
        ("scatter elements, max", g => g.Float(4, 3).Apply(new Op.ScatterElements(0, Combination.Max), g.Integers([3, 2], 0, 3, 0, 1, 2, 3), g.Float(3, 2))),
        ("scatter elements, min", g => g.Float(4, 3).Apply(new Op.ScatterElements(0, Combination.Min), g.Integers([3, 2], 0, 3, 0, 1, 2, 3), g.Float(3, 2))),
        ("scatter nd, replace", g => g.Float(4, 3).Apply(new Op.ScatterND(Combination.Replace), g.Integers([3, 1], 0, 3, 0), g.Float(3, 3))),
        ("scatter nd, sum", g => g.Float(4, 3).Apply(new Op.ScatterND(Combination.Sum), g.Integers([3, 1], 0, 3, 0), g.Float(3, 3))),
        ("scatter nd, product", g => g.Float(4, 3).Apply(new Op.ScatterND(Combination.Product), g.Integers([3, 1], 0, 3, 0), g.Float(3, 3))),
        ("scatter nd, max", g => g.Float(4, 3).Apply(new Op.ScatterND(Combination.Max), g.Integers([3, 2], 0, 2, 1, 1, 0, 2), g.Float(3))),
        ("top k", g => new(g.Builder, g.All(new Op.TopK(2, 1, true), g.Float(3, 5))[0])),
        .. from kind in new[] { Reduction.Sum, Reduction.Product, Reduction.Max, Reduction.Min }
           from exclusive in new[] { false, true }
           from reverse in new[] { false, true }
           where kind is Reduction.Sum or Reduction.Product || !exclusive
           select ($"accumulate {kind}{(exclusive ? ", exclusive" : "")}{(reverse ? ", reverse" : "")}", (Func<OneNode, Term>)(g => g.Float(3, 4, 2).Apply(new Op.Accumulate(kind, 1, exclusive, reverse)))),
        ("if, taken", g => g.If(true, (body, x, w) => x * body(w), (body, x, w) => x.Map(Functions.Tanh))),
        ("if, not taken", g => g.If(false, (body, x, w) => x * x, (body, x, w) => x.Map(Functions.Tanh) * w + x)),
        ("if, of which a branch needs nothing", g => g.If(false, (body, x, w) => x * w, (body, x, w) => x.Scalar(2).Broadcast(x.Shape)) * g.Float(3, 4)),
        ("if in if", g => g.If(true, (body, x, w) => new OneNode(x.Builder, g.Given, g.Random).If(false, x, w, (inner, y, v) => y * v, (inner, y, v) => y.Map(Functions.Sin) * v), (body, x, w) => x)),
        ("loop", g => g.Loop(4, (time, x, w) => new([(x * w).Map(Functions.Sin) + x], [x * x]))),
        ("loop whose stacks alone are used", g => g.Loop(4, (time, x, w) => new([(x * w).Map(Functions.Sin)], [x * w]), of: 1)),
        ("loop that never runs", g => g.Loop(0, (time, x, w) => new([x * w], [x * x]))),
        ("loop that ends by itself", g => g.Loop(9, (time, x, w) => new([x * w + x], [x], time < 3))),
        ("loop that does not begin", g => g.Loop(9, (time, x, w) => new([x * w + x], [x]), begin: false)),
        ("loop that carries integers", g => g.CountingLoop()),
        ("loop in loop", g => g.Loop(3, (time, x, w) => new([OneNode.Inner(x, w, x.Constant(Tensor.Scalar(2L)))], [x]))),
        ("loop in loop, longer each time", g => g.Loop(3, (time, x, w) => new([OneNode.Inner(x, w, time)], [x]))),
        ("loop in loop that ends by itself", g => g.Loop(3, (time, x, w) => new([OneNode.Inner(x, w, null)], [x]))),
        ("if in loop", g => g.Loop(4, (time, x, w) => new([new OneNode(x.Builder, g.Given, g.Random).If(time.Map(Functions.Remainder, time.Scalar(2)).EqualTo(0), x, w, (body, y, v) => y * v, (body, y, v) => y.Map(Functions.Tanh))], [x]))),
        ("accumulate product with zeros", g => g.Input([3, 5], () => g.Random.Next(3) - 1).Apply(new Op.Accumulate(Reduction.Product, 1, false, false))),
    ];

    static Term Looped(OneNode g, long most, Func<Term, Term[], Iteration.Turn> turn, params Term[] initial)
    {
        var results = Iteration.Loop(g.Builder, g.Integers([], most), null, initial, (time, state) => turn(time, state))!;
        // All results count.
        return results.Select(r => r.Cast(ElementType.Float32).Reduce(Reduction.Sum, [.. Enumerable.Range(0, r.Rank)])).Aggregate((a, b) => a * 0.7 + b);
    }

    static readonly (string Name, Func<OneNode, Term> Build)[] loops =
    [
        ("what is read slice by slice", g => g.Float(5, 2, 3) is var xs ? Looped(g, 5, (time, state) => state[0].Map(Functions.Tanh) * Iteration.At(time, xs, 0, false) is var next ? new([next], [next * 2]) : null!, g.Float(2, 3)) : default),
        ("what is read from the end", g => g.Float(5, 2, 3) is var xs ? Looped(g, 4, (time, state) => new([state[0] * Iteration.At(time, xs, 0, true)], []), g.Float(2, 3)) : default),
        ("what is read whole and slice by slice", g => g.Float(3, 2) is var xs ? Looped(g, 3, (time, state) =>
            new([state[0] * Iteration.At(time, xs, 0, false) + Iteration.Within(time, xs).Reduce(Reduction.Product, [0])], []), g.Float(2)) : default),
        ("one matrix for all", g => (g.Float(4, 3), g.Float(6, 2, 4)) is var (w, xs) ? Looped(g, 6, (time, state) =>
            (Iteration.At(time, xs, 0, false) + state[0].Contract("bh,gh->bg", Iteration.Within(time, w))).Map(Functions.Tanh) is var next ? new([next.Slice(1, 0, 3), state[1] + 1], [next]) : null!, g.Float(2, 3), g.Float(2)) : default),
        ("one matrix, twice", g => g.Float(3, 3) is var w ? Looped(g, 3, (time, state) => Iteration.Within(time, w) is var own
            ? new([state[0].Contract("bh,gh->bg", own).Map(Functions.Tanh).Contract("bh,hg->bg", own)], [own * 0.5]) : null!, g.Float(2, 3)) : default),
        ("a matrix times what is known", g => (g.Float(3, 3), g.Float(2, 3)) is var (w, x) ? Looped(g, 3, (time, state) =>
            new([state[0] * Iteration.Within(time, x).Contract("bh,gh->bg", Iteration.Within(time, w))], []), g.Float(2, 3)) : default),
        ("no iterations", g => g.Float(3, 3) is var w ? Looped(g, 0, (time, state) => new([state[0].Contract("bh,gh->bg", Iteration.Within(time, w))], []), g.Float(2, 3)) : default),
        ("a loop in a loop", g => g.Float(3, 2) is var xs ? Looped(g, 3, (time, state) =>
            new([Iteration.Loop(time.Builder, time + 1, null, [state[0]], (inner, now) => new([now[0] * 1.1 + Iteration.At(inner, Iteration.Within(inner, Iteration.Within(time, xs)), 0, false)], []))![0]], []), g.Float(2)) : default),
        ("integers beside", g => Looped(g, 4, (time, state) => new([state[0] * (state[1].Cast(ElementType.Float32) + 1).Map(Functions.Sqrt), state[1] + 1], [state[0]]), g.Float(2, 3), g.Integers([], 0))),
        ("an end that the body finds", g => Looped(g, 9, (time, state) => state[0] * 1.5 is var next ? new([next], [], time < 2) : null!, g.Float(2))),
    ];

    public static TheoryData<string> Loops => [.. loops.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Loops))]
    public void A_loop_has_the_gradient_that_differences_say(string name)
    {
        var one = new OneNode(new("one", Evaluator.Fold), [], new(4));
        var y = loops.Single(o => o.Name == name).Build(one);
        Near(one.Builder.Build([y.Value]), one.Given);
    }

    public static TheoryData<string> Operations => [.. operations.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operations))]
    public void An_operation_has_the_gradient_that_differences_say(string name)
    {
        var one = new OneNode(new("one", (_, _) => null), [], new(1));
        var y = operations.Single(o => o.Name == name).Build(one);
        Near(one.Builder.Build([y.Value]), one.Given);
    }

    static void Near(Graph graph, IReadOnlyList<Tensor> given)
    {
        for (var seed = 0; seed < 3; seed++)
        {
            var result = CentralDifferences.Of(graph, given, new(seed), (_, _) => null);
            Assert.NotNull(result);
            Assert.True(result.Error <= Most, $"{result} in\n{GraphText.Write(graph)}");
            Assert.True(result.Length > 0);
        }
    }

    // Between these the functions are smooth.
    static readonly Dictionary<string, (double Low, double High)> domains = new()
    {
        ["log"] = (0.2, 3),
        ["sqrt"] = (0.2, 3),
        ["asin"] = (-0.9, 0.9),
        ["acos"] = (-0.9, 0.9),
        ["atanh"] = (-0.9, 0.9),
        ["acosh"] = (1.2, 3),
        ["tan"] = (-1, 1),
        ["power"] = (0.2, 3),
        ["divide"] = (0.3, 3),
        ["modulo"] = (0.3, 3),
        ["remainder"] = (0.3, 3),
    };

    public static TheoryData<string> Smooth => [.. Functions.All.Where(f => f.Result is FunctionResult.Operand or FunctionResult.Selected && f.Name is not ("sign" or "floor" or "ceiling" or "truncate" or "round")).Select(f => f.Name)];

    [Theory]
    [MemberData(nameof(Smooth))]
    public void A_function_has_the_gradient_that_differences_say(string name)
    {
        var function = Functions.Named(name);
        var one = new OneNode(new("one", (_, _) => null), [], new(2));
        var (low, high) = domains.GetValueOrDefault(name, (-2, 2));
        long[][] dims = [[4, 5], [5], [4, 1]];
        Term[] x = [.. Enumerable.Range(function.Result == FunctionResult.Selected ? 1 : 0, function.Result == FunctionResult.Selected ? 2 : function.Arity).Select(i => one.Input(dims[i], () => low + one.Random.NextDouble() * (high - low)))];
        if (function.Result == FunctionResult.Selected)
            x = [new(one.Builder, one.Builder.Constant(Tensor.Of(ElementType.Bool, [4, 1], (long[])[0, 1, 1, 0]))), .. x];
        Near(one.Builder.Build([x[0].Apply(new Op.Map(function), x.AsSpan(1)).Value]), one.Given);
    }

    [Fact]
    public void A_gradient_that_is_none_is_found()
    {
        var one = new OneNode(new("one", (_, _) => null), [], new(3));
        var x = one.Float(3, 4);
        var graph = one.Builder.Build([(x.Map(Functions.Round) + x).Value]);
        Assert.InRange(CentralDifferences.Of(graph, one.Given, new(1), (_, _) => null)!.Error, 0, Most);
        Assert.True(CentralDifferences.Of(graph, one.Given, new(1), (_, _) => null, Jumps.StraightThrough)!.Error > 0.1);
    }

    [Fact]
    public void Every_function_has_a_derivative()
    {
        foreach (var function in Functions.All)
            Assert.NotNull(Derivatives.Of(function, Jumps.Zero));
    }

    [Fact]
    public void Powers_that_models_have_need_no_logarithm()
    {
        foreach (var exponent in new[] { 2, 3, 0.5, -1, -0.5, 0, 1.7 })
        {
            var one = new OneNode(new("one", (_, _) => null), [], new(3));
            var x = one.Positive(3, 4);
            var graph = one.Builder.Build([x.Map(Functions.Power, x.Scalar(exponent)).Value]);
            var result = CentralDifferences.Of(graph, one.Given, new(1), (_, _) => null)!;
            Assert.True(result.Error <= Most, $"{exponent}: {result}");
        }
    }

    [Fact]
    public void Random_graphs_have_the_gradients_that_differences_say()
    {
        var (failures, compared) = (new List<string>(), 0);
        Parallel.ForEach(Seeds.Of(120), seed =>
        {
            var made = Grower.Grow(seed, 1 + seed % 12);
            var random = new Random(seed);
            // Between the integers nothing is as large as another, and no rounding jumps.
            Tensor[] inputs = [.. made.Inputs.Select(x => x.Type.IsFloat() ? Tensor.Of(ElementType.Float64, x.Dims, Elements.Read<double>(x).Select(v => v + random.NextDouble() * 0.8 - 0.4).ToArray()) : x)];
            try
            {
                if (CentralDifferences.Of(made.Graph, inputs, random, (_, _) => null) is not { } result)
                    return;
                Interlocked.Increment(ref compared);
                if (result.Error > Most)
                    throw new SoftmodelException(result.ToString());
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add($"{e.GetType().Name}: {e.Message}\n{e.StackTrace}\nseed {made}");
            }
        });
        Assert.True(failures.Count == 0, $"{failures.Count} of {compared} failed: seeds {string.Join(" ", failures.Select(f => f.Split("seed seed ")[1].Split('\n')[0]))}; the smallest:\n{failures.MinBy(f => f.Length)}");
        Assert.True(compared > 60, $"{compared} graphs have gradients");
    }

    public static TheoryData<string, bool> Shifted => new()
    {
        { "softmax", true }, { "logarithm", true }, { "sink", true }, { "bounded", true }, { "deviation", false }, { "leak", false }, { "bound and leak", false }, { "scaled", false },
    };

    static Term OfShift(string name, Term x)
    {
        var most = x.Reduce(Reduction.Max, [1], keep: true);
        Term Sum(Term exponentials) => exponentials.Reduce(Reduction.Sum, [1], keep: true);
        Term Exp(Term y) => y.Map(Functions.Exp);
        return name switch
        {
            "softmax" => x.Softmax(1) * x,
            "logarithm" => x.LogSoftmax(1) * x,
            "sink" => Exp(x - most.Max(0)) / (Sum(Exp(x - most.Max(0))) + Exp(-most.Max(0))),
            "bounded" => x.LogSumExp(1) * x,
            "deviation" => (x - most) * x,
            "leak" => Exp(x - most) / Sum(Exp(x - most)) + most,
            "bound and leak" => Exp(x - most + most.Max(0.3)),
            _ => Exp((x - most) * 0.5) / Sum(Exp(x - most)),
        };
    }

    [Theory]
    [MemberData(nameof(Shifted))]
    public void A_maximum_that_only_keeps_numbers_in_range_needs_no_gradient(string name, bool isShift)
    {
        var builder = new GraphBuilder("shift", (_, _) => null);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(3, 5))));
        var y = OfShift(name, x);
        var numbers = new Random(4);
        var result = CentralDifferences.Of(builder.Build([(y * y).Reduce(Reduction.Sum, [0, 1]).Value]), [Tensor.Of<float>([.. Enumerable.Range(0, 15).Select(_ => (float)(numbers.NextDouble() * 2 - 1))], 3, 5)], new(1), (_, _) => null)!;
        Assert.True(result.Error <= 1e-6, $"{result}");
        var before = builder.Nodes.Count;
        Gradients.Of((y * y).Reduce(Reduction.Sum, [0, 1]), [x]);
        Assert.Equal(!isShift, builder.Nodes.Skip(before).Any(n => n.Op is Op.Map { Function: var f } && f == Functions.Equal));
    }
}
