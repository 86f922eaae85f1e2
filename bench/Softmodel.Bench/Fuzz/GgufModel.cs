using System.Buffers.Binary;
using System.Text;
using Softmodel.Graphs;

namespace Softmodel.Bench.Fuzz;

/// <summary>An entry of a GGUF file's metadata.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Type">The number of its type.</param>
/// <param name="Value">Its value as the file has it.</param>
sealed record GgufEntry(byte[] Key, uint Type, byte[] Value);

/// <summary>What a GGUF file says of a tensor.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Sizes">Its sizes, the innermost first.</param>
/// <param name="Type">The number of its format.</param>
/// <param name="Offset">Where it lies in the data.</param>
sealed record GgufTensor(byte[] Name, ulong[] Sizes, uint Type, ulong Offset);

/// <summary>A GGUF file in its parts, sound or not.</summary>
sealed class GgufModel
{
    const string Prefix = "made:";
    const int Alignment = 32, Width = 256, Vocabulary = 32, Heads = 4, Shared = 2;

    public uint Version { get; set; } = 3;
    /// <summary>The counts that the file states, where they are not those of what it has.</summary>
    public ulong? EntryCount { get; set; }
    /// <inheritdoc cref="EntryCount"/>
    public ulong? TensorCount { get; set; }
    public List<GgufEntry> Entries { get; } = [];
    public List<GgufTensor> Tensors { get; } = [];
    public byte[] Data { get; set; } = [];

    static readonly string[] architectures = ["llama", "mistral", "smollm3", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "granite"];

    /// <summary>The models that are made and not read: each architecture, with all formats between them.</summary>
    public static IEnumerable<string> Made => Enumerable.Range(0, 2 * architectures.Length).Select(i => $"{Prefix}{i}");

    /// <summary>A model by its path, or one of those that are made.</summary>
    public static GgufModel Open(string path) => path.StartsWith(Prefix, StringComparison.Ordinal) ? Make(int.Parse(path.AsSpan(Prefix.Length), System.Globalization.CultureInfo.InvariantCulture)) : Read(File.ReadAllBytes(path));

    static GgufModel Make(int number)
    {
        var (model, random, name) = (new GgufModel(), new Random(number), architectures[number % architectures.Length]);
        void Whole(string key, uint value) => model.Entries.Add(new(Encoding.UTF8.GetBytes(key), 4, BitConverter.GetBytes(value)));
        model.Entries.Add(new("general.architecture"u8.ToArray(), 8, Text(Encoding.UTF8.GetBytes(name))));
        Whole("general.alignment", Alignment);
        Whole($"{name}.block_count", 1);
        Whole($"{name}.context_length", 64);
        Whole($"{name}.embedding_length", Width);
        Whole($"{name}.feed_forward_length", Width);
        Whole($"{name}.attention.head_count", Heads);
        Whole($"{name}.attention.head_count_kv", Shared);
        Whole($"{name}.attention.sliding_window", 16);
        model.Entries.Add(new(Encoding.UTF8.GetBytes($"{name}.rope.freq_base"), 6, BitConverter.GetBytes(10000f)));
        model.Entries.Add(new(Encoding.UTF8.GetBytes($"{name}.attention.layer_norm_rms_epsilon"), 6, BitConverter.GetBytes(1e-5f)));
        model.Entries.Add(new("tokenizer.ggml.tokens"u8.ToArray(), 9, [.. BitConverter.GetBytes(8), .. BitConverter.GetBytes((long)Vocabulary), .. Enumerable.Range(0, Vocabulary).SelectMany(i => Text([(byte)('A' + i)]))]));
        var data = new MemoryStream();
        void Tensor(string key, BlockFormat format, params ulong[] sizes)
        {
            model.Tensors.Add(new(Encoding.UTF8.GetBytes($"{key}.weight"), sizes, format.Number, (ulong)data.Length));
            var bytes = new byte[(int)format.Bytes([.. sizes.Reverse().Select(s => (long)s)])];
            random.NextBytes(bytes);
            data.Write(bytes);
            data.Write(new byte[(Alignment - data.Length % Alignment) % Alignment]);
        }
        var next = number;
        void Matrix(string key, ulong rows) => Tensor(key, BlockFormat.All[next++ % BlockFormat.All.Length], Width, rows);
        void Vector(string key, ulong size) => Tensor(key, BlockFormat.F32, size);
        Matrix("token_embd", Vocabulary);
        Vector("output_norm", Width);
        foreach (var norm in new[] { "attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm" })
            Vector($"blk.0.{norm}", Width);
        foreach (var norm in new[] { "attn_q_norm", "attn_k_norm" })
            Vector($"blk.0.{norm}", Width / Heads);
        foreach (var (part, rows) in new[] { ("attn_q", Width), ("attn_k", Width / Heads * Shared), ("attn_v", Width / Heads * Shared), ("attn_output", Width), ("ffn_gate", Width), ("ffn_up", Width), ("ffn_down", Width) })
            Matrix($"blk.0.{part}", (ulong)rows);
        model.Data = data.ToArray();
        return model;
    }

    /// <summary>The parts of a sound file.</summary>
    static GgufModel Read(byte[] bytes)
    {
        var at = 4;
        uint Word() => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan((at += 4) - 4));
        ulong Long() => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan((at += 8) - 8));
        byte[] Name()
        {
            var length = (int)Long();
            return bytes[at..(at += length)];
        }
        void Skip(uint type)
        {
            if (type == 8)
                Name();
            else if (type == 9)
            {
                var inner = Word();
                for (var count = Long(); count > 0; count--)
                    Skip(inner);
            }
            else
                at += type switch { 0 or 1 or 7 => 1, 2 or 3 => 2, 4 or 5 or 6 => 4, _ => 8 };
        }
        var model = new GgufModel { Version = Word() };
        var (tensors, entries) = (Long(), Long());
        for (; entries > 0; entries--)
        {
            var (key, type) = (Name(), Word());
            var start = at;
            Skip(type);
            model.Entries.Add(new(key, type, bytes[start..at]));
        }
        for (; tensors > 0; tensors--)
        {
            var name = Name();
            model.Tensors.Add(new(name, [.. Enumerable.Range(0, (int)Word()).Select(_ => Long())], Word(), Long()));
        }
        model.Data = bytes[Math.Min(bytes.Length, (at + Alignment - 1) & -Alignment)..];
        return model;
    }

    /// <summary>The file, and how many bytes of it are before its data.</summary>
    public (byte[] Bytes, int Start) Write()
    {
        var to = new MemoryStream();
        void Bytes(ReadOnlySpan<byte> bytes) => to.Write(bytes);
        Bytes("GGUF"u8);
        Bytes(BitConverter.GetBytes(Version));
        Bytes(BitConverter.GetBytes(TensorCount ?? (ulong)Tensors.Count));
        Bytes(BitConverter.GetBytes(EntryCount ?? (ulong)Entries.Count));
        foreach (var (key, type, value) in Entries)
        {
            Bytes(Text(key));
            Bytes(BitConverter.GetBytes(type));
            Bytes(value);
        }
        foreach (var (name, sizes, type, offset) in Tensors)
        {
            Bytes(Text(name));
            Bytes(BitConverter.GetBytes(sizes.Length));
            foreach (var size in sizes)
                Bytes(BitConverter.GetBytes(size));
            Bytes(BitConverter.GetBytes(type));
            Bytes(BitConverter.GetBytes(offset));
        }
        var start = (int)to.Length;
        Bytes(new byte[(Alignment - start % Alignment) % Alignment]);
        Bytes(Data);
        return (to.ToArray(), start);
    }

    /// <summary>A text as a value: its length and its bytes.</summary>
    public static byte[] Text(ReadOnlySpan<byte> text) => [.. BitConverter.GetBytes((long)text.Length), .. text];
}
