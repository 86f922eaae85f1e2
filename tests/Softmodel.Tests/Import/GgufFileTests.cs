using Softmodel.Graphs;
using Softmodel.Import.Gguf;
using Softmodel.Language.Tokens;

namespace Softmodel.Tests.Import;

public sealed class GgufFileTests : IDisposable
{
    const uint F32 = 0, Q4_0 = 2, Whole = 4, Text = 8, Array = 9;

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    GgufFile Open(byte[] bytes)
    {
        var path = Path.Combine(folder, "model.gguf");
        File.WriteAllBytes(path, bytes);
        return GgufFile.Open(path);
    }

    /// <summary>The message of a file that is refused, for which no more than a little is allocated.</summary>
    string Refusal(byte[] bytes)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.Throws<SoftmodelException>(() => Open(bytes).Dispose()).Message;
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Contains("model.gguf", message, StringComparison.Ordinal);
        return message;
    }

    static byte[] Sound() => GgufBytes.Begin(2, 4).Text("general.architecture", "llama").Integer("general.alignment", 64)
        .Text("list").Word(Array).Word(Text).Long(2).Text("a").Text([0xE9, 0x41])
        .Text("deep").Word(Array).Word(Array).Long(1).Word(Whole).Long(2).Word(7).Word(8)
        .Tensor("one", [64, 2], Q4_0, 0).Tensor("two", [3], F32, 128).Data(140, alignment: 64);

    [Fact]
    public void A_sound_file_is_read()
    {
        using var file = Open(Sound());
        Assert.Equal("llama", file.Metadata.Text("general.architecture"));
        // What is no UTF-8 in a value is replaced: tokens may be parts of letters.
        Assert.Equal(["a", "\uFFFDA"], file.Metadata.List<string>("list")!);
        Assert.Equal([2L, 64], file.Tensors["one"].Dims);
        Assert.Equal(BlockFormat.Q4_0, file.Tensors["one"].Format);
        Assert.Equal(12, file.Tensors["two"].Bytes.Length);
    }

    [Fact]
    public void A_file_that_ends_early_is_refused_wherever_it_ends()
    {
        var sound = Sound();
        for (var length = 1; length < sound.Length; length++)
            Refusal(sound[..length]);
    }

    [Theory]
    [InlineData(1UL << 60, 0UL)]
    [InlineData(ulong.MaxValue, 0UL)]
    [InlineData(0UL, 1UL << 60)]
    [InlineData(0UL, ulong.MaxValue)]
    [InlineData(0UL, 5UL)]
    public void Counts_that_the_file_has_no_room_for_are_refused(ulong tensors, ulong metadata) =>
        Assert.Contains("have no room", Refusal(GgufBytes.Begin(tensors, metadata).Data(32)), StringComparison.Ordinal);

    [Theory]
    [InlineData(4u, 1UL << 60)]
    [InlineData(8u, 1UL << 60)]
    [InlineData(9u, ulong.MaxValue)]
    [InlineData(0u, 33UL)]
    public void A_list_that_the_file_has_no_room_for_is_refused(uint type, ulong count) =>
        Assert.Contains("elements of 'list'", Refusal(GgufBytes.Begin(0, 1).Text("list").Word(Array).Word(type).Long(count).Raw(new byte[32]).Done()), StringComparison.Ordinal);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_number_that_is_none_is_refused_by_its_name(double number) =>
        Assert.Contains("'llama.rope.freq_base' is not a finite number", Assert.Throws<SoftmodelException>(() => new GgufMetadata("m.gguf", new Dictionary<string, object> { ["llama.rope.freq_base"] = number }).Float("llama.rope.freq_base")).Message, StringComparison.Ordinal);

    [Fact]
    public void Lists_of_lists_without_end_are_refused()
    {
        var bytes = GgufBytes.Begin(0, 1).Text("list").Word(Array);
        for (var i = 0; i < 100_000; i++)
            bytes.Word(Array).Long(1);
        Assert.Contains("deep", Refusal(bytes.Done()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(3u)]
    [InlineData(1u << 21)]
    [InlineData(uint.MaxValue)]
    public void An_alignment_that_is_no_small_power_of_two_is_refused(uint alignment) =>
        Assert.Contains("alignment", Refusal(GgufBytes.Begin(0, 1).Integer("general.alignment", alignment).Data(64)), StringComparison.Ordinal);

    [Theory]
    [InlineData(1UL)]
    [InlineData(64UL)]
    [InlineData(1UL << 40)]
    [InlineData(1UL << 63)]
    [InlineData(ulong.MaxValue - 31)]
    public void A_place_outside_of_the_data_is_refused(ulong offset) =>
        Assert.Contains("'one'", Refusal(GgufBytes.Begin(1, 0).Tensor("one", [8], F32, offset).Data(64)), StringComparison.Ordinal);

    [Theory]
    [InlineData(F32, new[] { 17UL })]
    [InlineData(F32, new[] { 1UL << 62, 4UL })]
    [InlineData(F32, new[] { 1UL << 62 })]
    [InlineData(F32, new[] { ulong.MaxValue })]
    [InlineData(F32, new[] { ulong.MaxValue, ulong.MaxValue, ulong.MaxValue })]
    [InlineData(F32, new[] { 1UL << 30 })]
    [InlineData(Q4_0, new[] { 31UL })]
    [InlineData(Q4_0, new[] { 16UL, 2UL })]
    [InlineData(Q4_0, new ulong[0])]
    [InlineData(12u, new[] { 64UL })]
    [InlineData(F32, new[] { 1UL, 1UL, 1UL, 1UL, 1UL, 1UL, 1UL, 1UL, 1UL })]
    [InlineData(99u, new[] { 8UL })]
    [InlineData(uint.MaxValue, new[] { 8UL })]
    public void Sizes_and_types_that_can_not_be_are_refused(uint type, ulong[] sizes) =>
        Assert.Contains("'one'", Refusal(GgufBytes.Begin(1, 0).Tensor("one", sizes, type, 0).Data(64)), StringComparison.Ordinal);

    [Fact]
    public void What_is_there_twice_is_refused()
    {
        Assert.Contains("'a' is there twice", Refusal(GgufBytes.Begin(0, 2).Integer("a", 1).Integer("a", 1).Done()), StringComparison.Ordinal);
        Assert.Contains("'a' is there twice", Refusal(GgufBytes.Begin(2, 0).Tensor("a", [8], F32, 0).Tensor("a", [8], F32, 32).Data(64)), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_that_are_no_UTF8_or_longer_than_any_are_refused()
    {
        Assert.Contains("no UTF-8", Refusal(GgufBytes.Begin(0, 1).Text([0xC3, 0x28]).Word(Whole).Word(1).Done()), StringComparison.Ordinal);
        Assert.Contains("no UTF-8", Refusal(GgufBytes.Begin(1, 0).Text([0xFF]).Word(1).Long(8).Word(F32).Long(0).Data(64)), StringComparison.Ordinal);
        Assert.Contains("65536", Refusal(GgufBytes.Begin(0, 1).Text(new byte[70_000]).Word(Whole).Word(1).Done()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(4u)]
    [InlineData(0x03000000u)]
    public void Other_versions_are_refused(uint version) => Assert.Contains("version", Refusal(GgufBytes.Begin(0, 0, version).Data(0)), StringComparison.Ordinal);

    [Fact]
    public void An_entry_of_an_unknown_type_is_refused() =>
        Assert.Contains("'a' is of type 13", Refusal(GgufBytes.Begin(0, 1).Text("a").Word(13).Long(0).Done()), StringComparison.Ordinal);
}
