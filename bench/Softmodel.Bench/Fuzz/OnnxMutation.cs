using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Softmodel.Import.Onnx;
using Softmodel.Import.Onnx.Wire;

namespace Softmodel.Bench.Fuzz;

/// <summary>Damages ONNX models: in their bytes, and in what the bytes say, so that the damage gets past the first check.</summary>
static class OnnxMutation
{
    static readonly string[] operators = [.. Decompositions.All.Select(d => d.Operator.Name).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>A damaged model; the same for the same random numbers.</summary>
    public static byte[] Of(byte[] model, Random random)
    {
        if (random.Next(10) < 7)
        {
            var message = ModelProto.Parser.ParseFrom(model);
            for (var times = 1 + random.Next(3); times > 0; times--)
                Message(message, random);
            model = message.ToByteArray();
            if (random.Next(10) < 8)
                return model;
        }
        for (var times = 1 + random.Next(3); times > 0; times--)
            model = Mutation.Bytes(model, random);
        return model;
    }

    static void Message(ModelProto model, Random random)
    {
        var all = new List<IMessage>();
        Collect(model, all);
        if (random.Next(12) == 0 && all.OfType<TensorProto>().ToArray() is { Length: > 0 } tensors)
        {
            Externalize(Mutation.Pick(tensors, random), random);
            return;
        }
        var message = Mutation.Pick(all, random);
        var fields = message.Descriptor.Fields.InDeclarationOrder();
        Field(message, fields[random.Next(fields.Count)], all, random);
    }

    static void Collect(IMessage message, List<IMessage> to)
    {
        to.Add(message);
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder().Where(f => f.FieldType == FieldType.Message))
        {
            var value = field.Accessor.GetValue(message);
            foreach (var inner in value is IList list ? list.Cast<IMessage>() : value is IMessage one ? [one] : [])
                Collect(inner, to);
        }
    }

    static void Externalize(TensorProto tensor, Random random)
    {
        tensor.ClearRawData();
        tensor.FloatData.Clear();
        tensor.Int64Data.Clear();
        tensor.Int32Data.Clear();
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
        foreach (var (key, value) in new[] { ("location", Mutation.Pick(Mutation.Outside, random)), ("offset", $"{Mutation.Pick(Mutation.Numbers, random)}"), ("length", $"{Mutation.Pick(Mutation.Numbers, random)}") })
        {
            if (key == "location" || random.Next(2) == 0)
                tensor.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
        }
    }

    static void Field(IMessage message, FieldDescriptor field, List<IMessage> all, Random random)
    {
        if (field.Accessor.GetValue(message) is IList list && field.IsRepeated)
        {
            var at = list.Count > 0 ? random.Next(list.Count) : 0;
            switch (list.Count == 0 ? 0 : random.Next(5))
            {
                case 0: list.Insert(at, Value(field, all, random)); break;
                case 1: list.RemoveAt(at); break;
                case 2: list.Insert(random.Next(list.Count), Clone(list[at]!)); break;
                case 3:
                    var other = random.Next(list.Count);
                    (list[at], list[other]) = (list[other], list[at]);
                    break;
                default: list[at] = Value(field, all, random); break;
            }
        }
        else if (random.Next(4) == 0)
            field.Accessor.Clear(message);
        else
            field.Accessor.SetValue(message, Value(field, all, random));
    }

    static object Value(FieldDescriptor field, List<IMessage> all, Random random) => field.FieldType switch
    {
        FieldType.Message => Clone(all.Where(m => m.Descriptor == field.MessageType).ToArray() is { Length: > 0 } others && random.Next(4) > 0
            ? Mutation.Pick(others, random) : field.MessageType.Parser.ParseFrom(ByteString.Empty)),
        FieldType.String => Text(field, all, random),
        FieldType.Bytes => ByteString.CopyFrom(Noise(random)),
        FieldType.Int64 => Mutation.Pick(Mutation.Numbers, random),
        FieldType.Int32 or FieldType.SInt32 => (int)Mutation.Pick(Mutation.Numbers, random),
        FieldType.UInt64 => (ulong)Mutation.Pick(Mutation.Numbers, random),
        FieldType.UInt32 => (uint)Mutation.Pick(Mutation.Numbers, random),
        FieldType.Float => Mutation.Pick(Mutation.Floats, random),
        FieldType.Double => (double)Mutation.Pick(Mutation.Floats, random),
        FieldType.Enum => Enum.ToObject(field.EnumType.ClrType, random.Next(30)),
        FieldType.Bool => random.Next(2) == 0,
        var type => throw new NotSupportedException($"{type}"),
    };

    /// <summary>Mostly a text from elsewhere in the model: so edges go back, and names are there twice.</summary>
    static string Text(FieldDescriptor field, List<IMessage> all, Random random)
    {
        if (field.Name == "op_type" && random.Next(4) > 0)
            return Mutation.Pick(operators, random);
        if (random.Next(8) == 0)
            return Mutation.Pick(["", "x", "ai.onnx", "ai.onnx.ml", "é\u0000\u202E", new string('n', 100_000), .. Mutation.Outside], random);
        var other = Mutation.Pick(all, random);
        var texts = other.Descriptor.Fields.InDeclarationOrder().Where(f => f.FieldType == FieldType.String)
            .SelectMany(f => f.Accessor.GetValue(other) is IList list && f.IsRepeated ? list.Cast<string>() : [(string)f.Accessor.GetValue(other)]).ToArray();
        return texts.Length > 0 ? Mutation.Pick(texts, random) : "";
    }

    static object Clone(object value) => value is IMessage message ? message.Descriptor.Parser.ParseFrom(message.ToByteArray()) : value;

    static byte[] Noise(Random random)
    {
        var bytes = new byte[random.Next(64)];
        random.NextBytes(bytes);
        return bytes;
    }
}
