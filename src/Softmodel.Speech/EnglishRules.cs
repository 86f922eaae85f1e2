using System.Globalization;
using System.Text.RegularExpressions;

namespace Softmodel.Speech;

/// <summary>What a match is spoken as; null leaves it as it is.</summary>
/// <param name="match">The match.</param>
/// <param name="text">The whole text.</param>
delegate string? Saying(Match match, string text);

/// <summary>One thing that is written otherwise than it is spoken.</summary>
/// <param name="When">Whether a text can have it: cheap, so that plain text starts no regular expression.</param>
/// <param name="Pattern">How it is written.</param>
/// <param name="Say">How it is spoken.</param>
sealed record EnglishRule(Func<string, bool> When, string Pattern, Saying Say)
{
    readonly Lazy<Regex> regex = new(() => new(Pattern, RegexOptions.CultureInvariant));

    /// <summary>The text with every match spoken.</summary>
    public string Apply(string text) => regex.Value.Replace(text, m => Say(m, text) ?? m.Value);
}

/// <summary>
/// The rules in their order: what is more special comes first, and what it leaves as digits and capitals is for the
/// later ones. No pattern looks at a character more than a bounded number of times.
/// </summary>
static class EnglishRules
{
    const string Start = @"(?<![\p{L}\d])";
    const string End = @"(?![\p{L}\d])";
    const string Number = @"(?:\d{1,3}(?:,\d{3}){1,12}|\d{1,60})(?:\.\d{1,60})?";

    static readonly string months = EnglishTable.Alternatives("months");
    static readonly string units = EnglishTable.Alternatives("units");
    static readonly string currencies = EnglishTable.Alternatives("currencies");
    static readonly string scales = EnglishTable.Alternatives("scales");

    /// <summary>Every rule.</summary>
    public static readonly EnglishRule[] All =
    [
        // Addresses
        new(Has("@"), @"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}", (m, _) => Address(m.Value)),
        new(HasAny("://", "www."), @"(?:https?://(?:www\.)?|www\.)[^\s<>""]+", (m, _) => Address(m.Value)),
        new(HasAny(".com", ".org", ".net", ".edu", ".gov", ".io", ".dev", ".app", ".ai", ".uk"),
            @"(?<![\w.@/-])[A-Za-z0-9-]{1,64}(?:\.[A-Za-z0-9-]{1,64}){0,4}\.(?:com|org|net|edu|gov|io|dev|app|ai|co\.uk)(?:/[^\s<>""]{0,500})?(?![\w-])", (m, _) => Address(m.Value)),
        new(Has("."), @"\.{2,}", (_, _) => "… "),
        new(Has("-–—"), @"\s+[-–—]+\s+(?!\d)|\s*(?:—|--+)\s*", (_, _) => ", "),
        new(Has("–"), @"(?<=\d)\s?–\s?(?=\d)", (_, _) => "-"),
        // Initials
        new(Has("."), @"(?<![\p{L}\d.'])[A-Z]\.(?=\s[A-Z])", (m, _) => m.Value is "I." ? null : Letter(m.Value[0])),
        new(Has("&"), @"(?<![\p{L}\d])[A-Z]{1,3}&[A-Z]{1,3}(?![\p{L}\d])", (m, _) => string.Join(" and ", m.Value.Split('&').Select(Letters))),
        // Figures that are names
        new(HasDigit, $@"{Start}(?:{EnglishTable.Alternatives("sayings")})(?![\p{{L}}\d/]|[.,:]\d)", (m, text) => IsCounted(m, text) ? null : EnglishTable.Section("sayings")[m.Value][0]),
        new(HasDigit, $@"(?<![\p{{L}}\d.,+-])(?:\+?\d{{1,3}}[\s.-])?(?:\(\d{{3}}\)\s?|\d{{3}}[\s.-])\d{{3}}[\s.-]\d{{4}}{End}|(?<![\p{{L}}\d.,-])\d{{3}}-\d{{4}}(?![\p{{L}}\d-])|\+\d[\d\s().-]{{6,20}}\d{End}", (m, _) => Telephone(m.Value)),
        new(HasDigit, @"(?<![\p{L}\d.])[vV]?\d{1,9}(?:\.\d{1,9}){2,6}(?![\p{L}\d])", (m, _) => Version(m.Value)),
        // Dates
        new(HasDigit, $@"{Start}(?<y>[12]\d{{3}})-(?<m>0[1-9]|1[0-2])-(?<d>0[1-9]|[12]\d|3[01]){End}", (m, _) => Date(m.Groups["y"].Value, Int(m, "m"), Int(m, "d"))),
        new(HasDigit, $@"(?<![\p{{L}}\d/])(?<m>\d{{1,2}})/(?<d>\d{{1,2}})/(?<y>\d{{4}}|\d{{2}})(?![\p{{L}}\d/])", (m, _) => NumericDate(Int(m, "m"), Int(m, "d"), m.Groups["y"].Value)),
        new(HasDigit, $@"{Start}(?<m>{months})\.?\s(?<d>[0-3]?\d)(?:st|nd|rd|th)?(?:\s?-\s?(?<e>[0-3]?\d)(?:st|nd|rd|th)?)?(?:,?\s(?<y>\d{{4}}))?(?![\p{{L}}\d]|[.,:]\d)", MonthAndDay),
        new(HasDigit, $@"{Start}(?<d>[0-3]?\d)(?:st|nd|rd|th)?\s(?:of\s)?(?<m>{months})(?:\.(?=\s\d))?(?:,?\s(?<y>\d{{4}}))?{End}", DayAndMonth),
        new(HasDigit, $@"(?<the>\bthe\s)?(?<![\p{{L}}\d.,])(?<q>')?(?<c>1\d|20)?(?<t>\d0)'?s{End}", Decade),
        // Times
        new(HasDigit, $@"(?<![\p{{L}}\d:.])(?<h>[01]?\d|2[0-4])(?:(?::(?<m>[0-5]\d)(?::(?<s>[0-5]\d))?(?:\s?(?<p>[AaPp])(?:\.[Mm]\.|[Mm]{End}))?)|(?:\.(?<m>[0-5]\d))?\s?(?<p>[ap]|[AP](?=\.?M))(?:\.[Mm]\.|[Mm]{End}))(?![\d:])", Clock),
        new(HasDigit, $@"(?<![\p{{L}}\d:.])(?<a>\d{{1,3}}):(?<b>\d{{1,3}})(?![\p{{L}}\d:])", (m, _) => $"{m.Groups["a"].Value} to {m.Groups["b"].Value}"),
        // Money
        new(HasDigit, $@"(?<s>[-−])?(?<![\p{{L}}])(?<c>{currencies})\s?(?<n>{Number})(?:\s?-\s?(?:{currencies})?(?<n2>{Number}))?(?:\s?(?<k>{scales}){End})?(?![\d])", Money),
        new(HasDigit, $@"(?<![\p{{L}}\d.,])(?<s>[-−])?(?<n>{Number})\s?(?:(?<k>{scales})\s)?(?<c>{currencies}){End}", Money),
        // Quantities
        new(HasDigit, $@"(?<![\p{{L}}\d.,])(?<f>\d{{1,2}})'\s?(?<i>\d{{1,2}})(?:""|''){Not(@"\d")}", (m, _) => $"{SpokenNumbers.Cardinal(m.Groups["f"].Value)} foot {SpokenNumbers.Cardinal(m.Groups["i"].Value)}"),
        new(HasDigit, $@"(?<![\p{{L}}\d.,])(?<s>[-−+])?(?:(?<a>{Number})\s?-\s?(?!-))?(?<n>{Number})[\s-]?(?<u>{units})(?![\p{{L}}\d²³/])", Quantity),
        new(HasDigit, $@"(?<![\p{{L}}\d.,])(?<s>[-−])?(?<n>{Number})\s?(?<k>k|K|M|bn|mn|tn){End}", (m, _) => $"{Sign(m)}{SpokenNumbers.Number(m.Groups["n"].Value)} {EnglishTable.Section("scales")[m.Groups["k"].Value][0]}"),
        new(HasDigit, $@"(?<![\p{{L}}\d.,])(?<n>{Number})(?:st|nd|rd|th){End}", (m, _) => m.Value.Contains('.') ? null : SpokenNumbers.Ordinal(SpokenNumbers.Number(m.Groups["n"].Value))),
        new(Has("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"), @"(?<![\d.,])(?:(?<w>\d{1,9})\s?)?(?<f>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])", (m, _) =>
            EnglishTable.Section("fractions")[m.Groups["f"].Value] is [var n, var d] ? Mixed(m.Groups["w"].Value, n, d) : null),
        new(Has("/"), @"(?<![\p{L}\d.,/])(?:(?<w>\d{1,9})\s)?(?<n>\d{1,4})/(?<d>\d{1,4})(?![\p{L}\d/]|[.,]\d)", (m, _) => Mixed(m.Groups["w"].Value, m.Groups["n"].Value, m.Groups["d"].Value)),
        // Abbreviations that only a number makes one
        new(HasDigit, $@"(?<![\p{{L}}\d.])(?:{EnglishTable.Alternatives("before numbers")})\s?(?=\d)", (m, _) => EnglishTable.Section("before numbers")[m.Value.TrimEnd()][0] + " "),
        new(Has("#№"), @"[#№]\s?(?=\d)", (_, _) => "number "),
        new(Has("#"), @"#(?=\p{L})", (_, _) => "hashtag "),
        // Sums
        new(HasDigit, @"(?<=\d)\s?[x×*]\s?(?=\d)", (m, _) => m.Value.Contains('x') && m.Length == 1 ? " by " : " times "),
        new(HasDigit, @"(?<=\d)x(?![\p{L}\d])", (_, _) => " times"),
        new(Has("÷"), @"\s?÷\s?", (_, _) => " divided by "),
        new(HasDigit, @"(?<=\d)\s+/\s+(?=\d)", (_, _) => " divided by "),
        new(Has("^"), @"(?<=[\p{L}\d)])\^(?=-?[\d\p{L}])", (m, text) => text.AsSpan(m.Index + 1) is ['2', .. var rest] && (rest.IsEmpty || !char.IsAsciiDigit(rest[0])) ? "²" : " to the power of "),
        new(Has("²"), @"²\d?", (_, _) => " squared"),
        new(HasDigit, @"(?<=\d)\s+[-−]\s+(?=\d)", (_, _) => " minus "),
        new(HasDigit, @"(?<=\d)(?:-\d{1,9}){2,}(?![\p{L}\d])", (m, _) => m.Value.Replace("-", ", ")),
        new(HasDigit, $@"{Start}(?<a>{Number})-(?<b>{Number}){End}", (m, _) => $"{SpokenNumbers.YearOrNumber(m.Groups["a"].Value)} to {SpokenNumbers.YearOrNumber(m.Groups["b"].Value)}"),
        new(HasDigit, @"(?<![\p{L}\d])[-−](?=\.?\d)", (_, _) => "minus "),
        new(HasDigit, @"~\s?(?=\d)", (_, _) => "about "),
        // Names with figures
        new(HasDigit, @"(?<=\p{L})-(?=\d)|(?<=\d)-(?=\p{L})", (_, _) => " "),
        new(HasDigit, @"(?<![\p{L}\d])(?:[A-Za-z]{1,30}\d[A-Za-z\d]{0,60}|\d{1,60}[A-Za-z][A-Za-z\d]{0,60})", (m, _) => Name(m.Value)),
        // Every other number
        new(HasDigit, @"(?:(?<![\d\p{L}])(?:\d{1,3}(?:,\d{3}){1,12}(?!\d)|\d{1,60})(?:\.\d{1,60})?|(?<![\d\p{L}])\.\d{1,60}|\d{1,60})", (m, _) => $" {SpokenNumbers.YearOrNumber(m.Value)} "),
        // Words
        new(Has("."), @"(?<=[A-Za-z])\.(?=[a-z]{2})", (m, text) => m.Index > 1 && text[m.Index - 2] is '.' or ' ' ? null : " dot "),
        new(HasAbbreviation, $@"(?<![\p{{L}}\d.])(?:{EnglishTable.Alternatives("abbreviations")})(?![\p{{L}}\d])", Abbreviation),
        new(Has("."), $@"(?<![\p{{L}}\d.])(?:[A-Za-z]\.){{2,}}(?:[A-Za-z]{End})?", (m, text) => Letters(m.Value) + (m.Value.EndsWith('.') && AtEnd(text, m.Index + m.Length) ? "." : "")),
        new(Has("&"), @"\s*&\s*", (_, _) => " and "),
        new(HasCapitals, $@"{Start}(?<w>[A-Z][a-z]{{1,20}}|[A-Z]{{2,20}}|[a-z]{{3,20}})\s(?<r>[IVXLC]{{1,8}})(?='s|[^\p{{L}}\d']|$)", Roman),
        new(HasCapitals, $@"{Start}(?<c>[A-Z]{{2,60}})(?<s>'s|s)?{End}", Capitals),
    ];

    static string Not(string pattern) => $"(?!{pattern})";

    static Func<string, bool> Has(string characters)
    {
        var values = System.Buffers.SearchValues.Create(characters);
        return text => text.AsSpan().ContainsAny(values);
    }

    static Func<string, bool> HasAny(params string[] parts)
    {
        var values = System.Buffers.SearchValues.Create(parts, StringComparison.OrdinalIgnoreCase);
        return text => text.AsSpan().ContainsAny(values);
    }

    static bool HasDigit(string text) => text.AsSpan().ContainsAnyInRange('0', '9');

    static readonly Func<string, bool> hasAbbreviation = HasAny([.. EnglishTable.Section("abbreviations").Keys]);

    static bool HasAbbreviation(string text) => hasAbbreviation(text);

    static bool HasCapitals(string text)
    {
        for (var i = 1; i < text.Length; i++)
        {
            if (char.IsAsciiLetterUpper(text[i]) && (char.IsAsciiLetterUpper(text[i - 1]) || text[i] is 'I' or 'V' or 'X' or 'L' or 'C'))
                return true;
        }
        return false;
    }

    static int Int(Match match, string group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    static string Sign(Match match) => match.Groups["s"].Value switch { "-" or "−" => "minus ", "+" => "plus ", _ => "" };

    /// <summary>Whether a word that is counted follows, as in <c>911 people</c>; then the figures are a number.</summary>
    static bool IsCounted(Match match, string text) =>
        match.Value.All(char.IsAsciiDigit) && match.Value[0] != '0' && Regex.IsMatch(text[(match.Index + match.Length)..Math.Min(text.Length, match.Index + match.Length + 20)], @"^\s[a-z]{2,}s\b");

    /// <summary>Whether nothing more is said in this paragraph from a place on, quotes and brackets aside.</summary>
    static bool AtEnd(string text, int at)
    {
        while (at < text.Length && text[at] is ' ' or '"' or '\'' or ')' or '”')
            at++;
        return at == text.Length || text[at] == '\n';
    }

    static bool BeforeCapital(string text, int at)
    {
        var space = at;
        while (at < text.Length && text[at] is ' ' or '"' or '\n')
            at++;
        return at > space && at < text.Length && char.IsAsciiLetterUpper(text[at]);
    }

    static string Address(string written)
    {
        var end = written.TrimEnd('.', ',', '!', '?', ';', ':', ')', '"', '\'');
        var tail = written[end.Length..];
        var address = Regex.Replace(end, @"^(?:https?://)?(?:www\.)?", "").TrimEnd('/');
        var spoken = Regex.Replace(address, @"\d+|[^A-Za-z\d]", m => m.Value switch
        {
            "." => " dot ",
            "@" => " at ",
            "-" => " dash ",
            "_" => " underscore ",
            ":" => " colon ",
            "?" => " question mark ",
            "#" => " hash ",
            [>= '0' and <= '9', ..] => $" {SpokenNumbers.Code(m.Value)} ",
            _ when EnglishTable.Section("symbols").TryGetValue(m.Value, out var symbol) => $" {symbol[0]} ",
            _ => " ",
        });
        return spoken + tail;
    }

    static string Telephone(string written)
    {
        var groups = Regex.Matches(written, @"\d+").Select(g => SpokenNumbers.Digits(g.Value, "oh"));
        return (written[0] == '+' ? "plus " : "") + string.Join(", ", groups);
    }

    static string Version(string written)
    {
        var plain = written.TrimStart('v', 'V');
        return (plain.Length < written.Length ? "version " : "") + string.Join(" point ", plain.Split('.').Select(p => SpokenNumbers.Cardinal(p)));
    }

    static string Date(string year, int month, int day) => $"{MonthName(month)} {OrdinalOf(day)}, {SpokenNumbers.Year(year)}";

    static string MonthName(int month) => CultureInfo.InvariantCulture.DateTimeFormat.GetMonthName(month);

    static string OrdinalOf(int number) => SpokenNumbers.Ordinal(SpokenNumbers.Cardinal(number));

    static string? NumericDate(int first, int second, string year)
    {
        var (month, day) = first > 12 ? (second, first) : (first, second);
        if (month is < 1 or > 12 || day is < 1 or > 31)
            return null;
        return year.Length == 4 ? Date(year, month, day) : $"{MonthName(month)} {OrdinalOf(day)}, {SpokenNumbers.Code(year)}";
    }

    static string? MonthAndDay(Match m, string text)
    {
        var day = Int(m, "d");
        if (day is < 1 or > 31)
            return null;
        var month = EnglishTable.Section("months")[m.Groups["m"].Value][0];
        var until = m.Groups["e"].Success ? $" to {OrdinalOf(Int(m, "e"))}" : "";
        return $"{month} {OrdinalOf(day)}{until}{YearAfter(m)}";
    }

    static string YearAfter(Match m) => m.Groups["y"].Success ? $", {SpokenNumbers.YearOrNumber(m.Groups["y"].Value)}" : "";

    static string? DayAndMonth(Match m, string text)
    {
        var day = Int(m, "d");
        if (day is < 1 or > 31)
            return null;
        var month = EnglishTable.Section("months")[m.Groups["m"].Value][0];
        var the = text.AsSpan(0, m.Index).TrimEnd().EndsWith("the", StringComparison.OrdinalIgnoreCase) ? "" : "the ";
        return $"{the}{OrdinalOf(day)} of {month}{YearAfter(m)}";
    }

    static string? Decade(Match m, string text)
    {
        var (century, tens) = (m.Groups["c"].Value, m.Groups["t"].Value);
        if (century.Length == 0 && !m.Groups["q"].Success && !m.Groups["the"].Success || (century.Length == 0 && tens is "00" or "10"))
            return null;
        var name = century.Length == 0 ? SpokenNumbers.Cardinal(tens) : SpokenNumbers.Year(century + tens);
        return m.Groups["the"].Value + Plural(name);
    }

    static string Plural(string number) => number.EndsWith('y') ? $"{number[..^1]}ies" : number.EndsWith('x') ? $"{number}es" : $"{number}s";

    static string? Clock(Match m, string text)
    {
        var (hour, minute, half) = (Int(m, "h"), m.Groups["m"].Value, m.Groups["p"].Value);
        if (half.Length > 0 && hour is 0 or > 12)
            return null;
        var spoken = minute switch
        {
            "" => SpokenNumbers.Cardinal(hour),
            "00" when half.Length > 0 => SpokenNumbers.Cardinal(hour),
            "00" => hour is > 0 and <= 12 ? $"{SpokenNumbers.Cardinal(hour)} o'clock" : $"{SpokenNumbers.Cardinal(hour)} hundred",
            ['0', var digit] => $"{SpokenNumbers.Cardinal(hour)} oh {SpokenNumbers.Cardinal(digit - '0')}",
            _ => $"{SpokenNumbers.Cardinal(hour)} {SpokenNumbers.Cardinal(minute)}",
        };
        if (m.Groups["s"].Success)
            spoken += $" and {SpokenNumbers.Cardinal(Int(m, "s"))} second{(Int(m, "s") == 1 ? "" : "s")}";
        if (half.Length > 0)
            spoken += half is "a" or "A" ? " ay M" : " P M";
        var after = m.Index + m.Length;
        return m.Value.EndsWith('.') && (AtEnd(text, after) || BeforeCapital(text, after)) ? spoken + "." : spoken;
    }

    static string? Money(Match m, string text)
    {
        var row = EnglishTable.Section("currencies")[m.Groups["c"].Value];
        var number = m.Groups["n"].Value;
        if (m.Groups["n2"].Success)
            return $"{SpokenNumbers.Number(number)} to {SpokenNumbers.Number(m.Groups["n2"].Value)}{Scale(m)} {row[1]}";
        if (m.Groups["k"].Success)
            return $"{Sign(m)}{SpokenNumbers.Number(number)}{Scale(m)} {row[1]}";
        var point = number.IndexOf('.');
        if (point < 0 || point != number.Length - 3 || row[2].Length == 0)
            return $"{Sign(m)}{SpokenNumbers.Number(number)} {(number == "1" ? row[0] : row[1])}";
        var (whole, parts) = (number[..point], int.Parse(number.AsSpan(point + 1), CultureInfo.InvariantCulture));
        var major = whole == "0" && parts > 0 ? "" : $"{SpokenNumbers.Number(whole)} {(whole == "1" ? row[0] : row[1])}";
        var minor = parts == 0 ? "" : $"{SpokenNumbers.Cardinal(parts)} {(parts == 1 ? row[2] : row[3])}";
        return Sign(m) + (major.Length > 0 && minor.Length > 0 ? $"{major} and {minor}" : major + minor);
    }

    static string Scale(Match m) => m.Groups["k"].Success ? $" {EnglishTable.Section("scales")[m.Groups["k"].Value][0]}" : "";

    static string? Quantity(Match m, string text)
    {
        var (number, written) = (m.Groups["n"].Value, m.Groups["u"].Value);
        var row = EnglishTable.Section("units")[written];
        var range = m.Groups["a"].Success ? $"{SpokenNumbers.Number(m.Groups["a"].Value)} to " : "";
        var after = m.Index + m.Length;
        var closes = written.EndsWith('.') && (AtEnd(text, after) || BeforeCapital(text, after)) ? "." : "";
        // "a 5-foot wall", but "it is 5 feet high"
        var single = (number == "1" && range.Length == 0) || m.Value.Contains($"{number}-{written}", StringComparison.Ordinal);
        return $"{Sign(m)}{range}{SpokenNumbers.Number(number)} {(single ? row[0] : row[1])}{closes}";
    }

    static string Mixed(string whole, string numerator, string denominator)
    {
        var fraction = SpokenNumbers.Fraction(numerator, denominator);
        if (whole.Length == 0)
            return $" {fraction} ";
        return $" {SpokenNumbers.Cardinal(whole)} and {(fraction.StartsWith("one ", StringComparison.Ordinal) ? $"a{(fraction == "one eighth" ? "n" : "")} {fraction[4..]}" : fraction)} ";
    }

    /// <summary>A token of letters and figures, such as H2O, MP3 or A380.</summary>
    static string Name(string token) => Regex.Replace(token, @"\d+(?<s>s$)?|[A-Za-z]+", m =>
        char.IsAsciiDigit(m.Value[0])
            ? m.Groups["s"].Success ? $" {Plural(SpokenNumbers.Code(m.Value[..^1]))} " : $" {SpokenNumbers.Code(m.Value)} "
            : m.Value.Length <= 3 && m.Value.All(char.IsAsciiLetterUpper) ? $" {Letters(m.Value)} " : $" {m.Value} ");

    static string Letter(char letter) =>
        EnglishTable.Section("letters").TryGetValue(char.ToUpperInvariant(letter).ToString(), out var name) ? name[0] : char.ToUpperInvariant(letter).ToString();

    static string Letters(string written) => string.Join(' ', written.Where(char.IsAsciiLetter).Select(Letter));

    static string? Abbreviation(Match m, string text)
    {
        var after = m.Index + m.Length;
        var row = EnglishTable.Section("abbreviations")[m.Value];
        var spoken = row.Length > 1 && !BeforeCapital(text, after) ? row[1] : row[0];
        var closes = AtEnd(text, after) || (spoken.EndsWith('.') && BeforeCapital(text, after));
        return spoken.TrimEnd('.') + (closes && m.Value.EndsWith('.') ? "." : "");
    }

    static string? Roman(Match m, string text)
    {
        var (word, numeral) = (m.Groups["w"].Value, m.Groups["r"].Value);
        if (SpokenNumbers.Roman(numeral) is not (> 0 and < 100 and var value))
            return null;
        var title = char.ToUpperInvariant(word[0]) + word[1..].ToLowerInvariant();
        if (EnglishTable.Section("kings").ContainsKey(title) && char.IsAsciiLetterUpper(word[0]) && (numeral != "I" || !FollowedByWord(text, m)))
            return $"{word} the {OrdinalOf(value)}";
        var isNoun = EnglishTable.Section("roman").ContainsKey(title);
        var isName = numeral.Length > 1 && char.IsAsciiLetterUpper(word[0]) && char.IsAsciiLetterLower(word[^1]) && value < 40 && numeral != "LI";
        return isNoun || isName ? $"{word} {SpokenNumbers.Cardinal(value)}" : null;
    }

    /// <summary>Whether a small word comes next: then a capital I is more likely the speaker than the first.</summary>
    static bool FollowedByWord(string text, Match m)
    {
        var at = m.Index + m.Length;
        return at + 1 < text.Length && text[at] == ' ' && char.IsAsciiLetterLower(text[at + 1]);
    }

    static string? Capitals(Match m, string text)
    {
        var (capitals, tail) = (m.Groups["c"].Value, m.Groups["s"].Value);
        var vowels = capitals.Any("AEIOUY".Contains);
        var spelled = EnglishTable.Section("spelled").ContainsKey(capitals) && (capitals is not ("US" or "IT" or "WHO" or "AM" or "ID" or "RIP") || !IsShout(m, text));
        if (!spelled)
        {
            var isWord = EnglishTable.Section("words").ContainsKey(capitals) || EnglishTable.Section("emphasis").ContainsKey(capitals);
            if (isWord || (vowels && (capitals.Length > 3 || IsShout(m, text))) || capitals.Length > 6)
                return capitals.ToLowerInvariant() + tail;
        }
        return Letters(capitals) + (tail.Length > 0 ? "'s" : "");
    }

    /// <summary>Whether the sentence around has no small letters.</summary>
    static bool IsShout(Match m, string text)
    {
        const int Reach = 60;
        var from = Math.Max(0, m.Index - Reach);
        var before = text.AsSpan(from, m.Index - from);
        var rest = text.AsSpan(m.Index + m.Length);
        var after = rest[..Math.Min(Reach, rest.Length)];
        if (before.LastIndexOfAny(".!?\n") is >= 0 and var begin)
            before = before[begin..];
        if (after.IndexOfAny(".!?\n") is >= 0 and var end)
            after = after[..end];
        return !before.ContainsAnyInRange('a', 'z') && !after.ContainsAnyInRange('a', 'z');
    }
}
