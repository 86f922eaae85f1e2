using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Softmodel.Report;

/// <summary>The methods of emitted C# that kernels call, such as the inner loops of contractions.</summary>
static partial class SharedCode
{
    /// <summary>The code of each by its name with its class, <c>Tile.Panel12</c>.</summary>
    /// <param name="source">The emitted C# as a whole.</param>
    /// <param name="kernels">The code of the kernels.</param>
    public static Dictionary<string, string> Of(string source, IEnumerable<string> kernels)
    {
        var methods = CSharpSyntaxTree.ParseText(source).GetRoot().DescendantNodes().OfType<MethodDeclarationSyntax>()
            .Where(m => m.Parent is ClassDeclarationSyntax { Identifier.Text: not ("Kernels" or "Model") })
            .ToLookup(m => $"{((ClassDeclarationSyntax)m.Parent!).Identifier.Text}.{m.Identifier.Text}", m => m.ToFullString().Trim('\r', '\n'));
        var called = new Dictionary<string, string>(StringComparer.Ordinal);
        var left = new Stack<string>(kernels);
        while (left.TryPop(out var code))
        {
            foreach (var name in Calls().Matches(code).Select(m => m.Value).Where(n => methods.Contains(n) && !called.ContainsKey(n)))
                left.Push(called[name] = string.Join("\n\n", methods[name]));
        }
        return called;
    }

    [GeneratedRegex(@"\b[A-Z]\w*\.[A-Z]\w*(?=\()")]
    private static partial Regex Calls();
}
