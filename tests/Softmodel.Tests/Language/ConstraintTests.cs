using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Softmodel.Language;
using Softmodel.Language.Constraints;
using Softmodel.Language.Tokens;

namespace Softmodel.Tests.Language;

public class ConstraintTests
{
    // Of few characters, so that some texts match: one of two bytes among them, one of three, one of four.
    static readonly Gen<string> character = Gen.OneOf("a", "b", "0", "é", "語", "😀", "\n");

    static readonly Gen<string> atom = Gen.OneOf(character, Gen.OneOf(".", "\\d", "\\D", "\\w", "\\S", "[ab]", "[^a]", "[a-é]", "[\\d語]", "[^\\w]", "\\.", "[^語]"));

    static Gen<string> Pattern(int depth) => depth == 0 ? atom : Gen.OneOf(
        atom,
        Gen.Select(Pattern(depth - 1), Pattern(depth - 1), (x, y) => x + y),
        Gen.Select(Pattern(depth - 1), Pattern(depth - 1), (x, y) => $"(?:{x}|{y})"),
        Gen.Select(Pattern(depth - 1), Gen.OneOf("*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"), (x, times) => $"({x}){times}"));

    // The engine that takes linear time knows the classes of Unicode, and not those of ECMA-262.
    static string InDotnet(string pattern) => new[] { ("[\\d", "[0-9"), ("[^\\w]", "[^0-9A-Za-z_]"), ("\\d", "[0-9]"), ("\\D", "[^0-9]"), ("\\w", "[0-9A-Za-z_]") }
        .Aggregate(pattern, (text, way) => text.Replace(way.Item1, way.Item2, StringComparison.Ordinal));

    [Fact]
    public void A_pattern_matches_what_the_regular_expressions_of_dotnet_match() =>
        Gen.Select(Pattern(3), character.Array[0, 6].Select(string.Concat).Array[20]).Sample((pattern, texts) =>
        {
            // Characters beyond the first plane are two to .NET, so they are left out where a class could take half of one.
            var constraint = Constraint.Regex(pattern);
            var expected = new Regex($"^(?:{InDotnet(pattern)})\\z", RegexOptions.NonBacktracking);
            foreach (var text in texts.Where(t => !t.Contains('\uD83D', StringComparison.Ordinal)))
                Assert.True(expected.IsMatch(text) == constraint.Matches(text), $"'{pattern}' on '{text}'");
        }, iter: 2000);

    [Theory]
    [InlineData("^ab$", "ab", true)]
    [InlineData("^(a|b)c\\$$", "bc$", true)]
    [InlineData("[^a]", "😀", true)]
    [InlineData("..", "😀", false)]
    [InlineData("\\u00e9\\x41\\u{1F600}", "éA😀", true)]
    [InlineData("(?<year>\\d{4})-\\d\\d", "2026-11", true)]
    [InlineData("a{2,3}", "aaaa", false)]
    [InlineData("[\\]\\-]+", "-]", true)]
    [InlineData("", "", true)]
    [InlineData("^a$|^b+$", "bb", true)]
    public void Patterns_are_those_of_ECMA_262(string pattern, string text, bool matches) => Assert.Equal(matches, Constraint.Regex(pattern).Matches(text));

    [Theory]
    [InlineData("(a", "character 3, a group is not closed")]
    [InlineData("a)", "a ')' closes nothing")]
    [InlineData("*a", "nothing stands before")]
    [InlineData("(?=a)", "looks ahead")]
    [InlineData("(a)\\1", "earlier group")]
    [InlineData("\\bword", "boundary of a word")]
    [InlineData("a{2", "a count is expected")]
    [InlineData("a{99999}", "at most 10000")]
    [InlineData("[z-a]", "ends before it begins")]
    [InlineData("a^b", "only at the ends")]
    [InlineData("(^a|b)c", "only at the ends")]
    [InlineData("(a$|b)c", "only at the ends")]
    [InlineData("[]", "matches nothing")]
    public void A_pattern_that_can_not_be_followed_is_refused(string pattern, string message) =>
        Assert.Contains(message, Assert.Throws<SoftmodelException>(() => Constraint.Regex(pattern)).Message, StringComparison.Ordinal);

    [Fact]
    public void Bounds_of_numbers_hold_exactly()
    {
        var number = Gen.Select(Gen.Int[-12000, 12000], Gen.Int[0, 3], (n, places) => (decimal)n / (decimal)Math.Pow(10, places));
        Gen.Select(number, number, Gen.OneOf("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), Gen.OneOf("number", "integer")).Sample((bound, value, keyword, type) =>
        {
            var text = value.ToString(CultureInfo.InvariantCulture);
            var isMeant = keyword switch { "minimum" => value >= bound, "maximum" => value <= bound, "exclusiveMinimum" => value > bound, _ => value < bound };
            var isWritten = type == "number" || !text.Contains('.', StringComparison.Ordinal);
            var constraint = Constraint.JsonSchema($"{{\"type\": \"{type}\", \"{keyword}\": {bound.ToString(CultureInfo.InvariantCulture)}}}");
            Assert.True((isMeant && isWritten) == constraint.Matches(text), $"{text} of {type} with {keyword} {bound}");
            Assert.True((isMeant && type == "number") == constraint.Matches(text.Contains('.', StringComparison.Ordinal) ? text + "0" : text + ".00"), $"{text} with zeros, {keyword} {bound}");
        });
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]}""", """ {"a": 1} | {"a": -20, "b": "x"} """, """ {"b": "x"} | {"a": 1, "c": 1} | {"a": 01} | {"a": 1.5} | {"b": "x", "a": 1} """)]
    [InlineData("""{"type":"object","properties":{"a":true},"additionalProperties":{"type":"null"}}""", """ {} | {"a": [{}]} | {"b": null} | {"a": 1, "b": null, "c": null} """, """ {"b": 1} | {"b": null, "a": 1} | {"a": 1, "a": null} """)]
    [InlineData("""{"type":"array","items":{"enum":["x",2,null]},"minItems":1,"maxItems":3}""", """ ["x"] | [2, null] | ["x", "x", "x"] """, """ [] | ["y"] | ["x", "x", "x", "x"] """)]
    [InlineData("""{"prefixItems":[{"type":"boolean"},{"type":"integer"}],"items":false}""", """ [] | [true] | [false, 3] """, """ [1] | [true, 1, 1] """)]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":2}""", """ [1, 2] | [1, 2, 3] """, """ [] | [1] """)]
    [InlineData("""{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"c":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v"]}}}""", """ {"v": 1} | {"v": 1, "c": [{"v": 2}, {"v": 3, "c": []}]} """, """ {"c": []} | {"v": 1, "c": [1]} """)]
    [InlineData("""{"anyOf":[{"type":"string","maxLength":2},{"const":{"k":[1]}}]}""", """ "" | "é語" | {"k": [1]} """, """ "abc" | {"k": []} """)]
    [InlineData("""{"type":["string","null"],"pattern":"^[a-z]+$"}""", """ null | "ab" """, """ "" | "A" | 1 """)]
    [InlineData("""{"type":"string","pattern":"b","minLength":3}""", """ "aab" | "bbb" """, """ "ab" | "aaa" """)]
    [InlineData("""{"type":"string","minLength":1,"maxLength":1}""", """ "\"" | "\\" | "\n" | "\u0001" | "😀" """, """ "" | "\/" | "\u0041" | "ab" """)]
    [InlineData("""{"format":"date"}""", """ "2024-02-28" | "1999-12-31" """, """ "2024-02-30" | "2023-04-31" | "2023-13-01" """)]
    [InlineData("""{"allOf":[{"properties":{"a":{"type":"integer","minimum":3}}},{"properties":{"a":{"maximum":5}},"required":["a"]}]}""", """ {"a": 3} | {"a": 5} """, """ {} | {"a": 2} | {"a": 6} """)]
    [InlineData("""{"enum":[1,"1",true],"type":"integer"}""", """ 1 """, """ "1" | true """)]
    [InlineData("true", """ null | {"a": [1, {"b": "c"}]} | [[], {}] | "x" | -0.5 """, """ [1,2] | {"a":1} | 01 | 1e3 """)]
    public void A_schema_holds_what_is_valid_in_one_spelling(string schema, string valid, string invalid)
    {
        var constraint = Constraint.JsonSchema(schema);
        Assert.All(Values(valid), v => Assert.True(constraint.Matches(v), v));
        Assert.All(Values(invalid), v => Assert.False(constraint.Matches(v), v));
    }

    static IEnumerable<string> Values(string text) => text.Split(" | ").Select(v => v.Trim());

    [Theory]
    [InlineData("{", "no JSON")]
    [InlineData("1", "an object is expected")]
    [InlineData("""{"type":"strin"}""", "there is no type 'strin'")]
    [InlineData("""{"$ref":"#/$defs/x"}""", "'#/$defs/x' is not in it")]
    [InlineData("""{"$ref":"https://example.org/s"}""", "lies elsewhere")]
    [InlineData("""{"$ref":"#"}""", "by itself alone")]
    [InlineData("""{"$defs":{"a":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}},"$ref":"#/$defs/a"}""", "no text")]
    [InlineData("""{"enum":[]}""", "no text")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "no text")]
    [InlineData("""{"type":"string","pattern":"^a{4}$","maxLength":3}""", "no text")]
    [InlineData("""{"type":"integer","minimum":1.2,"maximum":1.8}""", "no text")]
    [InlineData("""{"type":"object","required":["a"],"properties":{"a":false}}""", "no text")]
    [InlineData("""{"minLength":-1}""", "an integer that is not negative")]
    [InlineData("""{"type":"string","pattern":"("}""", "a group is not closed")]
    public void A_schema_that_can_not_be_met_is_refused_by_name(string schema, string message) =>
        Assert.Contains(message, Assert.Throws<SoftmodelException>(() => Constraint.JsonSchema(schema)).Message, StringComparison.Ordinal);

    [Fact]
    public void Long_texts_and_deep_schemas_take_no_stack()
    {
        var text = new string('x', 300_000);
        Assert.True(Constraint.JsonSchema($"{{\"const\": \"{text}\"}}").Matches($"\"{text}\""));
        Assert.True(Constraint.Regex(string.Concat(Enumerable.Repeat("(a|bc)", 50_000))).Matches(new string('a', 50_000)));
        Assert.Contains("deep", Assert.Throws<SoftmodelException>(() => Constraint.Regex(new string('(', 100_000))).Message, StringComparison.Ordinal);
    }

    /// <summary>A tokenizer of all bytes and some pieces of JSON.</summary>
    internal static Tokenizer Pieces()
    {
        string[] pieces = ["{\"", "\":", "\",", "na", "name", "\"name", " \"", "true", "12", "é", "}}", ", \"ab\": 1"];
        var vocabulary = new Vocabulary("test", [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), .. pieces, "<end>"], [.. Enumerable.Repeat(TokenKind.Byte, 256), .. pieces.Select(_ => TokenKind.Text), TokenKind.Control], (i, writer) =>
        {
            if (i < 256)
                writer.Write<byte>([(byte)i]);
            else
                Vocabulary.Write(i < 256 + pieces.Length ? pieces[i - 256] : "<end>", writer);
        });
        var longest = Enumerable.Range(0, 256 + pieces.Length).OrderByDescending(t => vocabulary.BytesOf(t).Length).ToArray();
        return new(new(vocabulary, (text, _, tokens) =>
        {
            for (var bytes = Encoding.UTF8.GetBytes(text.Text).AsSpan(); !bytes.IsEmpty;)
            {
                foreach (var token in longest)
                {
                    if (!bytes.StartsWith(vocabulary.BytesOf(token)))
                        continue;
                    tokens.Add(token);
                    bytes = bytes[vocabulary.BytesOf(token).Length..];
                    break;
                }
            }
        }, [])
        { End = 256 + pieces.Length });
    }

    static readonly string[] schemas =
    [
        """{"type":"object","properties":{"name":{"type":"string"},"ok":{"type":"boolean"}},"required":["name"]}""",
        """{"type":"array","items":{"type":"number","minimum":-2.5,"exclusiveMaximum":7}}""",
        "true",
        """{"type":"string","pattern":"^(é|ab)+x","maxLength":9}""",
        """{"$defs":{"t":{"type":"object","properties":{"name":{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}]}},"required":["name"]}},"$ref":"#/$defs/t"}""",
    ];

    [Fact]
    public void Whatever_is_drawn_the_text_becomes_what_is_demanded_and_all_ways_of_asking_agree()
    {
        var tokenizer = Pieces();
        var tree = new TokenTree(tokenizer);
        var constraints = schemas.Select(Constraint.JsonSchema).ToArray();
        Gen.Select(Gen.Int[0, schemas.Length - 1], Gen.Int[0, int.MaxValue], Gen.Int[30, 120]).Sample((which, seed, most) =>
        {
            var (random, text, tokens) = (new Random(seed), new ConstrainedText(constraints[which], tree, most), new List<int>());
            var isEnded = false;
            while (!isEnded && tokens.Count < most && !text.IsDone)
            {
                var fastForward = text.FastForward();
                var allowed = text.Allowed().ToArray();
                int[] possible = [.. Enumerable.Range(0, tokenizer.Count).Where(t => (allowed[t >> 6] >> t & 1) != 0)];
                Assert.Equal(possible, Enumerable.Range(0, tokenizer.Count).Where(text.Allows));
                Assert.NotEmpty(possible);
                // Of those that are forced the first is possible.
                if (fastForward.Length > 0)
                    Assert.Contains(fastForward[0], possible);
                int[] next = fastForward.Length > 0 ? fastForward : [possible[random.Next(possible.Length)]];
                foreach (var token in next)
                {
                    isEnded |= token == tokenizer.End;
                    if (isEnded)
                        break;
                    tokens.Add(token);
                    text.Accept(token);
                }
            }
            var written = Encoding.UTF8.GetString([.. tokens.SelectMany(t => tokenizer.BytesOf(t).ToArray())]);
            Assert.True(constraints[which].Matches(written), written);
            Assert.True(tokens.Count <= most);
        });
    }

    [Fact]
    public void What_must_come_is_fast_forwarded_as_far_as_no_other_token_could_take_its_place()
    {
        var tokenizer = Pieces();
        var text = new ConstrainedText(Constraint.JsonSchema("""{"type":"object","properties":{"name":{"const":true}},"required":["name"]}"""), new(tokenizer), 100);
        Assert.Equal("""{"name": true}""", Encoding.UTF8.GetString([.. text.FastForward().SelectMany(t => tokenizer.BytesOf(t).ToArray())]));
        var open = new ConstrainedText(Constraint.JsonSchema(schemas[0]), new(tokenizer), 100);
        Assert.Equal("{\"name\": \"", Encoding.UTF8.GetString([.. open.FastForward().SelectMany(t => tokenizer.BytesOf(t).ToArray())]));
    }
}
