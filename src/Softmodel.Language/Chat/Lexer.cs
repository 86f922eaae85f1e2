using System.Globalization;
using System.Text;

namespace Softmodel.Language.Chat;

/// <summary>What a piece of a template is.</summary>
enum LexemeKind
{
    /// <summary>Text that is written as it is.</summary>
    Text,
    /// <summary><c>{{</c></summary>
    OutputStart,
    /// <summary><c>}}</c></summary>
    OutputEnd,
    /// <summary><c>{%</c></summary>
    BlockStart,
    /// <summary><c>%}</c></summary>
    BlockEnd,
    /// <summary>A word.</summary>
    Name,
    /// <summary>A text in quotes.</summary>
    String,
    /// <summary>A number.</summary>
    Number,
    /// <summary>Anything else: operators and brackets.</summary>
    Symbol,
    /// <summary>The end.</summary>
    End,
}

/// <summary>A piece of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">How it is written; of a text in quotes what it says.</param>
/// <param name="Line">Its line, from 1 on.</param>
readonly record struct Lexeme(LexemeKind Kind, string Text, int Line);

/// <summary>
/// Takes a template of Jinja apart, as transformers has it: the first line break after a block is dropped (trim_blocks), and so is
/// the space before a block that begins its line (lstrip_blocks).
/// </summary>
static class Lexer
{
    static readonly string[] symbols = ["//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", ";"];

    /// <summary>The pieces of a template, and an end.</summary>
    /// <param name="source">The template.</param>
    /// <exception cref="TemplateException">It can't be taken apart.</exception>
    public static List<Lexeme> Lexemes(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n'))
            source = source[..^1];
        var reader = new Reader(source);
        reader.Read();
        return reader.Found;
    }

    sealed class Reader(string source)
    {
        int at, line = 1;
        bool isTrimmed, dropsBreak;

        public List<Lexeme> Found { get; } = [];

        public void Read()
        {
            while (at < source.Length)
            {
                var open = Opening(at);
                var text = source[at..open];
                var sign = open + 2 < source.Length ? source[open + 2] : ' ';
                var isBlock = open < source.Length && source[open + 1] is '%' or '#';
                Emit(text, sign == '-', isBlock && sign != '+');
                if (open >= source.Length)
                    break;
                at = open + (sign is '-' or '+' ? 3 : 2);
                switch (source[open + 1])
                {
                    case '#': Comment(); break;
                    case '%': Block(); break;
                    default:
                        Found.Add(new(LexemeKind.OutputStart, "{{", line));
                        Code("}}", LexemeKind.OutputEnd);
                        break;
                }
            }
            Found.Add(new(LexemeKind.End, "", line));
        }

        int Opening(int from)
        {
            for (var i = source.IndexOf('{', from); i >= 0 && i + 1 < source.Length; i = source.IndexOf('{', i + 1))
            {
                if (source[i + 1] is '{' or '%' or '#')
                    return i;
            }
            return source.Length;
        }

        void Emit(string text, bool trimsEnd, bool trimsLine)
        {
            var begin = line;
            line += text.AsSpan().Count('\n');
            var isLineStart = at == 0;
            if (isTrimmed)
                text = text.TrimStart();
            else if (dropsBreak && text.StartsWith('\n'))
                (text, isLineStart) = (text[1..], true);
            if (trimsEnd)
                text = text.TrimEnd();
            else if (trimsLine && text.LastIndexOf('\n') is var last && (last >= 0 || isLineStart) && text.AsSpan(last + 1).IsWhiteSpace())
                text = text[..(last + 1)];
            (isTrimmed, dropsBreak) = (false, false);
            if (text.Length > 0)
                Found.Add(new(LexemeKind.Text, text, begin));
        }

        void Comment()
        {
            var end = source.IndexOf("#}", at, StringComparison.Ordinal);
            if (end < 0)
                throw new TemplateException(line, "a comment ({#) does not end");
            line += source.AsSpan(at, end - at).Count('\n');
            Closed(end > at ? source[end - 1] : ' ', isBlock: true);
            at = end + 2;
        }

        void Closed(char sign, bool isBlock) => (isTrimmed, dropsBreak) = (sign == '-', isBlock && sign is not '-' and not '+');

        void Block()
        {
            var start = Found.Count;
            Found.Add(new(LexemeKind.BlockStart, "{%", line));
            Code("%}", LexemeKind.BlockEnd);
            if (Found.Count - start != 3 || Found[start + 1] is not { Kind: LexemeKind.Name, Text: "raw" })
                return;
            Found.RemoveRange(start, 3);
            for (var open = source.IndexOf("{%", at, StringComparison.Ordinal); open >= 0; open = source.IndexOf("{%", open + 2, StringComparison.Ordinal))
            {
                var close = source.IndexOf("%}", open, StringComparison.Ordinal);
                if (close < 0 || source.AsSpan(open + 2, close - open - 2).Trim("-+ \n\t") is not "endraw")
                    continue;
                Emit(source[at..open], source[open + 2] == '-', source[open + 2] != '+');
                line += source.AsSpan(open, close - open).Count('\n');
                Closed(source[close - 1], isBlock: true);
                at = close + 2;
                return;
            }
            throw new TemplateException(line, "'raw' has no 'endraw'");
        }

        void Code(string close, LexemeKind kind)
        {
            var depth = 0;
            while (true)
            {
                while (at < source.Length && char.IsWhiteSpace(source[at]))
                    line += source[at++] == '\n' ? 1 : 0;
                if (at >= source.Length)
                    throw new TemplateException(line, $"the end of the template comes before '{close}'");
                var sign = source[at] is '-' or '+' ? 1 : 0;
                if (depth == 0 && string.CompareOrdinal(source, at + sign, close, 0, 2) == 0)
                {
                    Found.Add(new(kind, close, line));
                    Closed(sign > 0 ? source[at] : ' ', kind == LexemeKind.BlockEnd);
                    at += sign + 2;
                    return;
                }
                var c = source[at];
                if (c is '\'' or '"')
                    Found.Add(Quoted(c));
                else if (char.IsAsciiDigit(c))
                    Found.Add(Number());
                else if (c == '_' || char.IsLetter(c))
                    Found.Add(While(LexemeKind.Name, x => x == '_' || char.IsLetterOrDigit(x)));
                else if (symbols.FirstOrDefault(s => string.CompareOrdinal(source, at, s, 0, s.Length) == 0) is { } symbol)
                {
                    depth += symbol is "(" or "[" or "{" ? 1 : symbol is ")" or "]" or "}" ? -1 : 0;
                    if (depth < 0)
                        throw new TemplateException(line, $"'{symbol}' closes nothing");
                    Found.Add(new(LexemeKind.Symbol, symbol, line));
                    at += symbol.Length;
                }
                else
                    throw new TemplateException(line, $"'{c}' has no meaning here");
            }
        }

        Lexeme While(LexemeKind kind, Func<char, bool> holds)
        {
            var start = at;
            while (at < source.Length && holds(source[at]))
                at++;
            return new(kind, source[start..at], line);
        }

        Lexeme Number()
        {
            var whole = While(LexemeKind.Number, x => char.IsAsciiDigit(x) || x == '_').Text;
            var text = new StringBuilder(whole);
            if (at + 1 < source.Length && source[at] == '.' && char.IsAsciiDigit(source[at + 1]))
            {
                at++;
                text.Append('.').Append(While(LexemeKind.Number, x => char.IsAsciiDigit(x) || x == '_').Text);
            }
            var digits = at + 1 < source.Length && source[at + 1] is '+' or '-' ? at + 2 : at + 1;
            if (at < source.Length && source[at] is 'e' or 'E' && digits < source.Length && char.IsAsciiDigit(source[digits]))
            {
                text.Append(source, at, digits - at);
                at = digits;
                text.Append(While(LexemeKind.Number, char.IsAsciiDigit).Text);
            }
            return new(LexemeKind.Number, text.Replace("_", "").ToString(), line);
        }

        Lexeme Quoted(char quote)
        {
            var (text, begin) = (new StringBuilder(), line);
            for (at++; at < source.Length && source[at] != quote; at++)
            {
                line += source[at] == '\n' ? 1 : 0;
                if (source[at] == '\\' && at + 1 < source.Length)
                    Escape(text);
                else
                    text.Append(source[at]);
            }
            if (at++ >= source.Length)
                throw new TemplateException(begin, $"a text in quotes ({quote}) does not end");
            return new(LexemeKind.String, text.ToString(), begin);
        }

        void Escape(StringBuilder text)
        {
            var c = source[++at];
            var digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                if (at + digits >= source.Length || !int.TryParse(source.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || value is < 0 or > 0x10FFFF)
                    throw new TemplateException(line, $"'\\{c}' is not followed by the {digits} hexadecimal digits of a character");
                text.Append(value < 0x10000 ? ((char)value).ToString() : char.ConvertFromUtf32(value));
                at += digits;
                return;
            }
            // What is not known stays as it is.
            text.Append(c switch
            {
                'n' => "\n",
                't' => "\t",
                'r' => "\r",
                'b' => "\b",
                'f' => "\f",
                'v' => "\v",
                'a' => "\a",
                '0' => "\0",
                '\\' => "\\",
                '\'' => "'",
                '"' => "\"",
                '\n' => "",
                _ => $"\\{c}",
            });
        }
    }
}
