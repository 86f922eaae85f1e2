using Softmodel.Emit.Native;

namespace Softmodel.Tests.Emit;

public class CNameTests
{
    [Theory]
    [InlineData("tts-en", "tts_en")]
    [InlineData("silero-vad-v5", "silero_vad_v5")]
    [InlineData("Sample model", "sample_model")]
    [InlineData("model", "model")]
    [InlineData("image", "image")]
    [InlineData("int", "model_int")]
    [InlineData("INT", "model_int")]
    [InlineData("class", "model_class")]
    [InlineData("co_await", "model_co_await")]
    [InlineData("main", "model_main")]
    [InlineData("read", "model_read")]
    [InlineData("f", "model_f")]
    [InlineData("pthread", "model_pthread")]
    [InlineData("stdio", "model_stdio")]
    [InlineData("c", "model_c")]
    [InlineData("size_t", "model_size_t")]
    [InlineData("3dense", "model_3dense")]
    [InlineData("", "model")]
    [InlineData("模型", "model")]
    [InlineData("Übung.v2", "bung_v2")]
    public void Names_are_kept_where_they_can_be(string model, string expected) => Assert.Equal(expected, CName.Of(model));

    [Fact]
    public void Every_name_gives_one_that_is_not_taken()
    {
        Assert.True(CName.Taken.Count > 3000);
        foreach (var word in CName.Taken)
        {
            Assert.Null(CName.Fault(CName.Of(word)));
            Assert.Contains("meaning", CName.Fault(word), StringComparison.Ordinal);
        }
        Assert.True(CName.Of(new string('x', 5000)).Length <= 200);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Voice")]
    [InlineData("2d")]
    [InlineData("_x")]
    [InlineData("x_")]
    [InlineData("a-b")]
    [InlineData("ä")]
    [InlineData("../x")]
    public void A_chosen_name_must_be_one_of_C(string name) => Assert.Contains("small letters", CName.Fault(name), StringComparison.Ordinal);
}
