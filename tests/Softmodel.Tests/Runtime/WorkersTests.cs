using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public unsafe class WorkersTests
{
    static void Count(void* state, int task) => Interlocked.Increment(ref ((int*)state)[task]);

    static void Fail(void* state, int task)
    {
        if (task == 3)
            throw new ModelException(ModelError.Index, "task three");
        Count(state, task);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Every_task_is_done_once(int threads)
    {
        using var workers = new Workers(threads);
        var counts = stackalloc int[64];
        for (var round = 0; round < 20_000; round++)
        {
            var tasks = round % 65;
            new Span<int>(counts, 64).Clear();
            workers.Run(&Count, counts, tasks);
            for (var i = 0; i < 64; i++)
                Assert.Equal(i < tasks ? 1 : 0, counts[i]);
            if (round % 1000 == 0)
                Thread.Sleep(2); // so that workers sleep and must be woken
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void What_a_task_throws_reaches_the_caller(int threads)
    {
        using var workers = new Workers(threads);
        var counts = stackalloc int[8];
        for (var round = 0; round < 100; round++)
        {
            Assert.Equal("task three", Throws(workers, counts).Message);
            new Span<int>(counts, 8).Clear();
            workers.Run(&Count, counts, 8);
            Assert.Equal(8, new Span<int>(counts, 8).ToArray().Sum());
        }
    }

    static ModelException Throws(Workers workers, int* counts)
    {
        try
        {
            workers.Run(&Fail, counts, 8);
        }
        catch (ModelException e)
        {
            return e;
        }
        throw new InvalidOperationException("nothing was thrown");
    }

    static Workers? nested;

    static void Nest(void* state, int task)
    {
        nested!.Run(&Count, (int*)state + 8 * task, 8);
    }

    [Fact]
    public void A_job_within_a_task_is_done_inline()
    {
        using var workers = new Workers(4);
        var counts = stackalloc int[64];
        nested = workers;
        workers.Run(&Nest, counts, 8);
        Assert.All(new Span<int>(counts, 64).ToArray(), c => Assert.Equal(1, c));
    }

    [Fact]
    public void A_job_allocates_nothing()
    {
        using var workers = new Workers(3);
        var counts = stackalloc int[64];
        workers.Run(&Count, counts, 64);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            workers.Run(&Count, counts, 64);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}

/// <summary>Runs alone, so that no other test's workers are counted.</summary>
[CollectionDefinition(DisableParallelization = true)]
public class AloneCollection;

[Collection(typeof(AloneCollection))]
public unsafe class IdleWorkersTests
{
    static void Nothing(void* state, int task) { }

    [Fact]
    public void Idle_threads_take_no_processor_time()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("only Linux tells the processor time of a thread by its name");
        using var workers = new Workers(4);
        workers.Run(&Nothing, null, 64);
        Thread.Sleep(50);
        var before = Ticks();
        Assert.Equal(3, before.Count);
        Thread.Sleep(300);
        Assert.InRange(Ticks().Sum() - before.Sum(), 0, 2);
    }

    /// <summary>The hundredths of a second that each thread of workers has run.</summary>
    static List<long> Ticks() => [.. Directory.GetDirectories("/proc/self/task")
        .Select(d => File.ReadAllText(Path.Combine(d, "stat")).Split('(', ')'))
        .Where(s => s[1] == "softmodel").Select(s => s[2].Split(' ')).Select(s => long.Parse(s[12]) + long.Parse(s[13]))];
}
