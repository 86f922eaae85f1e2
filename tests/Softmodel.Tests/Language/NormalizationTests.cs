using CsCheck;
using Softmodel.Language.Tokens;

namespace Softmodel.Tests.Language;

public class NormalizationTests
{
    static string Form(string text, bool isCompatible, bool composes) => Normalization.Normalize(text, isCompatible, composes);

    // Unicode's own test of normalization, by kinds: source, NFC, NFD, NFKC, NFKD.
    [Theory]
    [InlineData("\u1E0A", "\u1E0A", "D\u0307", "\u1E0A", "D\u0307")]
    [InlineData("\u1E0A\u0323", "\u1E0C\u0307", "D\u0323\u0307", "\u1E0C\u0307", "D\u0323\u0307")]
    [InlineData("D\u031B\u0307\u0323", "\u1E0C\u031B\u0307", "D\u031B\u0323\u0307", "\u1E0C\u031B\u0307", "D\u031B\u0323\u0307")]
    [InlineData("\u00A8", "\u00A8", "\u00A8", " \u0308", " \u0308")]
    [InlineData("\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A")]
    [InlineData("\uFB03", "\uFB03", "\uFB03", "ffi", "ffi")]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307")]
    [InlineData("\uAC01", "\uAC01", "\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8")]
    [InlineData("\u1100\u1161\u11A8\u11A8", "\uAC01\u11A8", "\u1100\u1161\u11A8\u11A8", "\uAC01\u11A8", "\u1100\u1161\u11A8\u11A8")]
    [InlineData("\uAC00\u11A7", "\uAC00\u11A7", "\u1100\u1161\u11A7", "\uAC00\u11A7", "\u1100\u1161\u11A7")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C")]
    [InlineData("\u0F73", "\u0F71\u0F72", "\u0F71\u0F72", "\u0F71\u0F72", "\u0F71\u0F72")]
    [InlineData("a\u0315\u0300\u05AE\u0300b", "\u00E0\u05AE\u0300\u0315b", "a\u05AE\u0300\u0300\u0315b", "\u00E0\u05AE\u0300\u0315b", "a\u05AE\u0300\u0300\u0315b")]
    [InlineData("\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE")]
    [InlineData("\U0001109A", "\U0001109A", "\U00011099\U000110BA", "\U0001109A", "\U00011099\U000110BA")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    [InlineData("\U0002F800", "\u4E3D", "\u4E3D", "\u4E3D", "\u4E3D")]
    [InlineData("\uFDFA", "\uFDFA", "\uFDFA", "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 \u0648\u0633\u0644\u0645", "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 \u0648\u0633\u0644\u0645")]
    public void Is_in_the_forms_of_Unicode(string source, string nfc, string nfd, string nfkc, string nfkd) =>
        Assert.Equal([nfc, nfd, nfkc, nfkd], [Form(source, false, true), Form(source, false, false), Form(source, true, true), Form(source, true, false)]);

    static readonly Gen<string> text = Gen.OneOf(Gen.Int[0xA0, 0x1FFF], Gen.Int[0x300, 0x36F], Gen.Int[0x1100, 0x11FF], Gen.Int[0xAC00, 0xD7A3], Gen.Int[0xF900, 0xFFFD], Gen.Int[0x1D100, 0x1D7FF], Gen.Int[0x20, 0x7E])
        .Select(char.ConvertFromUtf32).Array[0, 12].Select(string.Concat);

    // What Unicode says of the forms of any text (UAX 15).
    [Fact]
    public void Forms_agree() => text.Sample(t =>
    {
        string nfc = Form(t, false, true), nfd = Form(t, false, false), nfkc = Form(t, true, true), nfkd = Form(t, true, false);
        return Form(nfc, false, true) == nfc && Form(nfd, false, false) == nfd && Form(nfkc, true, true) == nfkc && Form(nfkd, true, false) == nfkd
            && Form(nfd, false, true) == nfc && Form(nfc, false, false) == nfd && Form(nfd, true, false) == nfkd && Form(nfkd, true, true) == nfkc && Form(nfc, true, true) == nfkc;
    });

    [Fact]
    public void Lower_letters_are_those_of_Unicode() => Assert.Equal("i\u0307σ\u10D0\U00010428a", Lower("İΣ\u10D0\U00010400A"));

    static string Lower(string text)
    {
        var to = new System.Text.StringBuilder();
        foreach (var rune in text.EnumerateRunes())
            UnicodeTables.WriteLower(rune, to);
        return to.ToString();
    }
}
