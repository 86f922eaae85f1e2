using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Softmodel.Bench.Answers;
using Softmodel.Language;
using Softmodel.Language.Constraints;
using Softmodel.Language.Tokens;

namespace Softmodel.Bench.Schemas;

/// <summary>What came of texts that were written at random under schemas.</summary>
/// <param name="Schemas">How many schemas texts were written under.</param>
/// <param name="Refused">How many others were refused by name.</param>
/// <param name="Empty">How many others hold nothing valid that is written, by what was said.</param>
/// <param name="Unjudged">How many others ajv can't read.</param>
/// <param name="Texts">How many texts ajv judged.</param>
/// <param name="CutOff">How many more were cut off since they were too long.</param>
/// <param name="Invalid">The texts that are not valid, and why.</param>
/// <param name="Instances">How many of the suite's valid instances are of schemas that were not refused.</param>
/// <param name="Unwritten">How many of these the constraint does not write: other spellings, orders and members than it has.</param>
/// <param name="Wrong">The suite's invalid instances that the constraint takes.</param>
/// <param name="Missed">Schemas that are said to hold nothing valid, although ajv takes a simple value.</param>
/// <param name="Reasons">Why schemas were refused, and how often.</param>
/// <param name="UnwrittenOf">Of the instances that are not written, some.</param>
sealed record SchemaReport(int Schemas, int Refused, int Empty, int Unjudged, int Texts, int CutOff, string[] Invalid, int Instances, int Unwritten, string[] Wrong, string[] Missed, Dictionary<string, int> Reasons, string[] UnwrittenOf)
{
    /// <summary>The same for a reader.</summary>
    public string Text => $"""
        {Texts} texts under {Schemas} schemas: {Invalid.Length} invalid ({CutOff} more cut off)
        {Refused} more schemas refused, {Empty} without a valid text, {Unjudged} that ajv does not read
        {Instances - Unwritten} of {Instances} valid instances of the suite are written; {Wrong.Length} invalid ones
        {Missed.Length} schemas without a valid text that ajv holds a simple value valid by
        {string.Join('\n', Invalid.Concat(Wrong).Concat(Missed).Take(20))}
        """;
}

/// <summary>Writes texts at random under schemas, as a model without a mind would, and asks ajv whether they are valid.</summary>
static class SchemaRun
{
    const string SuiteVersion = "0.0.10", OldDraft = "http://json-schema.org/draft-07/schema#";

    // So long that most texts come to their end by themselves; near it only what still leads there is let through.
    const int MostTokens = 160;

    static readonly string[] simple =
    [
        "null", "true", "false", "0", "1", "2", "3", "4", "6", "-1", "0.5", "1.25", "10", "30", "\"\"", "\"a\"", "\"ab\"", "\"b\"", "\"aaa\"", "\"2024-02-29\"", "\"/a\"", "[]", "[null]", "[1]", "[\"a\"]", "[[], {}]", "[1, 2, 3]",
        "{}", "{\"a\": 1}", "{\"b\": \"a\"}", "{\"a\": null, \"b\": []}", "{\"ab\": true, \"c\": {}}", "{\"a\": 1, \"b\": 2, \"c\": 3, \"ab\": 4}", "{\"z\": 1}",
    ];

    sealed record Case(JsonElement Schema, JsonElement[] Valid, JsonElement[] Invalid);

    /// <summary>Takes schemas, and writes under each.</summary>
    public static async Task<SchemaReport> Run(int count, int most, int seed, Action<string> progress, CancellationToken cancel)
    {
        var suite = (await Suite(cancel)).Concat(Own()).ToArray();
        // As many as are asked for can be followed; of those that ajv can't read there are few.
        var (spare, total) = (most / 10, 0);
        var (refused, empty, reasons) = (0, new List<JsonElement>(), new Dictionary<string, int>(StringComparer.Ordinal));
        var constraints = new List<(Case Case, Constraint Constraint)>();
        foreach (var one in suite.Concat(Enumerable.Range(0, 10 * most).Select(i => new Case(SchemaGenerator.Make(new Random(HashCode(seed, i))), [], []))).TakeWhile(_ => constraints.Count < most + spare))
        {
            total++;
            cancel.ThrowIfCancellationRequested();
            try
            {
                constraints.Add((one, Constraint.JsonSchema(one.Schema.GetRawText())));
            }
            catch (SoftmodelException e)
            {
                var isEmpty = e.Message.Contains("no value valid", StringComparison.Ordinal);
                if (isEmpty)
                    empty.Add(one.Schema);
                else
                    refused++;
                var reason = e.Message[(e.Message.IndexOf(": ", StringComparison.Ordinal) + 2)..];
                reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new SoftmodelException($"schema {total} ({one.Schema.GetRawText()}): {e}", e);
            }
            if (total % 100 == 0)
                progress($"{total} schemas");
        }
        // What ajv can't read it can't judge.
        var readable = (await Ajv.Validate(constraints.Select(c => (c.Case.Schema, "null")), cancel)).Select(v => !v.StartsWith("the schema: ", StringComparison.Ordinal)).ToArray();
        var judged = constraints.Where((_, i) => readable[i]).Take(most).ToArray();
        var tree = new TokenTree(Pieces());
        var (texts, cut) = (new List<(JsonElement Schema, string Text)>(), 0);
        for (var i = 0; texts.Count < count && i < 2 * count && judged.Length > 0; i++)
        {
            cancel.ThrowIfCancellationRequested();
            var (one, constraint) = judged[i % judged.Length];
            if (Walk(constraint, tree, new Random(HashCode(seed, i))) is { } text)
                texts.Add((one.Schema, text));
            else
                cut++;
            if (i % 2000 == 1999)
                progress($"{texts.Count} of {count} texts");
        }
        var verdicts = await Ajv.Validate(texts, cancel);
        var invalid = texts.Zip(verdicts).Where(p => p.Second.Length > 0).Select(p => $"{p.First.Schema.GetRawText()}: {p.First.Text}: {p.Second}")
            .Concat(texts.Where(t => HasTwice(t.Text)).Select(t => $"{t.Schema.GetRawText()}: {t.Text}: a key stands there twice"));
        var unwritten = judged.SelectMany(c => c.Case.Valid.Where(v => !c.Constraint.Matches(JsonTerms.Written(v))).Select(v => $"{c.Case.Schema.GetRawText()}: {v.GetRawText()}")).ToArray();
        var wrong = judged.SelectMany(c => c.Case.Invalid.Where(v => c.Constraint.Matches(JsonTerms.Written(v))).Select(v => $"{c.Case.Schema.GetRawText()}: {v.GetRawText()} is taken"));
        var tried = empty.SelectMany(s => simple.Select(v => (s, v))).ToArray();
        var missed = tried.Zip(await Ajv.Validate(tried, cancel)).Where(p => p.Second.Length == 0).GroupBy(p => p.First.s.GetRawText()).Select(g => $"{g.Key}: {g.First().First.v}");
        return new(judged.Length, refused, empty.Count, readable.Count(r => !r), texts.Count, cut, [.. invalid], judged.Sum(c => c.Case.Valid.Length), unwritten.Length, [.. wrong], [.. missed], reasons, [.. unwritten.Take(200)]);
    }

    static int HashCode(int seed, int i) => unchecked(seed * 7919 + i * 104_729);

    static bool HasTwice(string text)
    {
        try
        {
            JsonDocument.Parse(text, new() { AllowDuplicateProperties = false, MaxDepth = 1000 }).Dispose();
            return false;
        }
        catch (JsonException)
        {
            return true;
        }
    }

    /// <summary>A text of tokens that are drawn from those that may come; null where it was cut off.</summary>
    static string? Walk(Constraint constraint, TokenTree tree, Random random)
    {
        var (text, bytes) = (new ConstrainedText(constraint, tree, MostTokens), new List<byte>());
        for (var left = MostTokens; left > 0; left--)
        {
            var allowed = text.Allowed();
            var (chosen, seen) = (-1, 0);
            var isEnding = random.Next(4) == 0;
            for (var t = 0; t < tree.Tokenizer.Count; t++)
            {
                if ((allowed[t >> 6] >> t & 1) == 0)
                    continue;
                if (isEnding && tree.Tokenizer.Ends.Contains(t))
                    return Encoding.UTF8.GetString([.. bytes]);
                // What closes is drawn more often, so that texts end; the bytes of long characters less.
                var weight = t is '"' or '}' or ']' ? 12 : t is >= 0x80 and < 256 or < 0x20 ? 1 : 4;
                seen += weight;
                if (random.Next(seen) < weight)
                    chosen = t;
            }
            if (chosen < 0)
                throw new SoftmodelException($"nothing can come after {Encoding.UTF8.GetString([.. bytes])}");
            if (tree.Tokenizer.Ends.Contains(chosen))
                return Encoding.UTF8.GetString([.. bytes]);
            bytes.AddRange(tree.Tokenizer.BytesOf(chosen));
            text.Accept(chosen);
            if (text.IsDone)
                return Encoding.UTF8.GetString([.. bytes]);
        }
        return null;
    }

    /// <summary>A tokenizer of all bytes and of pieces of JSON, some of which reach over a key's ends.</summary>
    static Tokenizer Pieces()
    {
        string[] pieces = ["{\"", "\": ", "\", \"", "\"a\": ", "\"a", "\"b\": 1, \"", "a\": ", "aa", "true", "null", "12", "é", "}}", "]]", ", ", "\"\"", "\"}", "{}", "[]", "1, \"a\": 2"];
        var vocabulary = new Vocabulary("schemas", [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), .. pieces, "<end>"], [.. Enumerable.Repeat(TokenKind.Byte, 256), .. pieces.Select(_ => TokenKind.Text), TokenKind.Control], (i, writer) =>
        {
            if (i < 256)
                writer.Write<byte>([(byte)i]);
            else
                Vocabulary.Write(i < 256 + pieces.Length ? pieces[i - 256] : "<end>", writer);
        });
        return new(new(vocabulary, (_, _, _) => { }, []) { End = 256 + pieces.Length });
    }

    /// <summary>Schemas of the keywords that the public suite in npm is too old for, or speaks of seldom.</summary>
    static IEnumerable<Case> Own()
    {
        using var stream = typeof(SchemaRun).Assembly.GetManifestResourceStream("Softmodel.Bench.Schemas.cases.json")!;
        return JsonSerializer.Deserialize<JsonElement[]>(stream)!.Select(c => new Case(c.GetProperty("schema"), Values(c, "valid"), Values(c, "invalid")));
        static JsonElement[] Values(JsonElement one, string name) => one.TryGetProperty(name, out var list) ? [.. list.EnumerateArray()] : [];
    }

    /// <summary>JSON-Schema-Test-Suite as npm has it, of draft 4: in what draft 7 calls the same.</summary>
    static async Task<List<Case>> Suite(CancellationToken cancel)
    {
        var folder = Path.Combine(await NodeJs.Installed("json-schema-test-suite", SuiteVersion, [], cancel), "node_modules", "json-schema-test-suite", "tests", "draft4");
        var cases = new List<Case>();
        foreach (var file in Directory.GetFiles(folder, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            foreach (var group in JsonDocument.Parse(await File.ReadAllTextAsync(file, cancel)).RootElement.EnumerateArray())
            {
                var schema = (JsonObject)Newer(JsonNode.Parse(group.GetProperty("schema").GetRawText()))!;
                schema.Remove("$schema");
                schema.Insert(0, "$schema", OldDraft);
                JsonElement[] Values(bool isValid) => [.. group.GetProperty("tests").EnumerateArray().Where(t => t.GetProperty("valid").GetBoolean() == isValid).Select(t => t.GetProperty("data"))];
                cases.Add(new(JsonSerializer.SerializeToElement(schema), Values(true), Values(false)));
            }
        }
        return cases;
    }

    static JsonNode? Newer(JsonNode? node)
    {
        if (node is JsonArray list)
            return new JsonArray([.. list.Select(n => Newer(n?.DeepClone()))]);
        if (node is not JsonObject all)
            return node?.DeepClone();
        var newer = new JsonObject();
        foreach (var (name, value) in all)
        {
            if (name is "exclusiveMinimum" or "exclusiveMaximum" && value is JsonValue flag && flag.TryGetValue<bool>(out var isWithout))
            {
                if (isWithout)
                    newer[name] = all[name is "exclusiveMinimum" ? "minimum" : "maximum"]!.DeepClone();
            }
            else
                newer[name is "id" && value is JsonValue text && text.TryGetValue<string>(out _) ? "$id" : name] = Newer(value);
        }
        return newer;
    }
}
