using System.Runtime.Loader;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Common;

namespace Softmodel.Tests.Generated;

/// <summary>
/// What the processes of <see cref="GuardPageTests"/> do: graphs are computed at sizes of 0 to 40 in memory that ends the process
/// when anything beyond a buffer is read or written. Not run by themselves.
/// </summary>
public class GuardedRuns
{
    static readonly int[] widths = [512, 256, 128];

    [Fact(Explicit = true)]
    public void Graphs()
    {
        Assert.True(GuardPages.AreOn);
        GuardedProcess.Cases(Batch, Run);
    }

    // So many graphs are compiled at once, which takes a fraction of the time.
    const int Batch = 30;

    static void Run(int[] seeds, StreamWriter log)
    {
        log.WriteLine($"case {seeds[0]}");
        var width = widths[seeds[0] / Batch % 3];
        var made = seeds.Select(s => Grower.GrowOpen(s, 1 + s % 12)).ToArray();
        var programs = new LoweredProgram?[seeds.Length];
        for (var i = 0; i < seeds.Length; i++)
        {
            try
            {
                programs[i] = Lower.Program(Pipeline.Exact(made[i].Graph, Evaluator.Fold));
            }
            catch (Exception e)
            {
                log.WriteLine($"found {seeds[i]}: {e.ToString().ReplaceLineEndings(" ")}");
            }
        }
        var models = Compile(seeds, programs, width, log);
        for (var i = 0; i < seeds.Length; i++)
        {
            if (models[i] is { } model)
                Run(made[i], model, log);
        }
    }

    /// <summary>The models of programs; null where the compiler gave none.</summary>
    static CompiledModel?[] Compile(int[] seeds, LoweredProgram?[] programs, int width, StreamWriter log)
    {
        try
        {
            var codes = programs.Select(p => p is null ? null : ProgramCode.Write(p, width)).ToArray();
            var (prelude, space) = (ProgramCode.Prelude(), $"namespace Softmodel.Compiled.Width{width};");
            var sources = codes.Select((c, i) => c?.Source[..^prelude.Length].Replace(space, $"namespace Softmodel.Compiled.Width{width}.Graph{i};", StringComparison.Ordinal)).OfType<string>().ToArray();
            var first = codes.OfType<ProgramSource>().First().Source;
            var assembly = InProcess.Assemble([.. sources, first[..(first.IndexOf(space, StringComparison.Ordinal) + space.Length)] + prelude]);
            var loaded = new AssemblyLoadContext("Softmodel.Compiled", isCollectible: true).LoadFromStream(new MemoryStream(assembly));
            return [.. codes.Select((c, i) => c is null ? null : (CompiledModel)Activator.CreateInstance(loaded.GetType($"Softmodel.Compiled.Width{width}.Graph{i}.Model", throwOnError: true)!, WeightsFile.Nameless(c.Weights.Write))!)];
        }
        catch (Exception) when (programs.Length > 1)
        {
            // One of them does not compile: which?
            return [.. seeds.Select((s, i) => Compile([s], [programs[i]], width, log)[0])];
        }
        catch (Exception e)
        {
            if (programs[0] is not null)
                log.WriteLine($"found {seeds[0]}: {e.ToString().ReplaceLineEndings(" ")}");
            return [null];
        }
    }

    static void Run(Case made, CompiledModel model, StreamWriter log)
    {
        using (model)
        {
            var seed = made.Seed;
            model.Threads = 1 + seed % 2;
            var random = new Random(seed);
            foreach (var (t, s) in new[] { (0L, 0L), (random.NextInt64(4), random.NextInt64(41)), (random.NextInt64(13), random.NextInt64(13)), (random.NextInt64(41), random.NextInt64(4)), (random.NextInt64(41), random.NextInt64(41)) })
            {
                log.WriteLine($"case {seed} T={t} S={s}");
                Tensor[] inputs;
                try
                {
                    inputs = [.. made.Given.Select(g => g.Of(random, symbol => symbol == "T" ? t : s))];
                }
                catch (SoftmodelException)
                {
                    // An input's own sizes do not fit one another: nothing can be given.
                    continue;
                }
                if (Difference(made with { Inputs = inputs }, model) is { Length: > 0 } difference)
                    log.WriteLine($"found {seed} T={t} S={s}: {difference.ReplaceLineEndings(" ")}");
                else
                    log.WriteLine("agreed");
            }
        }
    }

    /// <summary>What compiled code and the evaluator do differently, refusals among it.</summary>
    static string Difference(Case made, CompiledModel model)
    {
        Tensor[]? expected = null;
        var refusal = "";
        try
        {
            expected = Evaluator.Run(made.Graph, made.Inputs);
        }
        catch (SoftmodelException e)
        {
            refusal = e.Message;
        }
        Tensor[] actual;
        try
        {
            actual = Guarded(model, made.Inputs);
        }
        catch (ModelException e)
        {
            return expected is not null ? $"refused: {e.Message}" : e.Message.Contains(':', StringComparison.Ordinal) ? "" : $"refused without a name: {e.Message} {e.StackTrace}";
        }
        catch (Exception e)
        {
            return $"{e.GetType().Name}: {e.Message} {e.StackTrace}";
        }
        // Compiled code does not look at an index that chooses what nothing reads.
        if (refusal.Contains("the index ", StringComparison.Ordinal))
            return "";
        return expected is null ? $"not refused: {refusal}" : Answers.Difference(made, expected, actual);
    }

    /// <summary>A run whose arguments are guarded, too.</summary>
    static unsafe Tensor[] Guarded(CompiledModel model, Tensor[] inputs)
    {
        var pointers = new nint[inputs.Length];
        try
        {
            var arguments = new TensorArgument[inputs.Length];
            for (var i = 0; i < inputs.Length; i++)
            {
                var bytes = inputs[i].Bytes.Span;
                pointers[i] = (nint)GuardPages.Allocate(bytes.Length);
                bytes.CopyTo(new Span<byte>((void*)pointers[i], bytes.Length));
                arguments[i] = new(inputs[i].Type, (void*)pointers[i], inputs[i].Dims);
            }
            model.Run(arguments);
        }
        finally
        {
            foreach (var pointer in pointers)
                GuardPages.Free((void*)pointer);
        }
        return model.Results();
    }
}
