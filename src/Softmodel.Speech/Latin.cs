using System.Collections.Frozen;

namespace Softmodel.Speech;

/// <summary>Letters of other Latin alphabets as English ones. .NET's own decomposition is not there where globalization is invariant.</summary>
static class Latin
{
    /// <summary>Rows: what is spoken, and the letters that are spoken so; the same with capitals is derived.</summary>
    static readonly (string English, string Letters)[] rows =
    [
        ("a", "àáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặªɑ"), ("b", "ḃḅḇ"), ("c", "çćĉċčḉ"), ("d", "ďḋḍḏḑḓđð"),
        ("e", "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ"), ("f", "ḟƒ"), ("g", "ĝğġģǧǵḡǥ"), ("h", "ĥȟḣḥḧḩḫẖħ"),
        ("i", "ìíîïĩīĭįǐȉȋḭḯỉịı"), ("j", "ĵǰ"), ("k", "ķǩḱḳḵĸ"), ("l", "ĺļľḷḹḻḽłŀ"), ("m", "ḿṁṃ"),
        ("n", "ñńņňǹṅṇṉṋŉŋ"), ("o", "òóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợøǿº"), ("p", "ṕṗ"), ("r", "ŕŗřȑȓṙṛṝṟ"),
        ("s", "śŝşšșṡṣṥṧṩſ"), ("t", "ţťțṫṭṯṱẗŧ"), ("u", "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"), ("v", "ṽṿ"), ("w", "ŵẁẃẅẇẉẘ"),
        ("x", "ẋẍ"), ("y", "ýÿŷȳẏẙỳỵỷỹ"), ("z", "źżžẑẓẕ"),
        ("ae", "æǽ"), ("oe", "œ"), ("th", "þ"), ("ss", "ßẞ"), ("ij", "ĳ"), ("dz", "ǆ"), ("lj", "ǉ"), ("nj", "ǌ"),
        ("ff", "ﬀ"), ("fi", "ﬁ"), ("fl", "ﬂ"), ("ffi", "ﬃ"), ("ffl", "ﬄ"),
    ];

    static readonly FrozenDictionary<char, string> english = Table();

    static FrozenDictionary<char, string> Table()
    {
        var table = new Dictionary<char, string>();
        foreach (var (spoken, letters) in rows)
        {
            foreach (var letter in letters)
            {
                table.TryAdd(letter, spoken);
                table.TryAdd(char.ToUpperInvariant(letter), $"{char.ToUpperInvariant(spoken[0])}{spoken[1..]}");
            }
        }
        return table.ToFrozenDictionary();
    }

    /// <summary>The English letters for one of another Latin alphabet, or null.</summary>
    public static string? English(char letter) => english.GetValueOrDefault(letter);
}
