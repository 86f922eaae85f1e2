using System.Reflection;
using System.Text;

namespace Softmodel.Emit.Native;

/// <summary>
/// Names that functions, types, macros and files of a library can begin with. They are in small letters, and none of
/// <c>c-words.txt</c>: the keywords of C and C++, what the headers of ISO C, POSIX and the GNU C library declare, the names of
/// these headers and libraries, and beginnings with which a name of ours would be one of theirs, as <c>pthread</c>_create.
/// </summary>
static class CName
{
    const int Longest = 200;

    static readonly Lazy<HashSet<string>> taken = new(Read);

    static HashSet<string> Read()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Emit.Native.c-words.txt")!;
        using var text = new StreamReader(stream, Encoding.ASCII);
        return [.. text.ReadToEnd().Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)];
    }

    /// <summary>The words that are taken.</summary>
    public static IReadOnlySet<string> Taken => taken.Value;

    /// <summary>The name for a model: its own with everything but letters, digits and underscores replaced, and <c>model_</c> before one that is taken.</summary>
    public static string Of(string model)
    {
        var name = string.Concat(model.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_'));
        name = name[..Math.Min(name.Length, Longest)].Trim('_');
        return name.Length == 0 ? "model" : char.IsAsciiDigit(name[0]) || Taken.Contains(name) ? $"model_{name}" : name;
    }

    /// <summary>Why a name that a user has chosen can't be one; null where it can.</summary>
    public static string? Fault(string name) =>
        name.Length is 0 or > Longest || !char.IsAsciiLetterLower(name[0]) || name[^1] == '_' || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_')
            ? $"'{name}' can't begin the names of a library: write small letters a to z, digits and underscores, a letter first, no underscore last, and at most {Longest} of them, such as '{Of(name)}'"
        : Taken.Contains(name) ? $"'{name}' can't begin the names of a library: C, C++ or a library of theirs has a meaning for it; choose another, such as '{Of(name)}'"
            : null;
}
