using Softmodel.Sources;

namespace Softmodel.Tests.Sources;

public class CatalogueTests
{
    [Fact]
    public void Knows_the_voices() => Assert.All(["tts-en", "piper-libritts"], name => Assert.NotNull(Catalogue.Find(name)));

    [Fact]
    public void Names_are_names_and_unique()
    {
        Assert.All(Catalogue.All, m => Assert.Equal(SourceKind.Catalogue, Source.Parse(m.Name).Kind));
        Assert.Equal(Catalogue.All.Count, Catalogue.All.Select(m => m.Name).Distinct().Count());
    }

    [Fact]
    public void Every_entry_is_complete() => Assert.All(Catalogue.All, m =>
    {
        Assert.NotEmpty(m.About);
        Assert.NotEmpty(m.Task);
        Assert.NotNull(m.Licence.Spdx);
        Assert.True(m.Download > 0);
        Assert.NotEmpty(m.Files);
        Assert.Equal(m.Files.Count, m.Files.Select(f => f.Role).Distinct().Count());
        Assert.Equal(m.Files.Count, m.Files.Select(f => f.FileName).Distinct().Count());
        Assert.All(m.Files, f =>
        {
            Assert.Matches("^[0-9a-f]{64}$", f.Sha256);
            Assert.True(f.Bytes > 0);
            Assert.True(Source.IsInner(f.FileName));
            Assert.NotNull(f.Source.Path);
            Assert.True(f.Source.Range is not { } range || range.Length == f.Bytes);
        });
    });

    [Fact]
    public void A_file_in_a_pack_says_which_bytes() =>
        Assert.Equal(new ByteRange(17992543, 96573590), Catalogue.Find("piper-libritts")!.Files[0].Source.Range);
}
