using System.Text;
using Softmodel.Graphs;

namespace Softmodel.Bench.Fuzz;

/// <summary>Damages GGUF models: in their bytes, mostly those before the data, and in what they say.</summary>
static class GgufMutation
{
    /// <summary>A damaged model; the same for the same random numbers.</summary>
    public static byte[] Of(GgufModel model, Random random)
    {
        var isSaid = random.Next(10) < 7;
        for (var times = isSaid ? 1 + random.Next(3) : 0; times > 0; times--)
            Damage(model, random);
        var (bytes, start) = model.Write();
        for (var times = isSaid && random.Next(10) < 8 ? 0 : 1 + random.Next(3); times > 0; times--)
            bytes = Mutation.Bytes(bytes, random, start);
        return bytes;
    }

    static void Damage(GgufModel model, Random random)
    {
        switch (random.Next(20))
        {
            case 0: model.TensorCount = (ulong)Mutation.Pick(Mutation.Numbers, random); break;
            case 1: model.EntryCount = (ulong)Mutation.Pick(Mutation.Numbers, random); break;
            case 2: model.Version = (uint)Mutation.Pick(Mutation.Numbers, random); break;
            case 3: model.Data = model.Data[..random.Next(model.Data.Length + 1)]; break;
            case < 12: Change(model.Entries, e => Entry(e, model, random), random); break;
            default: Change(model.Tensors, t => Tensor(t, model, random), random); break;
        }
    }

    static void Change<T>(List<T> all, Func<T, T> changed, Random random)
    {
        if (all.Count == 0)
            return;
        var at = random.Next(all.Count);
        switch (random.Next(8))
        {
            case 0: all.RemoveAt(at); break;
            case 1: all.Insert(random.Next(all.Count), all[at]); break;
            default: all[at] = changed(all[at]); break;
        }
    }

    static GgufEntry Entry(GgufEntry entry, GgufModel model, Random random) => random.Next(6) switch
    {
        0 => entry with { Key = Name(entry.Key, model, random) },
        1 => entry with { Type = (uint)random.Next(14) },
        2 => entry with { Type = 9, Value = [.. BitConverter.GetBytes(random.Next(14)), .. BitConverter.GetBytes(Mutation.Pick(Mutation.Numbers, random)), .. entry.Value] },
        3 => entry with { Value = Mutation.Bytes(entry.Value, random) },
        4 => Mutation.Pick(model.Entries, random) with { Key = entry.Key },
        _ => Number(entry, random),
    };

    static GgufEntry Number(GgufEntry entry, Random random) => random.Next(4) switch
    {
        0 => entry with { Type = 11, Value = BitConverter.GetBytes(Mutation.Pick(Mutation.Numbers, random)) },
        1 => entry with { Type = 6, Value = BitConverter.GetBytes(Mutation.Pick(Mutation.Floats, random)) },
        2 => entry with { Type = 8, Value = GgufModel.Text(Encoding.UTF8.GetBytes(Mutation.Pick([.. Mutation.Outside, "llama", "qwen3", "bert"], random))) },
        _ => entry with { Type = 4, Value = BitConverter.GetBytes(random.Next(600)) },
    };

    static GgufTensor Tensor(GgufTensor tensor, GgufModel model, Random random)
    {
        ulong[] sizes = [.. tensor.Sizes];
        switch (random.Next(6))
        {
            case 0: return tensor with { Name = Name(tensor.Name, model, random) };
            case 1: return tensor with { Type = random.Next(2) == 0 ? Mutation.Pick(BlockFormat.All, random).Number : (uint)Mutation.Pick(Mutation.Numbers, random) };
            case 2: return tensor with { Offset = random.Next(2) == 0 ? Mutation.Pick(model.Tensors, random).Offset : (ulong)Mutation.Pick(Mutation.Numbers, random) };
            case 3: return tensor with { Sizes = random.Next(2) == 0 ? [.. sizes, 1] : sizes[..random.Next(sizes.Length + 1)] };
            case 4:
                Array.Reverse(sizes);
                return tensor with { Sizes = sizes };
            default:
                if (sizes.Length > 0)
                    sizes[random.Next(sizes.Length)] = random.Next(2) == 0 ? (ulong)random.Next(600) : (ulong)Mutation.Pick(Mutation.Numbers, random);
                return tensor with { Sizes = sizes };
        }
    }

    static byte[] Name(byte[] name, GgufModel model, Random random) => random.Next(5) switch
    {
        0 => Mutation.Bytes(name, random),
        1 => Mutation.Pick(model.Entries, random).Key,
        2 => new byte[random.Next(100_000)],
        _ => model.Tensors.Count > 0 ? Mutation.Pick(model.Tensors, random).Name : [],
    };
}
