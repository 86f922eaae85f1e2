using System.Buffers.Binary;

namespace Softmodel.Import.Onnx;

/// <summary>A byte at which a file stops being what it should be.</summary>
internal sealed class WireException(int offset, string what) : Exception(what)
{
    public int Offset { get; } = offset;
}

/// <summary>
/// Walks one message of the protobuf wire format without copying it. Google.Protobuf copies every <c>bytes</c> field to the
/// heap, which for a model means all weights, and builds objects before anything can be checked; this reads 5 wire types.
/// Positions are those of the whole file, so that errors and slices can name them.
/// </summary>
internal ref struct WireReader(ReadOnlySpan<byte> file, int start, int end)
{
    const int VarintType = 0, Fixed64Type = 1, BytesType = 2, Fixed32Type = 5;

    readonly ReadOnlySpan<byte> file = file;
    int type;

    /// <summary>Where the next byte lies in the file.</summary>
    public int Position { get; private set; } = start;

    /// <summary>The number of the field that <see cref="Next"/> came to.</summary>
    public int Field { get; private set; }

    /// <summary>Comes to the next field; false at the end of the message.</summary>
    public bool Next()
    {
        if (Position == end)
            return false;
        var at = Position;
        var tag = ReadVarint();
        (Field, type) = ((int)Math.Min(tag >> 3, int.MaxValue), (int)(tag & 7));
        if (Field is 0 or > 0x1FFFFFFF)
            throw new WireException(at, $"{tag >> 3} is no field number");
        if (type is not (VarintType or Fixed64Type or BytesType or Fixed32Type))
            throw new WireException(at, $"field {Field} has wire type {type}, which no ONNX file uses");
        return true;
    }

    /// <summary>Passes over the field.</summary>
    public void Skip()
    {
        switch (type)
        {
            case VarintType: ReadVarint(); break;
            case Fixed64Type: Take(8); break;
            case Fixed32Type: Take(4); break;
            default: Bytes(); break;
        }
    }

    public long Varint()
    {
        Expect(VarintType);
        return (long)ReadVarint();
    }

    public float Float()
    {
        Expect(Fixed32Type);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>The range in the file of a field of bytes, text or a message.</summary>
    public (int Start, int Length) Bytes()
    {
        Expect(BytesType);
        var at = Position;
        var length = ReadVarint();
        if (length > (ulong)(end - Position))
            throw new WireException(at, $"field {Field} has {length} bytes, but only {end - Position} are left");
        var start = Position;
        Position += (int)length;
        return (start, (int)length);
    }

    public WireReader Message()
    {
        var (start, length) = Bytes();
        return new(file, start, start + length);
    }

    /// <summary>The range of the payload of a repeated number: packed, or one element.</summary>
    /// <param name="fixedSize">The bytes of an element, or 0 where it is a varint.</param>
    public (int Start, int Length) Numbers(int fixedSize)
    {
        if (type == BytesType)
            return Bytes();
        Expect(fixedSize switch { 4 => Fixed32Type, 8 => Fixed64Type, _ => VarintType });
        var start = Position;
        if (fixedSize == 0)
            ReadVarint();
        else
            Take(fixedSize);
        return (start, Position - start);
    }

    /// <summary>Adds a repeated varint, packed or not, to a list.</summary>
    public void Varints(List<long> to)
    {
        if (type == VarintType)
        {
            to.Add((long)ReadVarint());
            return;
        }
        var packed = Message();
        while (!packed.AtEnd)
            to.Add((long)packed.ReadVarint());
    }

    /// <summary>Adds a repeated float, packed or not, to a list.</summary>
    public void Floats(List<float> to)
    {
        var (start, length) = Numbers(4);
        if (length % 4 != 0)
            throw new WireException(start, $"field {Field} holds {length} bytes of 4-byte numbers");
        for (var at = start; at < start + length; at += 4)
            to.Add(BinaryPrimitives.ReadSingleLittleEndian(file[at..]));
    }

    public readonly bool AtEnd => Position == end;

    public ulong ReadVarint()
    {
        var (at, value) = (Position, 0UL);
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (Position == end)
                throw new WireException(at, "a number is cut off");
            var b = file[Position++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }
        throw new WireException(at, "a number has more than 64 bits");
    }

    ReadOnlySpan<byte> Take(int count)
    {
        if (end - Position < count)
            throw new WireException(Position, $"field {Field} is cut off");
        Position += count;
        return file.Slice(Position - count, count);
    }

    readonly void Expect(int expected)
    {
        if (type != expected)
            throw new WireException(Position, $"field {Field} has wire type {type} instead of {expected}");
    }
}
