using System.Text;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Gguf;
using Softmodel.Import.Llama2c;
using Softmodel.Runtime;

namespace Softmodel.Cli.Baselines;

/// <summary>A model of llama2.c as a GGUF file, which llama.cpp reads: the same numbers in the same order, under the names that it knows.</summary>
static class Llama2cGguf
{
    const int Alignment = 32;

    enum Kind : uint { Whole = 4, Real = 6, Text = 8 }

    static readonly string[] whole = ["model.embed_tokens", "model.norm", "lm_head"];

    static readonly string[] perLayer =
        ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"];

    /// <summary>Whether a file is such a model, rather than one that llama.cpp reads itself.</summary>
    public static bool Is(string path)
    {
        using var file = MappedFile.Open(path);
        return Llama2cFile.Is(file.Slice(0, (int)Math.Min(file.Length, Llama2cFile.HeaderLength)).Span, file.Length);
    }

    /// <summary>Writes the file. It has no vocabulary: llama.cpp is given numbers of tokens.</summary>
    /// <param name="path">The model.</param>
    /// <param name="target">The file to write.</param>
    /// <exception cref="SoftmodelException">The model can't be read.</exception>
    public static void Write(string path, string target)
    {
        using var model = Checkpoint.Open(path);
        var settings = model.Settings;
        var (layers, heads) = (settings.Size("num_hidden_layers"), settings.Size("num_attention_heads"));
        (string Key, Kind Kind, object Value)[] entries =
        [
            ("general.architecture", Kind.Text, "llama"),
            ("general.alignment", Kind.Whole, Alignment),
            ("tokenizer.ggml.model", Kind.Text, "no_vocab"),
            ("llama.vocab_size", Kind.Whole, settings.Size("vocab_size")),
            ("llama.context_length", Kind.Whole, settings.Size("max_position_embeddings")),
            ("llama.embedding_length", Kind.Whole, settings.Size("hidden_size")),
            ("llama.feed_forward_length", Kind.Whole, settings.Size("intermediate_size")),
            ("llama.block_count", Kind.Whole, layers),
            ("llama.attention.head_count", Kind.Whole, heads),
            ("llama.attention.head_count_kv", Kind.Whole, settings.Size("num_key_value_heads")),
            ("llama.rope.dimension_count", Kind.Whole, settings.Size("hidden_size") / heads),
            ("llama.rope.freq_base", Kind.Real, (float)settings.Float("rope_theta")),
            ("llama.attention.layer_norm_rms_epsilon", Kind.Real, (float)settings.Float("rms_norm_eps")),
        ];
        var names = whole.Concat(from layer in Enumerable.Range(0, layers) from part in perLayer select $"model.layers.{layer}.{part}").Select(name => $"{name}.weight");
        // A head that shares the embeddings' weights is none of its own.
        (string Name, Weight Weight)[] weights = [.. names.Select(n => (GgufNames.NameOf(n, hasSandwich: false), model.Find(n)!)).Where(n => n.Item2 is not null)];
        using var file = new BinaryWriter(File.Create(target));
        void Text(string text)
        {
            file.Write((long)Encoding.UTF8.GetByteCount(text));
            file.Write(Encoding.UTF8.GetBytes(text));
        }
        void Align() => file.Write(new byte[-file.BaseStream.Position & (Alignment - 1)]);
        file.Write("GGUF"u8);
        file.Write(3);
        file.Write((long)weights.Length);
        file.Write((long)entries.Length);
        foreach (var (key, kind, value) in entries)
        {
            Text(key);
            file.Write((uint)kind);
            switch (value)
            {
                case int whole:
                    file.Write(whole);
                    break;
                case float real:
                    file.Write(real);
                    break;
                case string text:
                    Text(text);
                    break;
            }
        }
        var offset = 0L;
        foreach (var (name, weight) in weights)
        {
            Text(name);
            file.Write(weight.Dims.Length);
            foreach (var size in weight.Dims.Reverse())
                file.Write(size);
            file.Write(weight.Format.Number);
            file.Write(offset);
            offset += (weight.Bytes.Length + Alignment - 1) / Alignment * Alignment;
        }
        Align();
        foreach (var (_, weight) in weights)
        {
            file.Write(weight.Bytes.Span);
            Align();
        }
    }
}
