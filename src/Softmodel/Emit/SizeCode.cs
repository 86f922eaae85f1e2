using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Sizes in the C# of a program: symbols are fields of its frame.</summary>
static class SizeCode
{
    /// <summary>The name of the field that holds a size.</summary>
    public static string Name(string symbol) => $"n_{symbol}";

    /// <summary>A size outside of kernels.</summary>
    public static string Of(Dim size) => size.ToCSharp(s => $"f->{Name(s)}");

    /// <summary>The bytes that a buffer needs.</summary>
    public static string Room(Lowering.Buffer buffer) => $"Check.Room({Of(buffer.Count.Unfailing())}, {buffer.Type.Size()}, \"{buffer.Name[2..]}\")";

    /// <summary>What says a size, where the graph means something only if it is at least 1: with a check that it is.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="symbol">The size.</param>
    /// <param name="size">The C# of what says it.</param>
    /// <param name="where">Which node or argument says it, for messages.</param>
    public static string Demanded(Graph graph, string symbol, string size, string where) =>
        graph.Positive.Contains(symbol) ? $"Check.Positive({size}, \"{symbol}\", {KernelWriter.Literal(where)})" : size;
}
