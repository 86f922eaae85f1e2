using Softmodel.Cli.Workloads;
using Softmodel.Load;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Tests.Speech;

public sealed class VoiceProfileTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    ResolvedModel Model(string tokens)
    {
        var (model, symbols) = (Path.Combine(folder, "model.onnx"), Path.Combine(folder, "tokens.js"));
        File.WriteAllBytes(model, [8, 8]);
        File.WriteAllText(symbols, tokens);
        return new("made-up", folder, [new("model", model, 0, null), new("tokens", symbols, 0, null)], new(null));
    }

    [Theory]
    [InlineData("_ 0\nexport=1", "'export=1' is no symbol with its number")]
    [InlineData("_ 0\na one", "not in a correct format")]
    [InlineData("_ 0\n_ 1\n^ 2\n$ 3", "same key")]
    public void A_file_of_tokens_that_is_no_table_of_symbols_is_refused_by_name(string tokens, string why)
    {
        var model = Model(tokens);
        var refused = Assert.Throws<SoftmodelException>(() => VoiceFiles.Read(model)).Message;
        Assert.Contains("tokens.js' does not describe a voice: ", refused);
        Assert.Contains(why, refused);
        Assert.Null(SpokenLine.OfSpeakers(model, [new TensorInfo("input", ElementType.Int64, "1", "N")]));
    }

    [Fact]
    public void What_a_voice_is_compared_on_are_lines_with_their_symbols()
    {
        var model = Model("_ 0\n^ 1\n$ 2\n  3\n" + string.Concat("ðəfˈɛriːlvzætmdnaɪh.oʊ".Distinct().Select((s, i) => $"{s} {i + 4}\n")));
        var lines = SpokenLine.OfSpeakers(model, [new TensorInfo("input", ElementType.Int64, "1", "N")]);
        Assert.Equal(["1 word", "3 words", "5 words"], lines!.Value.Works.Select(w => w.Name));
        Assert.Equal(lines.Value.Works.Select(w => w.Inputs["input"].Count).Order(), lines.Value.Works.Select(w => w.Inputs["input"].Count));
        Assert.Equal(22050, lines.Value.SampleRate);
    }
}
