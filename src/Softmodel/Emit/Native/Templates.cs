using System.Reflection;
using System.Text;
using Softmodel.Runtime;

namespace Softmodel.Emit.Native;

/// <summary>The files that go with a library, from texts in which <c>%WORDS%</c> stand for what differs.</summary>
static class Templates
{
    /// <summary>A text with its words replaced.</summary>
    /// <param name="name">The name of the text.</param>
    /// <param name="words">What stands for what.</param>
    /// <exception cref="InvalidOperationException">A word is left: an error of the compiler.</exception>
    public static string Fill(string name, IReadOnlyDictionary<string, string> words)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Softmodel.Emit.Native.{name}")
            ?? throw new InvalidOperationException($"there is no text '{name}'");
        var pieces = new StreamReader(stream).ReadToEnd().Split('%');
        var text = new StringBuilder(pieces[0]);
        for (var i = 1; i < pieces.Length; i++)
        {
            if (pieces[i].Length > 0 && i + 1 < pieces.Length && pieces[i].All(c => char.IsAsciiLetterUpper(c) || c == '_'))
                text.Append(words.TryGetValue(pieces[i], out var word) ? word : throw new InvalidOperationException($"nothing stands for %{pieces[i]}% in '{name}'")).Append(pieces[++i]);
            else
                text.Append('%').Append(pieces[i]);
        }
        return text.ToString();
    }

    /// <summary>The words of a model.</summary>
    public static Dictionary<string, string> Words(NativeModel model, string library, IEnumerable<int> widths, bool embedded) => new(StringComparer.Ordinal)
    {
        ["NAME"] = Plain(model.Name),
        ["PREFIX"] = model.Prefix,
        ["UPPER"] = model.Prefix.ToUpperInvariant(),
        ["LIBRARY"] = library,
        ["VERSION"] = typeof(Templates).Assembly.GetName().Version!.ToString(3),
        ["WEIGHTS"] = embedded ? "that is part of the library" : $"{model.Prefix}.weights beside the library",
        ["IMAGES"] = string.Join("\n", widths.Select(w => $"Image_OF({w})")),
        ["EMBEDDED"] = embedded
            ? "extern const uint8_t SoftmodelWeights[], SoftmodelWeightsEnd[];\n#define Embedded_WEIGHTS SoftmodelWeights\n#define Embedded_LENGTH (size_t)(SoftmodelWeightsEnd - SoftmodelWeights)"
            : "",
        ["INPUTS"] = string.Join("\n", model.Inputs.Select(i => $" *     {Plain(i.ToString())}")),
        ["OUTPUTS"] = string.Join("\n", model.Outputs.Select(o => $" *     {Plain(o.ToString())}")),
        ["INPUT_TABLE"] = Table(model.Inputs),
        ["OUTPUT_TABLE"] = Table(model.Outputs),
        ["INPUT_COUNT"] = model.Inputs.Count.ToString(),
        ["OUTPUT_COUNT"] = model.Outputs.Count.ToString(),
        ["OUTPUT_FILES"] = Items(OutputFiles(model).Select(Literal)),
        ["OUTPUT_LIST"] = string.Join(", ", OutputFiles(model).Select(PythonLiteral)),
        ["USAGE"] = Plain(Usage(model)),
    };

    /// <summary>How a sample is called; what could be meant in two ways says its kind.</summary>
    static string Usage(NativeModel model)
    {
        var sizes = model.Inputs.SelectMany(i => i.Axes.Zip(i.Sizes.ToArray()).Where(a => a.Second < 0).Select(a => a.First)).Distinct().ToArray();
        var inputs = model.Inputs.Select(i => i.Name).ToArray();
        string Of(string kind, string name) => (sizes.Contains(name) && inputs.Contains(name)) || name is "threads" or "seed" ? $"{kind}:{name}" : name;
        return string.Join(" ", sizes.Select(s => $"{Of("size", s)}=8").Concat(inputs.Select(i => $"{Of("input", i)}=FILE")));
    }

    /// <summary>The files that samples write: called after the outputs, or numbered where names can't be those of files, or differ too little.</summary>
    static string[] OutputFiles(NativeModel model)
    {
        const int longest = 200;
        var files = model.Outputs.Select(o => $"{o.Name.Replace('/', '_')}.raw").ToArray();
        var isPlain = files.All(f => f.Length > ".raw".Length && Encoding.UTF8.GetByteCount(f) <= longest && !f.Any(char.IsControl)) && files.Distinct(StringComparer.OrdinalIgnoreCase).Count() == files.Length;
        return isPlain ? files : [.. files.Select((_, i) => $"output{i}.raw")];
    }

    static string PythonLiteral(string text) => "\"" + string.Concat(text.EnumerateRunes().Select(r => r.IsAscii && r.Value is >= ' ' and not ('"' or '\\') ? r.ToString() : $"\\U{r.Value:X8}")) + "\"";

    // Text within comments of C and Python must not end them.
    static string Plain(string text) => string.Concat(text.Select(c => char.IsAsciiLetterOrDigit(c) || " _-.,:=[]+()/".Contains(c) ? c : '·')).Replace("*/", "··");

    static string Table(IReadOnlyList<TensorInfo> tensors) => tensors.Count == 0 ? " { 0 } " : string.Concat(tensors.Select(t =>
        $"\n    {{ {Literal(t.Name)}, {(int)t.Type}, {t.Rank}, {{ {Items(t.Sizes.ToArray().Select(s => $"{s}"))} }}, {{ {Items(t.Axes.Select(Literal))} }} }},")) + "\n";

    static string Items(IEnumerable<string> items) => string.Join(", ", items.DefaultIfEmpty("0"));

    /// <summary>A string of C; everything but plain characters is written in octal, so that nothing can end it.</summary>
    static string Literal(string text) => "\"" + string.Concat(Encoding.UTF8.GetBytes(text).Select(b =>
        char.IsAsciiLetterOrDigit((char)b) || " _-.,:=[]+()*".Contains((char)b) ? $"{(char)b}" : $"\\{Convert.ToString(b, 8).PadLeft(3, '0')}")) + "\"";
}
