namespace Softmodel.Language.Constraints;

/// <summary>
/// What texts of a format look like: what is written, every text of which ajv's formats hold valid, and what every valid text is
/// of, which is needed to tell what is not of the format.
/// </summary>
static class Formats
{
    const string Date = "(((00|[2468][048]|[13579][26])00|[0-9]{2}(0[48]|[2468][048]|[13579][26]))-02-29|[0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31))";
    const string Clock = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,7})?";
    const string Time = $"{Clock}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    const string LooseDate = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
    const string LooseTime = "[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)?";
    const string Octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    const string Host = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?){0,2}";
    const string Mail = "[a-z0-9]+([._+-][a-z0-9]+)*@([a-z0-9]+(-[a-z0-9]+)*\\.)+[a-z]{2,}";
    const string Web = "https?://([a-z0-9]{1,20}(-[a-z0-9]{1,20})?\\.)+[a-z]{2,}(:[0-9]{1,4})?(/[A-Za-z0-9._~-]+)*/?(\\?[A-Za-z0-9._~=&-]+)?(#[A-Za-z0-9._~-]+)?";
    const string Pointer = "(/([^~/]|~0|~1)*)*";
    /// <summary>Where it is not told what is valid.</summary>
    public const string Anything = "[^]*";

    /// <summary>The formats of texts: what is written, and what is valid, of which no more is written than that.</summary>
    public static IReadOnlyDictionary<string, (string Written, string Valid)> OfTexts { get; } = new Dictionary<string, (string, string)>(StringComparer.Ordinal)
    {
        ["date"] = (Date, LooseDate),
        ["time"] = (Time, LooseTime),
        ["date-time"] = ($"{Date}T{Time}", $"{LooseDate}[tT\\s]{LooseTime}"),
        ["iso-time"] = ($"{Clock}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?", LooseTime),
        ["iso-date-time"] = ($"{Date}T{Clock}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?", $"{LooseDate}[tT\\s]{LooseTime}"),
        ["duration"] = ("P([0-9]+W|[0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)|P([0-9]+D)?T([0-9]+H([0-9]+M)?([0-9]+S)?|[0-9]+M([0-9]+S)?|[0-9]+S)", "P[0-9YMDTHSW]+"),
        ["uuid"] = ("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "([uU][rR][nN]:[uU][uU][iI][dD]:)?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
        ["ipv4"] = ($"{Octet}(\\.{Octet}){{3}}", $"{Octet}(\\.{Octet}){{3}}"),
        ["ipv6"] = ("([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,7}:|:(:[0-9a-f]{1,4}){1,7}|::", "[0-9a-fA-F:.]+"),
        ["email"] = (Mail, "[^@]+@[^@]+"),
        ["idn-email"] = (Mail, Anything),
        ["hostname"] = (Host, "[0-9A-Za-z.-]+"),
        ["idn-hostname"] = ("[a-z0-9]+(\\.[a-z0-9]+){0,3}", Anything),
        ["uri"] = (Web, "[A-Za-z][A-Za-z0-9+.-]*:[^]*"),
        ["iri"] = (Web, Anything),
        ["uri-reference"] = ($"{Web}|(/[A-Za-z0-9._~-]+)+/?(#[A-Za-z0-9._~-]+)?", Anything),
        ["iri-reference"] = ($"{Web}|(/[A-Za-z0-9._~-]+)+/?(#[A-Za-z0-9._~-]+)?", Anything),
        ["uri-template"] = ("(/([A-Za-z0-9._~-]+|\\{[a-z0-9_]+\\}))+", Anything),
        ["url"] = ("https?://[a-z][a-z0-9]*(\\.[a-z][a-z0-9]*)*\\.[a-z]{2,}(/[A-Za-z0-9._~-]+)*/?", Anything),
        ["regex"] = ("[A-Za-z0-9 _]*", Anything),
        ["json-pointer"] = (Pointer, Pointer),
        ["json-pointer-uri-fragment"] = ("#(/[A-Za-z0-9_-]*)*", "#[^]*"),
        ["relative-json-pointer"] = ($"(0|[1-9][0-9]*)(#|{Pointer})", $"(0|[1-9][0-9]*)(#|{Pointer})"),
        ["byte"] = ("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", Anything),
    };

    /// <summary>The formats that say nothing of what is valid.</summary>
    public static IReadOnlySet<string> OfNothing { get; } = new HashSet<string>(StringComparer.Ordinal) { "float", "double", "password", "binary" };
}
