using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public sealed unsafe class CompiledModelTests : IDisposable
{
    /// <summary>Adds x[1,T] and y[T], and looks up row k of them.</summary>
    sealed class Sum() : CompiledModel(WeightsFile.None,
        [new("x", ElementType.Float32, "1", "T"), new("y", ElementType.Float32, "T"), new("k", ElementType.Int64)],
        [new("sum", ElementType.Float32, "T"), new("picked", ElementType.Float32)])
    {
        public Action? During;

        protected override void Execute()
        {
            During?.Invoke();
            var t = InputSize(0, 1);
            var sum = (float*)Arena.Reserve((t + 1) * sizeof(float));
            for (var i = 0L; i < t; i++)
                sum[i] = ((float*)Input(0))[i] + ((float*)Input(1))[i];
            sum[t] = sum[Check.Index(*(long*)Input(2), t, "pick")];
            SetOutput(0, sum, t);
            SetOutput(1, sum + t);
        }
    }

    readonly Sum model = new();
    readonly float[] x = [1, 2, 3], y = [10, 20, 30];
    readonly long[] k = [-1];

    public void Dispose() => model.Dispose();

    TensorArgument X => TensorArgument.Of(x, 1, 3);
    TensorArgument Y => TensorArgument.Of(y, 3);
    TensorArgument K => TensorArgument.Of(k);

    [Fact]
    public void Arguments_go_in_and_views_come_out()
    {
        model.Run(X, Y, K);
        Assert.Equal([11, 22, 33], model.Output(0).Span<float>());
        Assert.Equal([3], model.Output(0).Sizes);
        Assert.Equal(33, model.Output(1).Span<float>()[0]);
        Assert.Equal(0, model.Output(1).Sizes.Length);
        Assert.Equal("x float32[1,T]", model.Inputs[0].ToString());
        fixed (float* native = y)
            model.Run(TensorArgument.Of<float>(x.AsMemory(1), 1, 2), new TensorArgument(ElementType.Float32, native, 2), K);
        Assert.Equal([12, 23], model.Output(0).Span<float>());
    }

    /// <summary>Adds up x[N].</summary>
    sealed class Total() : CompiledModel(WeightsFile.None, [new("x", ElementType.Float32, "N")], [new("total", ElementType.Float32)])
    {
        protected override void Execute()
        {
            var sum = (float*)Arena.Reserve(sizeof(float));
            *sum = 0;
            for (var i = 0L; i < InputSize(0, 0); i++)
                *sum += ((float*)Input(0))[i];
            SetOutput(0, sum);
        }
    }

    [Fact]
    public void A_model_of_one_input_takes_a_span()
    {
        using var total = new Total();
        ReadOnlySpan<float> numbers = [1, 2, 3];
        total.Run(numbers, 3);
        Assert.Equal(6, total.Output("total").Span<float>()[0]);
        total.Run(x.AsSpan(1), 2);
        Assert.Equal(5, total.Output(0).Span<float>()[0]);
        total.Run(ReadOnlySpan<float>.Empty, 0);
        Assert.Equal(0, total.Output(0).Span<float>()[0]);
        Assert.Contains("3 elements", Assert.Throws<ModelException>(() => total.Run(x, 2)).Message, StringComparison.Ordinal);
        Assert.Contains("float64", Assert.Throws<ModelException>(() => total.Run<double>([1.0], 1)).Message, StringComparison.Ordinal);
        Assert.Contains("total", Assert.Throws<ArgumentException>(() => total.Output("sum").Count).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_allocates_nothing()
    {
        TensorArgument[] arguments = [X, Y, K];
        model.Run(arguments);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            model.Run(arguments);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    void Refused(ModelError error, string text, params TensorArgument[] arguments)
    {
        var e = Assert.Throws<ModelException>(() => model.Run(arguments));
        Assert.Contains(text, e.Message);
        Assert.Equal(error, e.Error);
        Assert.Throws<InvalidOperationException>(() => { model.Output(0); });
        model.Run(X, Y, K);
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_named()
    {
        Refused(ModelError.Argument, "2 arguments were given; the model has 3 inputs: x float32[1,T], y float32[T], k int64[]", X, Y);
        Refused(ModelError.Argument, "x float32[1,T], but elements of type int64 were given", TensorArgument.Of<long>([1, 2], 1, 2), Y, K);
        Refused(ModelError.Argument, "the shape [3] was given", TensorArgument.Of(x, 3), Y, K);
        Refused(ModelError.Argument, "the shape [3,1] was given", TensorArgument.Of(x, 3, 1), Y, K);
        Refused(ModelError.Argument, "but T is 3", X, TensorArgument.Of<float>([1, 2], 2), K);
        Refused(ModelError.Argument, "nothing was given", X, default, K);
        Refused(ModelError.Index, "pick: the index 3 is not within -3 to 2", X, Y, TensorArgument.Of<long>([3]));
    }

    [Fact]
    public void Arguments_are_checked_when_they_are_made()
    {
        Assert.Throws<ModelException>(() => TensorArgument.Of(x, 1, 4));
        Assert.Throws<ModelException>(() => TensorArgument.Of(x, -1, -3));
        Assert.Throws<ModelException>(() => TensorArgument.Of(x, 1L << 32, 1L << 32, 3));
        Assert.Throws<ModelException>(() => TensorArgument.Of(x, 1, 1, 1, 1, 1, 1, 1, 1, 3));
        Assert.Throws<ModelException>(() => new TensorArgument(ElementType.Float32, null, 3));
        Assert.Throws<ModelException>(() => TensorArgument.Of<Guid>([Guid.Empty], 1));
    }

    [Fact]
    public void An_output_is_read_as_what_it_is()
    {
        model.Run(X, Y, K);
        Assert.Contains("holds float32, not int32", Assert.Throws<ModelException>(() => { model.Output(0).Span<int>(); }).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => { model.Output(2); });
    }

    [Fact]
    public void One_run_at_a_time()
    {
        model.During = () => Assert.Throws<InvalidOperationException>(() => Task.Run(() => model.Run(X, Y, K)).GetAwaiter().GetResult());
        model.Run(X, Y, K);
        model.During = null;
        model.Run(X, Y, K);
    }

    [Fact]
    public void Threads_may_change_between_runs()
    {
        foreach (var threads in new[] { 4, 1, 2 })
        {
            model.Threads = threads;
            model.Run(X, Y, K);
            Assert.Equal(threads, model.Threads);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Threads = 0);
    }

    [Fact]
    public void The_memory_limit_is_kept()
    {
        model.MemoryLimit = 8;
        Assert.Equal(ModelError.Memory, Assert.Throws<ModelException>(() => model.Run(X, Y, K)).Error);
        model.MemoryLimit = 1 << 20;
        model.Run(X, Y, K);
        Assert.InRange(model.MemoryBytes, 16, 1 << 20);
    }

    [Fact]
    public void After_disposal_everything_is_refused()
    {
        model.Run(X, Y, K);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Run(X, Y, K));
        Assert.Throws<ObjectDisposedException>(() => { model.Output(0); });
    }
}
