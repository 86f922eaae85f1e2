using System.Globalization;
using Softmodel.Graphs;

namespace Softmodel.Import.Onnx;

/// <summary>The sizes that a model's inputs name, as sizes of a graph: one symbol for each name that says something.</summary>
internal sealed class OnnxSizes
{
    readonly GraphBuilder builder;
    readonly IReadOnlyDictionary<string, long> given;
    readonly Dictionary<string, string> symbols = new(StringComparer.Ordinal);
    // Names that are the whole size of an axis of some input, and names that stand for no size in particular.
    readonly HashSet<string> alone, blank;
    readonly string[] ones;

    /// <summary>Finds symbols for all names.</summary>
    /// <param name="inputs">The model's inputs.</param>
    /// <param name="builder">The graph to which they belong; no other size of it will have one of these symbols.</param>
    /// <param name="given">Numbers for names.</param>
    /// <param name="ones">Symbols that turned out to be 1.</param>
    public OnnxSizes(IReadOnlyList<OnnxValue> inputs, GraphBuilder builder, IReadOnlyDictionary<string, long> given, string[] ones)
    {
        (this.builder, this.given, this.ones) = (builder, given, ones);
        string[][] named = [.. inputs.Select(i => (i.Type?.Dims ?? []).Select(d => d.Symbol).OfType<string>().Where(s => s.Length > 0).ToArray())];
        alone = [.. named.SelectMany(n => n)];
        blank = [.. alone.Where(name => IsBlank(name, [.. named.Select(n => n.Count(s => s == name)).Where(n => n > 0)], alone.Count == 1))];
        // What is a symbol as it stands keeps its name; what is made one of gives way.
        string[] all = [.. alone.Where(n => !blank.Contains(n)).SelectMany(n => SumOf(n) ?? [n]).Distinct(StringComparer.Ordinal)];
        foreach (var name in all.OrderBy(n => Written(n) != n))
        {
            var symbol = Written(name);
            for (var i = 2; symbols.ContainsValue(symbol); i++)
                symbol = $"{Written(name)}_{i}";
            symbols[name] = symbol;
            builder.Reserve(symbol);
        }
    }

    /// <summary>
    /// Whether a name says nothing of a size. Exporters write one and the same for every size that they leave open, and other
    /// runtimes do not ask that sizes of one name be equal: what no input of any use could mean is not taken as meant.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="times">How often it stands in each input that has it.</param>
    /// <param name="isOnly">Whether no size has another name.</param>
    static bool IsBlank(string name, int[] times, bool isOnly) => !name.Any(char.IsLetterOrDigit) || name is "None" or "none" or "null" or "nan" or "NaN" or "-1"
        || times.Max() > 2 || (times.Max() == 2 && (isOnly || times.Length == 1));

    /// <summary>A name in letters, digits and underscores.</summary>
    static string Written(string name)
    {
        var plain = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? $"{c}" : char.IsLetterOrDigit(c) ? $"u{(int)c:x4}" : "_"));
        return Dim.IsFree(plain) ? plain : $"n_{plain}";
    }

    // Exporters of language models write a sum of symbols as the length of a mask. It is taken as one where the other inputs
    // tell the rest of it.
    string[]? SumOf(string name)
    {
        var parts = name.Split('+', StringSplitOptions.TrimEntries);
        return parts.Length > 1 && parts.All(p => p.Length > 0 && p.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) && !given.ContainsKey(name)
            && parts.Count(p => !char.IsAsciiDigit(p[0]) && !alone.Contains(p) && !given.ContainsKey(p)) <= 1 ? parts : null;
    }

    /// <summary>The size of an axis of an input.</summary>
    public Dim Of(OnnxDim dim) => dim.Value is { } value ? value
        : string.IsNullOrEmpty(dim.Symbol) || (blank.Contains(dim.Symbol) && !given.ContainsKey(dim.Symbol)) ? Known(builder.FreshSymbol())
        : SumOf(dim.Symbol) is { } parts ? parts.Select(p => long.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : Named(p)).Aggregate((a, b) => a + b)
        : Named(dim.Symbol);

    Dim Named(string name) => given.TryGetValue(name, out var number) ? number : Known(Dim.Symbol(symbols[name]));

    Dim Known(Dim symbol) => ones.Contains(symbol.SymbolName) ? 1 : symbol;
}
