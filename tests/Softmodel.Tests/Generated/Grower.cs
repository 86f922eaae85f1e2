using Softmodel.Graphs;
using Softmodel.Runtime;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Tests.Generated;

/// <summary>
/// Grows a random graph, operation by operation. Most of its numbers are small integers, whatever their type, so that
/// every order of adding them up gives the same; those that are not are marked, and nothing that jumps, such as a
/// comparison or a rounding, is done to them.
/// </summary>
sealed class Grower
{

    /// <summary>A value of the graph.</summary>
    /// <param name="Term">The value.</param>
    /// <param name="IsExact">Whether it holds integers that no rounding has touched.</param>
    /// <param name="Bound">Its elements' largest magnitude.</param>
    sealed record Item(Term Term, bool IsExact, double Bound)
    {
        public Shape Shape => Term.Shape;
        public ElementType Element => Term.Element;
    }

    readonly Random random;
    readonly int mostElements;
    readonly GraphBuilder builder = new("generated", (_, _) => null);
    readonly List<Item> pool = [];
    readonly List<Tensor> inputs = [];
    readonly List<Given> given = [];
    readonly bool isOpen;
    readonly Dictionary<string, long> sizes = new(StringComparer.Ordinal);
    readonly Func<Item?>[] operations;

    Grower(int seed, bool isOpen)
    {
        (random, this.isOpen) = (new(seed), isOpen);
        mostElements = Chance(0.15) ? 30000 : 3000;
        foreach (var symbol in new[] { "T", "S" })
            sizes[symbol] = isOpen ? Any(33, 37, 40) : Any(1, 2, 3, 5, 8, 17, 33, 70, 130);
        operations =
        [
            Unary, Unary, Smooth, Smooth, Binary, Binary, Binary, Binary, Compare, Logic, Bits, Divided, Choose, Convert,
            Reduce, Reduce, ArgReduce, Contract, Contract, Convolve, Convolve, ConvolveTransposed,
            Reshape, Reshape, Transpose, Broadcast, Slice, Slice, Pad, Pad, Unfold, Concat, Concat,
            Gather, Gather, GatherElements, GatherND, ScatterElements, ScatterND, Accumulate, TopK,
            SizesOf, Iota, FromData, If, Loop, Fresh,
        ];
        if (isOpen)
            operations = [.. operations, Windows, Windows, Windows, Convolve];
    }

    /// <summary>The case of a seed.</summary>
    public static Case Grow(int seed, int operations) => new Grower(seed, isOpen: false).Case(operations, seed);

    /// <summary>
    /// A case with a good many windows over sizes that are open. It was grown with sizes of 33 to 40, so that with smaller
    /// ones (<see cref="Given.Of"/>) windows are longer than their axes, and slices and paddings have less than nothing left.
    /// </summary>
    public static Case GrowOpen(int seed, int operations) => new Grower(seed, isOpen: true).Case(operations, seed);

    Case Case(int count, int seed)
    {
        pool.Add(Input(ElementType.Float32, new(Dim.Symbol("T"), Any<Dim>(1, Dim.Symbol("S")))));
        pool.Add(Input(ElementType.Float32, new(Dim.Symbol("S"))));
        pool.Add(Input(ElementType.Float32, SomeShape(4)));
        pool.Add(Input(ElementType.Float32, SomeShape(3)));
        pool.Add(Input(Any(ElementType.Float32, ElementType.Int64, ElementType.Int32, ElementType.Bool), SomeShape(3)));
        for (var (done, tries) = (0, 0); done < count && tries < count * 10; tries++)
        {
            try
            {
                if (Any(operations)() is { } made && Fits(made))
                {
                    pool.Add(made);
                    done++;
                }
            }
            catch (SoftmodelException)
            {
                // Sizes that do not fit one another: another try.
            }
        }
        var used = pool.Select(p => p.Term.Value).Where(v => builder.Producer(v) is not null).ToHashSet();
        foreach (var item in pool)
        {
            if (builder.Producer(item.Term.Value) is { } node)
                used.ExceptWith(node.Inputs);
        }
        var outputs = pool.Where(p => used.Contains(p.Term.Value)).DistinctBy(p => p.Term.Value).ToArray();
        if (outputs.Length == 0)
            outputs = [pool[0]];
        var graph = builder.Build(outputs.Select(o => o.Term.Value), outputs.Select((_, i) => $"out{i}"));
        return new(seed, graph, [.. inputs], [.. given], [.. outputs.Select(o => o.IsExact ? 0 : Math.Max(1, o.Bound))]);
    }

    bool Fits(Item item) => Known(item.Shape).All(d => d >= 0) && Tensor.CountOf(Known(item.Shape)) <= mostElements && item.Bound <= Most(item.Element, item.IsExact);

    static double Most(ElementType type, bool isExact) => type switch
    {
        _ when !isExact => 1000,
        ElementType.Float16 => 2048,
        ElementType.Int8 => 127,
        ElementType.UInt8 => 255,
        ElementType.Int16 => short.MaxValue,
        ElementType.BFloat16 => 256,
        _ => 1 << 22,
    };

    T Any<T>(params ReadOnlySpan<T> items) => items[random.Next(items.Length)];

    bool Chance(double probability) => random.NextDouble() < probability;

    long Known(Dim size) => size.Evaluate(s => sizes[s]);

    long[] Known(Shape shape) => [.. shape.Dims.Select(Known)];

    Dim SomeSize() => Chance(0.3) ? Dim.Symbol(Any("T", "T", "S")) : (Dim)Any<long>(1, 1, 2, 3, 4, 5, 7, 16, 19);

    Shape SomeShape(int mostAxes)
    {
        for (; ; )
        {
            var shape = new Shape(Enumerable.Range(0, random.Next(mostAxes + 1)).Select(_ => SomeSize()).ToArray());
            if (Tensor.CountOf(Known(shape)) <= mostElements / 2)
                return shape;
        }
    }

    Tensor Numbers(ElementType type, long[] dims, long low, long high) => Given.Numbers(random, type, dims, low, high);

    Item Input(ElementType type, Shape shape, int low = -3, int high = 3) => Input(type, shape, (Dim)low, (Dim)high);

    Item Input(ElementType type, Shape shape, Dim lowest, Dim highest)
    {
        var (low, high) = (Known(lowest), Known(highest));
        if (type == ElementType.BFloat16 || shape.Dims.SelectMany(d => d.Symbols).Any(symbol => symbol is not ("T" or "S")))
            throw new SoftmodelException("inputs have no sizes that depend on data, and are not bfloat16");
        if (type.IsUnsigned() || type == ElementType.Bool)
        {
            (low, high) = (Math.Max(low, 0), type == ElementType.Bool ? 1 : Math.Max(high, 0));
            (lowest, highest) = (low, high);
        }
        var value = builder.Input($"x{inputs.Count}", new(type, shape));
        given.Add(new(type, shape, lowest, highest));
        inputs.Add(Numbers(type, Known(shape), low, high));
        return new(new(builder, value), true, Math.Max(Math.Abs(low), Math.Abs(high)));
    }

    /// <summary>Numbers of known sizes: constants, or an input.</summary>
    Item Weights(ElementType type, params long[] dims) => Chance(0.7)
        ? new(new(builder, Weight(Numbers(type, dims, type.IsUnsigned() ? 0 : -3, 3))), true, 3)
        : Input(type, Shape.Of(dims));

    // In turns a constant, a parameter, and a parameter that may change.
    Value Weight(Tensor tensor) => (weights++ % 3) is not 0 and var kind ? builder.Parameter($"w{weights}", tensor, isFrozen: kind == 1) : builder.Constant(tensor);

    int weights;

    Item? Pick(Func<Item, bool> where)
    {
        var fitting = pool.Where(where).ToArray();
        return fitting.Length == 0 ? null : Chance(0.4) ? fitting[^1] : Any(fitting);
    }

    Item? PickReal() => Pick(i => i.Element is ElementType.Float32 || (i.Element == ElementType.Float64 && Chance(0.3)));

    Item? PickNumber() => Pick(i => i.Element != ElementType.Bool && (i.Element is ElementType.Float32 or ElementType.Int64 || Chance(0.5)));

    static bool IsNumber(Item i) => i.Element.IsFloat() || i.Element.IsInteger();

    Item? Fresh() => Input(Any(ElementType.Float32, ElementType.Float32, ElementType.Int64, ElementType.Int32, ElementType.Bool, ElementType.Float64, ElementType.UInt8, ElementType.Int8, ElementType.Float16, ElementType.UInt64, ElementType.Int16, ElementType.UInt32), SomeShape(3));

    Item? Unary()
    {
        if (Pick(i => i.IsExact && IsNumber(i) && !i.Element.IsUnsigned()) is not { } x)
            return null;
        var function = x.Element.IsFloat()
            ? Any(Functions.Negate, Functions.Abs, Functions.Sign, Functions.Floor, Functions.Ceiling, Functions.Truncate, Functions.Round)
            : Any(Functions.Negate, Functions.Abs, Functions.Sign, Functions.BitNot);
        return x with { Term = x.Term.Map(function), Bound = x.Bound + 1 };
    }

    Item? Smooth()
    {
        if (PickReal() is not { } x)
            return null;
        var t = x.Term;
        return Any<Func<Item?>>(
            () => new(t.Map(Functions.Tanh), false, 1),
            () => new(t.Map(Functions.Sigmoid), false, 1),
            () => new(t.Map(Functions.Sin), false, 1),
            () => new(t.Map(Functions.Cos), false, 1),
            () => new(t.Map(Functions.Atan), false, 2),
            () => new(t.Map(Functions.ErrorFunction), false, 1),
            () => new(t.Map(Functions.Softplus), false, x.Bound + 1),
            () => x.Bound <= 4 ? new(t.Map(Functions.Exp), false, 55) : null,
            () => new((t.Map(Functions.Abs) + 1).Map(Functions.Log), false, x.Bound),
            () => new((t.Map(Functions.Abs) + 1).Map(Functions.Sqrt), false, x.Bound + 1),
            () => new(t.Map(Functions.Asinh), false, x.Bound),
            () => x.Bound <= 4 ? new(t.Map(Any(Functions.Sinh, Functions.Cosh)), false, 30) : null,
            () => x.Bound <= 3 ? new((t * 0.25).Map(Any(Functions.Asin, Functions.Acos, Functions.Atanh, Functions.Tan)), false, 4) : null,
            () => new(t * 0.3, false, x.Bound),
            () => new(t / 4, false, x.Bound),
            () => new((t.Map(Functions.Abs) + 1).Apply(new Op.Map(Functions.Power), t.Scalar(0.7)), false, x.Bound + 1))();
    }

    /// <summary>Another value that can be broadcast with one, often made for it.</summary>
    Item Partner(Item x)
    {
        if (Chance(0.5) && Pick(i => i.Element == x.Element && Broadcasts(i.Shape, x.Shape)) is { } there)
            return there;
        var dims = x.Shape.Dims.Select(d => Chance(0.3) ? 1 : d).ToArray();
        return Input(x.Element, new(dims[(Chance(0.3) ? random.Next(dims.Length + 1) : 0)..]));
    }

    bool Broadcasts(Shape a, Shape b)
    {
        try
        {
            Shape.Broadcast(Shape.Of(Known(a)), Shape.Of(Known(b)));
            return true;
        }
        catch (SoftmodelException)
        {
            return false;
        }
    }

    Item? Binary()
    {
        if (PickNumber() is not { } x)
            return null;
        var y = Partner(x);
        if (Chance(0.5))
            (x, y) = (y, x);
        var isExact = x.IsExact && y.IsExact;
        return (x.Element.IsUnsigned() ? Any(0, 2, 3, 4) : random.Next(6)) switch
        {
            0 => new(x.Term + y.Term, isExact, x.Bound + y.Bound),
            1 => new(x.Term - y.Term, isExact, x.Bound + y.Bound),
            2 => new(x.Term * y.Term, isExact, x.Bound * y.Bound),
            3 => new(x.Term.Min(y.Term), isExact, Math.Max(x.Bound, y.Bound)),
            4 => new(x.Term.Max(y.Term), isExact, Math.Max(x.Bound, y.Bound)),
            _ => x.Element is ElementType.Float32 or ElementType.Float64 ? new(x.Term / (y.Term.Map(Functions.Abs) + 1), false, x.Bound) : null,
        };
    }

    Item? Compare()
    {
        if (Pick(i => i.IsExact) is not { } x || Partner(x) is not { IsExact: true } y)
            return null;
        var function = x.Element == ElementType.Bool ? Functions.Equal : Any(Functions.Equal, Functions.Less, Functions.LessOrEqual);
        return new(x.Term.Map(function, y.Term), true, 1);
    }

    Item? Logic()
    {
        if (Pick(i => i.Element == ElementType.Bool) is not { } x)
            return null;
        return new(Chance(0.3) ? !x.Term : x.Term.Map(Any(Functions.And, Functions.Or, Functions.Xor), Partner(x).Term), true, 1);
    }

    Item? Bits()
    {
        if (Pick(i => i.Element.IsInteger()) is not { } x)
            return null;
        if (x.Element.IsUnsigned() && Chance(0.5))
            return Chance(0.5) ? new(x.Term.Map(Functions.ShiftRight, x.Term.Scalar(random.Next(4))), true, x.Bound) : new(x.Term.Map(Functions.ShiftLeft, x.Term.Scalar(1)), true, x.Bound * 2);
        var y = Partner(x);
        return new(x.Term.Map(Any(Functions.BitAnd, Functions.BitOr, Functions.BitXor), y.Term), true, 2 * (x.Bound + y.Bound));
    }

    Item? Divided()
    {
        if (Pick(i => IsNumber(i) && i.IsExact && i.Element != ElementType.Float16) is not { } x)
            return null;
        var by = x.Term.Scalar(x.Element.IsUnsigned() ? 3 : Any(-3, 2, 5));
        return random.Next(3) switch
        {
            0 => x.Element.IsFloat() ? new(x.Term / by, false, x.Bound) : new(x.Term / by, true, x.Bound),
            1 => new(x.Term.Map(Functions.Modulo, by), true, 5),
            _ => new(x.Term.Map(Functions.Remainder, by), true, 5),
        };
    }

    Item? Choose()
    {
        if (Pick(i => i.Element is ElementType.Float32 or ElementType.Int64 || Chance(0.3)) is not { } x)
            return null;
        var y = Partner(x);
        var condition = Pick(i => i.Element == ElementType.Bool && Broadcasts(i.Shape, Shape.Broadcast(x.Shape, y.Shape))) ?? Input(ElementType.Bool, x.Shape);
        return new(condition.Term.Select(x.Term, y.Term), x.IsExact && y.IsExact, Math.Max(x.Bound, y.Bound));
    }

    Item? Convert()
    {
        if (Pick(_ => true) is not { } x)
            return null;
        if (!x.IsExact)
            return x.Element == ElementType.Float32 ? x with { Term = x.Term.Cast(ElementType.Float64) } : x with { Term = x.Term.Cast(ElementType.Float32) };
        var to = Any(ElementType.Float32, ElementType.Float32, ElementType.Float32, ElementType.Int64, ElementType.Int32, ElementType.Bool, ElementType.Float64, ElementType.UInt8,
            ElementType.Int8, ElementType.Int16, ElementType.UInt16, ElementType.UInt32, ElementType.UInt64, ElementType.Float16, ElementType.BFloat16);
        var term = to.IsUnsigned() && !x.Element.IsUnsigned() && x.Element != ElementType.Bool ? x.Term.Map(Functions.Abs) : x.Term;
        return new(term.Cast(to), true, to == ElementType.Bool ? 1 : x.Bound);
    }

    int[] SomeAxes(Shape shape)
    {
        var axes = Enumerable.Range(0, shape.Rank).Where(_ => Chance(0.5)).ToArray();
        return axes.Length > 0 ? axes : [random.Next(shape.Rank)];
    }

    Item? Reduce()
    {
        if (Pick(i => i.Shape.Rank > 0 && (i.Element is ElementType.Float32 or ElementType.Int64 || Chance(0.4))) is not { } x)
            return null;
        var axes = SomeAxes(x.Shape);
        var count = axes.Aggregate(1L, (n, a) => n * Known(x.Shape[a]));
        var kind = Any(Reduction.Sum, Reduction.Sum, Reduction.Max, Reduction.Min, Reduction.Product);
        if (count == 0)
            return null;
        return new(x.Term.Reduce(kind, axes, keep: Chance(0.4)), x.IsExact, x.Element == ElementType.Bool ? 1 : kind switch
        {
            Reduction.Sum => x.Bound * count,
            Reduction.Product => Math.Max(1, Math.Pow(x.Bound, count)),
            _ => x.Bound,
        });
    }

    Item? ArgReduce()
    {
        if (Pick(i => i.Shape.Rank > 0 && i.IsExact && IsNumber(i)) is not { } x)
            return null;
        var axis = random.Next(x.Shape.Rank);
        return Known(x.Shape[axis]) == 0 ? null : new(x.Term.Apply(new Op.ArgReduce(Chance(0.5), axis, Chance(0.3))), true, 100);
    }

    Item? Contract()
    {
        if (Pick(i => i.Element is ElementType.Float32 || (IsNumber(i) && i.Element is not (ElementType.Float16 or ElementType.BFloat16) && Chance(0.2))) is not { } x)
            return null;
        var letters = "abcdefgh"[..x.Shape.Rank];
        var extents = letters.Zip(x.Shape.Dims).ToDictionary(p => p.First, p => p.Second);
        var shared = letters.Where(_ => Chance(0.6)).ToList();
        for (var i = random.Next(3); i > 0; i--)
        {
            var letter = (char)('p' + i);
            extents[letter] = SomeSize();
            shared.Add(letter);
        }
        var right = string.Concat(shared.OrderBy(_ => random.Next()));
        var shape = new Shape(right.Select(c => extents[c]).ToArray());
        if (Tensor.CountOf(Known(shape)) > mostElements)
            return null;
        var y = shape.IsKnown ? Weights(x.Element, shape.Known!) : Input(x.Element, shape);
        var result = string.Concat(letters.Concat(right).Distinct().Where(c => Chance(letters.Contains(c) && right.Contains(c) ? 0.3 : 0.9)).OrderBy(c => Chance(0.2) ? random.Next(200) : c));
        var summed = extents.Keys.Where(c => !result.Contains(c)).Aggregate(1L, (n, c) => n * Known(extents[c]));
        var swap = Chance(0.3);
        var term = swap ? y.Term.Contract($"{right},{letters}->{result}", x.Term) : x.Term.Contract($"{letters},{right}->{result}", y.Term);
        return new(term, x.IsExact, x.Bound * y.Bound * summed);
    }

    (Item X, int Channels, int Groups, int Spatial)? Image()
    {
        var picked = Pick(i => i.Element == ElementType.Float32 && i.Shape.Rank is 3 or 4 && i.Shape[1].IsKnown && i.Shape[1].Value > 0);
        var x = picked is not null && Chance(0.6) ? picked
            : Input(Chance(0.93) ? ElementType.Float32 : Any(ElementType.Float64, ElementType.Int64), new([Any<long>(1, 1, 2), Any<long>(1, 2, 4, 6, 16, 32), .. Enumerable.Range(0, Any(1, 1, 2)).Select(_ => Chance(0.5) ? Dim.Symbol("T") : (Dim)Any<long>(3, 5, 8, 21))]));
        var channels = (int)x.Shape[1].Value!.Value;
        var groups = Chance(0.6) ? 1 : Any(Enumerable.Range(1, channels).Where(g => channels % g == 0).ToArray());
        return (x, channels, groups, x.Shape.Rank - 2);
    }

    static int[] Each(int count, Func<int> number) => [.. Enumerable.Range(0, count).Select(_ => number())];

    Item? Convolve()
    {
        var (x, channels, groups, spatial) = Image()!.Value;
        var kernel = Each(spatial, () => isOpen ? Any(1, 3, 5, 7, 12, 20) : Any(1, 2, 3, 3, 5));
        var pads = !isOpen || Chance(0.4);
        var w = Weights(x.Element, [groups * Any(1, 2, 3, 7, 20), channels / groups, .. kernel.Select(k => (long)k)]);
        var op = new Op.Convolve(Each(spatial, () => Any(1, 1, 1, 2, 3)), Each(spatial, () => Any(1, 1, 2, 3)), Each(spatial, () => pads ? random.Next(4) : 0), Each(spatial, () => pads ? random.Next(4) : 0), groups);
        var made = x.Term.Apply(op, w.Term);
        return Known(made.Shape).Any(d => d < 1) ? null : new(made, x.IsExact, x.Bound * w.Bound * channels / groups * kernel.Aggregate(1, (a, b) => a * b));
    }

    /// <summary>The largest or the sum of each window along an axis: a pooling.</summary>
    Item? Windows()
    {
        if (Pick(i => i.Shape.Rank is > 0 and < 5 && i.Shape.Dims.Any(d => !d.IsKnown) && IsNumber(i)) is not { } x)
            return null;
        var axis = x.Shape.Dims.ToList().FindIndex(d => !d.IsKnown);
        var (size, stride, dilation) = (Any(2, 3, 7, 12), Any(1, 1, 2, 4), Any(1, 1, 2));
        if (Known(x.Shape[axis]) <= (size - 1) * dilation)
            return null;
        var isSum = Chance(0.4);
        return x with { Term = x.Term.Apply(new Op.Unfold(axis, size, stride, dilation)).Reduce(isSum ? Reduction.Sum : Reduction.Max, [x.Shape.Rank]), Bound = isSum ? x.Bound * size : x.Bound };
    }

    Item? ConvolveTransposed()
    {
        var (x, channels, groups, spatial) = Image()!.Value;
        var kernel = Each(spatial, () => Any(1, 2, 3, 4, 8));
        var strides = Each(spatial, () => Any(1, 2, 2, 4));
        var w = Weights(x.Element, [channels, Any(1, 2, 3, 5), .. kernel.Select(k => (long)k)]);
        var op = new Op.ConvolveTransposed(strides, Each(spatial, () => Any(1, 1, 1, 2, 3)), Each(spatial, () => random.Next(3)), Each(spatial, () => random.Next(3)), [.. strides.Select(s => random.Next(s))], groups);
        var made = x.Term.Apply(op, w.Term);
        return Known(made.Shape).Any(d => d < 1) ? null : new(made, x.IsExact, x.Bound * w.Bound * channels / groups * kernel.Aggregate(1, (a, b) => a * b));
    }

    Item? Moved(Func<Item, Term?> move) => Pick(_ => true) is { } x && move(x) is { } moved ? x with { Term = moved } : null;

    Item? Reshape() => Moved(x =>
    {
        var dims = x.Shape.Dims.ToList();
        switch (random.Next(5))
        {
            case 0 when dims.Count > 1:
                var at = random.Next(dims.Count - 1);
                dims[at] *= dims[at + 1];
                dims.RemoveAt(at + 1);
                break;
            case 1:
                dims.Insert(random.Next(dims.Count + 1), 1);
                break;
            case 2 when dims.FindIndex(d => d.Value == 1) is >= 0 and var one:
                dims.RemoveAt(one);
                break;
            case 3:
                dims = [x.Shape.Count];
                break;
            default:
                var axis = dims.FindIndex(d => d.Value is > 3 && (d.Value % 2 == 0 || d.Value % 5 == 0));
                if (axis < 0)
                    return null;
                var part = dims[axis].Value % 2 == 0 ? 2 : 5;
                (dims[axis], var rest) = (Dim.FloorDiv(dims[axis], part), part);
                dims.Insert(axis + random.Next(2), rest);
                break;
        }
        return x.Term.Reshape(new(dims.ToEquatable()));
    });

    Item? Transpose() => Moved(x => x.Shape.Rank < 2 ? null : x.Term.Transpose([.. Enumerable.Range(0, x.Shape.Rank).OrderBy(_ => random.Next())]));

    Item? Broadcast() => Moved(x => x.Term.Broadcast(new([.. Enumerable.Range(0, random.Next(3)).Select(_ => SomeSize()), .. x.Shape.Dims.Select(d => d.Value == 1 ? SomeSize() : d)])));

    Item? Slice() => Moved(x =>
    {
        var parts = x.Shape.Dims.Select<Dim, (Dim Start, Dim Size, int Step)>(d => (Known(d), random.Next(6)) switch
        {
            ( > 0, 0) => (d - 1, d, -1),
            ( > 1, 1) => (1, d - 1, 1),
            ( > 1, 2) => (0, d - 1, 1),
            ( > 0, 3) => (0, Dim.CeilDiv(d, 2), 2),
            ( > 2, 4) => (d - 1, Dim.CeilDiv(d, 3), -3),
            ( > 2, 5) => (1, 2, 1),
            _ => (Dim.Zero, d, 1),
        }).ToArray();
        return x.Term.Apply(new Op.Slice(parts.Select(p => p.Start).ToEquatable(), parts.Select(p => p.Size).ToEquatable(), parts.Select(p => p.Step).ToEquatable()));
    });

    Item? Pad()
    {
        if (Pick(i => i.Shape.Rank > 0) is not { } x)
            return null;
        var mode = Any(Padding.Constant, Padding.Constant, Padding.Reflect, Padding.Edge, Padding.Wrap);
        Dim Amount(Dim size) => Known(size) is var n && Chance(0.4) ? Dim.Zero : mode switch
        {
            Padding.Constant => Chance(0.1) && n > 2 ? -1 : Chance(0.1) ? Dim.Symbol("S") : random.Next(4),
            Padding.Edge => n == 0 ? 0 : random.Next(4),
            _ => n == 0 ? 0 : random.NextInt64(Math.Min(n, 4)),
        };
        var (low, high) = (x.Shape.Dims.Select(Amount).ToEquatable(), x.Shape.Dims.Select(Amount).ToEquatable());
        if (mode != Padding.Constant)
            return x with { Term = x.Term.Apply(new Op.Pad(mode, low, high)) };
        var around = Any(0, 0, 1);
        return x with { Term = x.Term.Apply(new Op.Pad(mode, low, high), x.Term.Scalar(around)), Bound = Math.Max(x.Bound, 1) };
    }

    Item? Unfold() => Moved(x =>
    {
        if (x.Shape.Rank is 0 or > 4)
            return null;
        var (axis, size, stride, dilation) = (random.Next(x.Shape.Rank), Any(1, 2, 3), Any(1, 1, 2), Any(1, 1, 2));
        return Known(x.Shape[axis]) <= (size - 1) * dilation ? null : x.Term.Apply(new Op.Unfold(axis, size, stride, dilation));
    });

    Item? Concat()
    {
        if (Pick(i => i.Shape.Rank > 0) is not { } x)
            return null;
        var axis = random.Next(x.Shape.Rank);
        var parts = new List<Item> { x };
        for (var i = random.Next(3); i >= 0; i--)
            parts.Insert(random.Next(parts.Count + 1), Pick(p => p.Element == x.Element && p.Shape.Rank == x.Shape.Rank && p.Shape.With(axis, 0) == x.Shape.With(axis, 0))!);
        return new(parts[0].Term.Concat(axis, [.. parts.Skip(1).Select(p => p.Term)]), parts.All(p => p.IsExact), parts.Max(p => p.Bound));
    }

    /// <summary>Integers from 0, or from the end, to below a size.</summary>
    Item Indices(Shape shape, Dim size) => shape.IsKnown && Chance(0.5)
        ? new(new(builder, builder.Constant(Numbers(ElementType.Int64, Known(shape), Chance(0.3) ? -Known(size) : 0, Known(size) - 1))), true, Known(size))
        : Input(Chance(0.7) ? ElementType.Int64 : ElementType.Int32, shape, Chance(0.3) ? size * -1 : 0, size - 1);

    Item? Gather() => Moved(x =>
    {
        if (x.Shape.Rank == 0)
            return null;
        var axis = random.Next(x.Shape.Rank);
        var size = Known(x.Shape[axis]);
        if (size == 0)
            return null;
        var backwards = new Term(builder, builder.Apply(new Op.Iota(x.Shape[axis]))) * -1 - 1;
        return x.Term.Gather(Chance(0.2) ? backwards : Indices(SomeShape(2), x.Shape[axis]).Term, axis);
    });

    Item? GatherElements() => Moved(x =>
    {
        if (x.Shape.Rank == 0)
            return null;
        var axis = random.Next(x.Shape.Rank);
        var size = Known(x.Shape[axis]);
        var dims = x.Shape.Dims.Select((d, i) => i == axis ? SomeSize() : Chance(0.2) && Known(d) > 1 ? d - 1 : d).ToArray();
        return size == 0 || Tensor.CountOf(Known(new Shape(dims))) > mostElements ? null : x.Term.Apply(new Op.GatherElements(axis), Indices(new(dims), x.Shape[axis]).Term);
    });

    Item? GatherND() => Moved(x =>
    {
        if (x.Shape.Rank == 0 || Known(x.Shape).Contains(0))
            return null;
        var batch = Chance(0.3) ? random.Next(x.Shape.Rank) : 0;
        var depth = random.Next(x.Shape.Rank - batch) + 1;
        var size = x.Shape.Dims.Skip(batch).Take(depth).Aggregate(Dim.Min);
        var shape = new Shape([.. x.Shape.Dims.Take(batch), .. SomeShape(1).Dims, depth]);
        return x.Term.Apply(new Op.GatherND(batch), Indices(shape, size).Term);
    });

    Combination SomeCombination(Item x) => x.Element == ElementType.Bool ? Combination.Replace : Any(Combination.Replace, Combination.Sum, Combination.Sum, Combination.Max, Combination.Min);

    Item? ScatterElements()
    {
        if (Pick(i => i.Shape.Rank > 0 && !Known(i.Shape).Contains(0)) is not { } x)
            return null;
        var axis = random.Next(x.Shape.Rank);
        var how = SomeCombination(x);
        var shape = new Shape(x.Shape.Dims.Select(d => Chance(0.4) ? Dim.One : d).ToArray());
        var updates = Input(x.Element, shape);
        // Of several that replace one element the last would win; runtimes that use threads disagree, so there is one.
        var indices = how == Combination.Replace && Known(shape[axis]) > 1
            ? new(new Term(builder, builder.Apply(new Op.Iota(shape[axis]))).Reshape(new(shape.Dims.Select((d, i) => i == axis ? d : Dim.One).ToEquatable())).Broadcast(shape), true, 1)
            : Indices(shape, x.Shape[axis]);
        return new(x.Term.Apply(new Op.ScatterElements(axis, how), indices.Term, updates.Term), x.IsExact, x.Bound + updates.Bound * Known(shape[axis]));
    }

    Item? ScatterND()
    {
        if (Pick(i => i.Shape.Rank > 0 && !Known(i.Shape).Contains(0)) is not { } x)
            return null;
        var how = SomeCombination(x);
        var depth = random.Next(x.Shape.Rank) + 1;
        var count = how == Combination.Replace ? 1 : random.Next(4) + 1;
        var indices = Indices(new Shape(count, depth), x.Shape.Dims.Take(depth).Aggregate(Dim.Min));
        var updates = Input(x.Element, new([count, .. x.Shape.Dims.Skip(depth)]));
        return new(x.Term.Apply(new Op.ScatterND(how), indices.Term, updates.Term), x.IsExact, x.Bound + updates.Bound * count);
    }

    Item? Accumulate()
    {
        if (Pick(i => i.Shape.Rank > 0 && i.Element is ElementType.Float32 or ElementType.Int64 or ElementType.Int32 or ElementType.Float64) is not { } x)
            return null;
        var axis = random.Next(x.Shape.Rank);
        var kind = Any(Reduction.Sum, Reduction.Sum, Reduction.Max, Reduction.Min);
        // Before the first one the largest is infinitely small.
        var isExclusive = Chance(0.3) && kind == Reduction.Sum;
        return new(x.Term.Apply(new Op.Accumulate(kind, axis, isExclusive, Chance(0.3))), x.IsExact, kind == Reduction.Sum ? x.Bound * Math.Max(1, Known(x.Shape[axis])) : x.Bound);
    }

    Item? TopK()
    {
        if (Pick(i => i.Shape.Rank > 0 && i.IsExact && IsNumber(i) && i.Element is not (ElementType.Float16 or ElementType.BFloat16)) is not { } x)
            return null;
        var axis = random.Next(x.Shape.Rank);
        var size = x.Shape[axis];
        var count = Known(size) > 2 && Chance(0.7) ? 2 : Chance(0.5) ? size : Dim.CeilDiv(size, 2);
        var results = builder.ApplyAll(new Op.TopK(count, axis, Chance(0.6)), x.Term.Value);
        pool.Add(new(new(builder, results[1]), true, 100));
        return x with { Term = new(builder, results[0]) };
    }

    Item? SizesOf() => Pick(i => i.Shape.Rank > 0) is { } x ? new(x.Term.Sizes(), true, 5000) : null;

    Item? Iota() => new(new(builder, builder.Apply(new Op.Iota(SomeSize()))), true, 100);

    /// <summary>A size that only the data tell.</summary>
    Item? FromData()
    {
        if (sizes.Count > 4)
            return null;
        var number = Input(ElementType.Int64, new(1), 1, 9);
        var size = number.Term.AsSizes()[0];
        sizes[size.SymbolName!] = inputs[^1].Integer(0);
        var row = Input(ElementType.Float32, new(1, 3));
        return new((row.Term + new Term(builder, builder.Apply(new Op.Iota(size))).Cast(ElementType.Float32).Reshape(new(size, 1))), true, 12);
    }

    /// <summary>Some operations within a body that leave the type as it is; the numbers at most double.</summary>
    Term Worked(GraphBuilder body, Term x, Term other)
    {
        for (var i = random.Next(3); i >= 0; i--)
        {
            x = random.Next(4) switch
            {
                0 => x.Max(other),
                1 => x.Min(x.Scalar(2)),
                2 when x.Rank > 0 => x.Apply(new Op.Slice(x.Shape.Dims.Select((d, a) => a == 0 ? d - 1 : Dim.Zero).ToEquatable(), x.Shape.Dims, Each(x.Rank, () => 1).Select((s, a) => a == 0 ? -1 : s).ToEquatable())),
                _ => other.Min(x),
            };
        }
        return x;
    }

    Item? If()
    {
        if (PickNumber() is not { } x || Known(x.Shape).Contains(0))
            return null;
        var y = Input(x.Element, x.Shape);
        var condition = Input(ElementType.Bool, Shape.Scalar).Term;
        (Graph Graph, IReadOnlyList<Value> Captures) Branch(string name)
        {
            var inner = new GraphBuilder(name, (_, _) => null, builder);
            var result = Worked(inner, new(inner, inner.Capture(x.Term.Value)), new(inner, inner.Capture(y.Term.Value)));
            return (inner.Build([result.Value]), inner.Captures);
        }
        var (then, otherwise) = (Branch("then"), Branch("else"));
        return new(condition.Apply(new Op.If(then.Graph, otherwise.Graph), [.. then.Captures.Concat(otherwise.Captures).Select(v => new Term(builder, v))]), x.IsExact, x.Bound + y.Bound);
    }

    Item? Loop()
    {
        if (PickNumber() is not { } x || Known(x.Shape).Contains(0) || sizes.Count > 6)
            return null;
        var limit = Input(ElementType.Int64, Shape.Scalar, 0, 4);
        var symbol = builder.FreshSymbol("ran");
        var inner = new GraphBuilder("body", (_, _) => null, builder);
        var iteration = new Term(inner, inner.Input("i", new(ElementType.Int64, Shape.Scalar)));
        var state = new Term(inner, inner.Input("state", x.Term.Type));
        var other = new Term(inner, inner.Capture(x.Term.Value));
        var next = Worked(inner, state, other);
        var goOn = iteration + 1 < new Term(inner, inner.Capture(limit.Term.Value));
        var body = inner.Build([goOn.Value, next.Value, (next + next).Value]);
        var most = builder.Constant(Tensor.Scalar(3L));
        var results = builder.ApplyAll(new Op.Loop(body, 1, symbol), [most, builder.Constant(Tensor.Scalar(true)), x.Term.Value, .. inner.Captures]);
        sizes[symbol.SymbolName!] = Math.Min(3, Math.Max(1, inputs[^1].Integer(0)));
        pool.Add(new(new(builder, results[1]), x.IsExact, 2 * x.Bound + 4));
        return new(new(builder, results[0]), x.IsExact, x.Bound + 2);
    }
}
