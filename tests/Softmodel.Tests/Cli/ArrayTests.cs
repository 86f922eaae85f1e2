using System.Text;
using System.Text.Json;
using CsCheck;
using Softmodel.Arrays;
using Softmodel.Cli;
using Softmodel.Cli.Arrays;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Tests.Cli;

public sealed class ArrayTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    static readonly ElementType[] types = [ElementType.Float32, ElementType.Float64, ElementType.Float16, ElementType.Int8, ElementType.Int16, ElementType.Int32, ElementType.Int64, ElementType.UInt8, ElementType.UInt16, ElementType.UInt32, ElementType.UInt64, ElementType.Bool];

    static readonly Gen<Tensor> tensors = Gen.Select(Gen.Int[0, types.Length - 1].Select(i => types[i]), Gen.Long[0, 5].Array[0, 4]).SelectMany((type, dims) =>
        Gen.Byte.Array[(int)(Tensor.CountOf(dims) * type.Size())].Select(bytes => new Tensor(type, dims, bytes)));

    static byte[] Written(Tensor tensor)
    {
        var stream = new MemoryStream();
        Npy.Write(stream, tensor);
        return stream.ToArray();
    }

    [Fact]
    public void Npy_reads_what_it_wrote() => tensors.Sample(t =>
    {
        var bytes = Written(t);
        var read = Npy.Read(bytes, "it");
        Assert.True(t.SameAs(read));
        Assert.Equal(0, (bytes.Length - t.Bytes.Length) % 64);
    });

    /// <summary>An array as numpy.save wrote it: int16, 2 rows and 3 columns.</summary>
    static byte[] FromNumPy(string order, params short[] elements) =>
        [.. "\x93NUMPY\x01\x00\x76\x00".Select(c => (byte)c), .. Encoding.ASCII.GetBytes($"{{'descr': '<i2', 'fortran_order': {order}, 'shape': (2, 3), }}".PadRight(117) + "\n"), .. elements.SelectMany(BitConverter.GetBytes)];

    [Fact]
    public void Npy_reads_both_orders()
    {
        var rows = Npy.Read(FromNumPy("False", 1, 2, 3, 4, 5, 6), "it");
        var columns = Npy.Read(FromNumPy("True", 1, 4, 2, 5, 3, 6), "it");
        Assert.Equal([1, 2, 3, 4, 5, 6], rows.Values<short>().ToArray());
        Assert.True(rows.SameAs(columns));
    }

    [Fact]
    public void A_damaged_npy_is_refused() => Gen.Select(tensors, Gen.Int[0, 200], Gen.Byte, Gen.Int[0, 60]).Sample((tensor, at, with, cut) =>
    {
        var bytes = Written(tensor);
        bytes[at % bytes.Length] = with;
        try
        {
            Npy.Read(bytes.AsMemory(0, Math.Max(0, bytes.Length - cut)), "it");
        }
        catch (SoftmodelException)
        {
        }
    });

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2), }", "too large")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "size")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,), }", "too soon")]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "not understood")]
    [InlineData("{'descr': '>f4', 'fortran_order': False, 'shape': (0,), }", "'>f4'")]
    [InlineData("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8'")]
    public void A_hostile_npy_is_refused_by_name(string header, string says)
    {
        byte[] bytes = [.. "\x93NUMPY\x01\x00".Select(c => (byte)c), (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header)];
        Assert.Contains(says, Assert.Throws<SoftmodelException>(() => Npy.Read(bytes, "it")).Message, StringComparison.Ordinal);
    }

    static Numbers Parse(string json) => Numbers.Read(JsonDocument.Parse(json).RootElement, "it");

    [Theory]
    [InlineData("5", new long[0], 5.0)]
    [InlineData("[[1,2],[3,4]]", new long[] { 2, 2 }, 1.0, 2.0, 3.0, 4.0)]
    [InlineData("[]", new long[] { 0 })]
    [InlineData("[true,0]", new long[] { 2 }, 1.0, 0.0)]
    public void Numbers_are_nested_lists(string json, long[] dims, params double[] values)
    {
        var tensor = Parse(json).ToTensor(ElementType.Float64, 0, "it");
        Assert.Equal(dims, tensor.Dims.ToArray());
        Assert.Equal(values, tensor.Values<double>().ToArray());
    }

    [Fact]
    public void Missing_axes_come_in_front() => Assert.Equal([1, 1, 2], Parse("[1,2]").ToTensor(ElementType.Int64, 3, "it").Dims.ToArray());

    [Theory]
    [InlineData("[[1],[2,3]]", "different length")]
    [InlineData("[[1],2]", "different length")]
    [InlineData("[1,[2]]", "different depth")]
    [InlineData("[\"a\"]", "no number")]
    [InlineData("null", "no number")]
    [InlineData("[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "16 deep")]
    public void Other_json_is_refused(string json, string says) =>
        Assert.Contains(says, Assert.Throws<SoftmodelException>(() => Parse(json)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(ElementType.Int8, "128")]
    [InlineData(ElementType.Int8, "-129")]
    [InlineData(ElementType.UInt8, "-1")]
    [InlineData(ElementType.UInt32, "4294967296")]
    [InlineData(ElementType.Int64, "9223372036854775808")]
    [InlineData(ElementType.Int32, "0.5")]
    [InlineData(ElementType.Bool, "2")]
    public void A_number_that_does_not_fit_is_refused(ElementType type, string json) =>
        Assert.Contains(json, Assert.Throws<SoftmodelException>(() => Parse(json).ToTensor(type, 0, "it")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_largest_numbers_fit()
    {
        Assert.Equal(ulong.MaxValue, Parse("18446744073709551615").ToTensor(ElementType.UInt64, 0, "it").Values<ulong>()[0]);
        Assert.Equal(long.MinValue, Parse("-9223372036854775808").ToTensor(ElementType.Int64, 0, "it").Values<long>()[0]);
    }

    [Fact]
    public void Sound_is_an_array_too()
    {
        var path = Path.Combine(root, "tone.wav");
        var samples = Tensor.Of<float>([0, 0.5f, -1, 0.25f], 1, 1, 4);
        ArrayFiles.Write(path, [("audio", samples)], 8000);
        Assert.Equal(samples.Values<float>().ToArray(), ArrayFiles.Read([$"x={path}"])["x"].Tensor!.Values<float>().ToArray());
    }

    [Fact]
    public void Several_tensors_go_through_npz_and_json()
    {
        var a = Tensor.Of<float>([1, 2.5f, -3, 4], 2, 2);
        var b = Tensor.Of<long>([long.MaxValue, 1], 2);
        foreach (var name in new[] { "all.npz", "all.json" })
        {
            var path = Path.Combine(root, name);
            ArrayFiles.Write(path, [("a", a), ("b", b)], 0);
            var given = ArrayFiles.Read([path]);
            Assert.Equal(["a", "b"], given.Keys);
            Assert.True(a.SameAs(given["a"].Tensor ?? given["a"].Numbers!.ToTensor(a.Type, a.Rank, "it")));
            Assert.True(b.SameAs(given["b"].Tensor ?? given["b"].Numbers!.ToTensor(b.Type, b.Rank, "it")));
        }
        Assert.Equal(2, Directory.GetFiles(root).Length);
    }

    [Theory]
    [InlineData("x=missing.npy")]
    [InlineData("missing.npz")]
    [InlineData("x=no numbers")]
    [InlineData("nothing")]
    [InlineData("x=")]
    public void What_cannot_be_read_is_an_error(string argument) => Assert.ThrowsAny<SoftmodelException>(() => ArrayFiles.Read([argument]));

    [Fact]
    public void A_file_that_was_there_stays_when_writing_fails()
    {
        var path = Path.Combine(root, "out.npy");
        File.WriteAllText(path, "before");
        Assert.Throws<UsageException>(() => ArrayFiles.Write(path, [("a", Tensor.Scalar(1f)), ("b", Tensor.Scalar(1f))], 0));
        Assert.Equal("before", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(root));
    }
}
