using System.Collections.Concurrent;
using System.Reflection;
using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>The exact programs that graphs can call, by name.</summary>
public static class ExactPrograms
{
    static readonly ExactProgram[] ours = [NonZero.Program, FusedCall.Program];

    static readonly ConcurrentDictionary<string, ExactProgram> programs = new(ours.ToDictionary(p => p.Name), StringComparer.Ordinal);

    /// <summary>Adds a program, for as long as the process runs. What it calls in this process is registered with <see cref="ExactMethods"/>, too.</summary>
    /// <exception cref="ArgumentException">Its name is taken or not of letters, digits and underscores, or it finds more than 8 sizes.</exception>
    public static void Register(ExactProgram program)
    {
        if (program.Name.Length == 0 || char.IsAsciiDigit(program.Name[0]) || !program.Name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            throw new ArgumentException($"'{program.Name}' is no name of an exact program: it has letters, digits and underscores", nameof(program));
        if (program.FoundSizes is < 0 or > Extents.MaxRank)
            throw new ArgumentException($"the exact program '{program.Name}' cannot find {program.FoundSizes} sizes; at most {Extents.MaxRank} are possible", nameof(program));
        if (!programs.TryAdd(program.Name, program))
            throw new ArgumentException($"an exact program '{program.Name}' is registered already", nameof(program));
        if (program.Callee is Callee.Method method)
            ExactMethods.Register(program.Name, method.Run);
        else if (program.Callee is Callee.Function function)
            ExactMethods.Register(program.Name, ExactMethods.Of(function.Address));
    }

    /// <summary>The program of a name.</summary>
    /// <exception cref="SoftmodelException">There is none.</exception>
    public static ExactProgram Named(string name) => programs.GetValueOrDefault(name)
        ?? throw new SoftmodelException($"there is no exact program '{name}'; register it with ExactPrograms.Register before a graph calls it");

    /// <summary>
    /// What compiled code depends on of the programs that were registered: their names and the builds of their code. Methods and C
    /// functions themselves are found by name when a model is loaded.
    /// </summary>
    internal static string Key => string.Concat(programs.Values.Except(ours).OrderBy(p => p.Name, StringComparer.Ordinal)
        .Select(p => $"{p.Name} {p.Callee.GetType().Name} {string.Join(" ", Builds(p).Distinct())} "));

    static IEnumerable<Guid> Builds(ExactProgram program) => ((Delegate?[])[program.Types, (program.Callee as Callee.Code)?.Write])
        .OfType<Delegate>().Select(d => d.GetMethodInfo().Module.ModuleVersionId);

    /// <summary>The types of a call's results.</summary>
    /// <exception cref="SoftmodelException">There is no such program, or it does not take the operands.</exception>
    internal static TensorType[] Types(Op.Call call, IReadOnlyList<TensorType> operands)
    {
        var program = Named(call.Program);
        if (call.Sizes.Count != program.FoundSizes)
            throw Wrong(call, $"finds {program.FoundSizes} sizes, but {call.Sizes.Count} are named");
        TensorType[] types;
        try
        {
            types = program.Types(operands, call.Arguments, [.. call.Sizes.Select(Dim.Symbol)]);
        }
        catch (Exception e) when (e is not OverflowException)
        {
            throw new SoftmodelException($"the exact program '{call.Program}' does not take ({string.Join(", ", operands)}): {e.Message}", e);
        }
        var axes = types.SelectMany(t => t.Shape.Dims).ToArray();
        if (types.Length == 0 || call.Sizes.FirstOrDefault(s => !axes.Contains(Dim.Symbol(s))) is not null || axes.Any(d => d.SymbolName is null && d.Symbols.Any(s => call.Sizes.Contains(s))))
            throw Wrong(call, $"gives {(types.Length == 0 ? "nothing" : string.Join(", ", types))}: every size that it finds has to be an axis of a result, and none of them part of a sum or product");
        return types;
    }

    /// <summary>The results of a call, by the reference.</summary>
    /// <param name="call">The call.</param>
    /// <param name="operands">Its operands.</param>
    /// <param name="source">The node, for errors.</param>
    /// <exception cref="ModelException">The reference fails, or gives what is not of the types that the program says.</exception>
    internal static Tensor[] Run(Op.Call call, IReadOnlyList<Tensor> operands, string source)
    {
        var where = NameOf(call, source);
        Tensor[] results;
        try
        {
            results = Named(call.Program).Reference(operands, call.Arguments);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
        {
            throw new ModelException(ModelError.Program, $"{where}: {e.Message}", e);
        }
        var types = Types(call, [.. operands.Select(t => t.TensorType)]);
        var found = new Dictionary<string, long>(StringComparer.Ordinal);
        bool Fits(Dim dim, long size) => dim.Value is { } known ? known == size : found.TryAdd(dim.SymbolName!, size) || found[dim.SymbolName!] == size;
        if (results.Length != types.Length || !types.Zip(results).All(p => p.First.Element == p.Second.Type && p.First.Shape.Rank == p.Second.Rank && p.First.Shape.Dims.Zip(p.Second.Dims.ToArray()).All(d => Fits(d.First, d.Second))))
            throw new ModelException(ModelError.Program, $"{where}: its reference gives {string.Join(", ", results.Select(r => r.TensorType))} where it should give {string.Join(", ", types)}");
        return results;
    }

    /// <summary>A call in a message.</summary>
    internal static string NameOf(Op.Call call, string source) => $"{(source.Length > 0 ? $"{source}: " : "")}the exact program '{call.Program}'";

    static SoftmodelException Wrong(Op.Call call, string what) => new($"{NameOf(call, "")} {what}");
}
