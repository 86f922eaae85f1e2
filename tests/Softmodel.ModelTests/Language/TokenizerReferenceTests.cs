using System.Text.Json;
using Softmodel.Bench.Tokenizers;

namespace Softmodel.ModelTests.Language;

/// <summary>
/// Tokenizers make what Hugging Face's make: a share of what <c>bench/tokenizers</c> compares, with what the reference said
/// (<c>bench/tokenizers --write</c>).
/// </summary>
public class TokenizerReferenceTests
{
    static FrozenCase[] Frozen(string name)
    {
        using var stream = typeof(TokenizerReferenceTests).Assembly.GetManifestResourceStream($"Softmodel.ModelTests.Language.{name}.json")!;
        return JsonSerializer.Deserialize<FrozenCase[]>(stream, JsonSerializerOptions.Web)!;
    }

    static void Check(FrozenCase[] frozen, IEnumerable<TokenizerCase> cases)
    {
        var byName = frozen.ToDictionary(f => f.Case);
        Assert.NotEmpty(frozen);
        foreach (var one in cases)
        {
            if (!byName.Remove(one.Name, out var known))
                continue;
            Assert.True(known.Texts.SequenceEqual(one.Texts), $"the generator makes other texts for case {one.Name} than it did: write what the reference says again");
            var (results, refusal) = TokenizerRun.Ours(one.File.ToJsonString(), one.Texts);
            Assert.True(results is not null, $"case {one.Name}: {refusal}");
            foreach (var (text, expected, got) in one.Texts.Zip(known.Expected, results!))
                Assert.True(expected.Error is not null || TokenizerRun.AreAlike(expected, got), $"case {one.Name}, '{text}': {JsonSerializer.Serialize(expected)}, and not {JsonSerializer.Serialize(got)}");
        }
        Assert.Empty(byName);
    }

    [Fact]
    public void Made_tokenizers_of_all_components()
    {
        var frozen = Frozen("tokenizers");
        Check(frozen, TokenizerCases.Of(seed: 1, frozen[0].Texts.Length).Take(frozen.Max(f => int.Parse(f.Case, System.Globalization.CultureInfo.InvariantCulture)) + 1));
    }

    [Fact]
    public void Tokenizers_that_were_read_wrongly() => Check(Frozen("tokenizer-faults"), TokenizerCases.In(Shared.Folder("faults"), seed: 1, texts: 0));
}
