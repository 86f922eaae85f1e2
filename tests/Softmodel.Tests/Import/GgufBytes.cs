using System.Text;

namespace Softmodel.Tests.Import;

/// <summary>A GGUF file byte by byte, sound or not.</summary>
sealed class GgufBytes
{
    readonly MemoryStream bytes = new();

    public static GgufBytes Begin(ulong tensors, ulong metadata, uint version = 3) => new GgufBytes().Raw("GGUF"u8).Word(version).Long(tensors).Long(metadata);

    public GgufBytes Raw(ReadOnlySpan<byte> raw)
    {
        bytes.Write(raw);
        return this;
    }

    public GgufBytes Word(uint number) => Raw(BitConverter.GetBytes(number));

    public GgufBytes Long(ulong number) => Raw(BitConverter.GetBytes(number));

    public GgufBytes Text(string text) => Text(Encoding.UTF8.GetBytes(text));

    public GgufBytes Text(ReadOnlySpan<byte> text) => Long((ulong)text.Length).Raw(text);

    public GgufBytes Integer(string key, uint number) => Text(key).Word(4).Word(number);

    public GgufBytes Text(string key, string value) => Text(key).Word(8).Text(value);

    /// <summary>A tensor's entry; sizes as in the file, the innermost first.</summary>
    public GgufBytes Tensor(string name, ulong[] sizes, uint type, ulong offset)
    {
        Text(name).Word((uint)sizes.Length);
        foreach (var size in sizes)
            Long(size);
        return Word(type).Long(offset);
    }

    /// <summary>Zeros up to a multiple of the alignment, and then as many as are asked for.</summary>
    public byte[] Data(int count, int alignment = 32) => Raw(new byte[(alignment - bytes.Length % alignment) % alignment + count]).Done();

    public byte[] Done() => bytes.ToArray();
}
