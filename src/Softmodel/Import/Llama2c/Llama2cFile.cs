using System.Buffers.Binary;
using System.Text.Json.Nodes;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Llama2c;

/// <summary>
/// A model in the legacy format of llama2.c: seven integers, then the weights as 32-bit floats in a fixed order, those of
/// all layers together. Other data may follow.
/// </summary>
internal static class Llama2cFile
{
    /// <summary>The bytes before the weights.</summary>
    public const int HeaderLength = 28;

    const int MostOfAnything = Settings.MostSize;

    /// <summary>Whether a file begins as such a model does.</summary>
    public static bool Is(ReadOnlySpan<byte> start, long length) => start.Length >= HeaderLength && Header(start) is { } h && h.Floats * 4 + HeaderLength <= length;

    sealed record Shape(int Width, int Hidden, int Layers, int Heads, int KeyValueHeads, int Vocabulary, int Length, bool IsTied)
    {
        public int HeadSize => Width / Heads;

        public IEnumerable<(string Name, long[] Dims)> Weights()
        {
            var shared = KeyValueHeads * HeadSize;
            (string, long[])[] perLayer(int i, string name, params long[] dims) => [($"model.layers.{i}.{name}.weight", dims)];
            IEnumerable<(string, long[])> All(string name, params long[] dims) => Enumerable.Range(0, Layers).SelectMany(i => perLayer(i, name, dims));
            return [("model.embed_tokens.weight", [Vocabulary, Width]), .. All("input_layernorm", Width),
                .. All("self_attn.q_proj", Heads * HeadSize, Width), .. All("self_attn.k_proj", shared, Width), .. All("self_attn.v_proj", shared, Width), .. All("self_attn.o_proj", Width, Heads * HeadSize),
                .. All("post_attention_layernorm", Width), .. All("mlp.gate_proj", Hidden, Width), .. All("mlp.down_proj", Width, Hidden), .. All("mlp.up_proj", Hidden, Width),
                ("model.norm.weight", [Width]),
                // Two tables of angles, which are computed here.
                ("cosines", [Length, HeadSize / 2]), ("sines", [Length, HeadSize / 2]), .. IsTied ? (IEnumerable<(string, long[])>)[] : [("lm_head.weight", [Vocabulary, Width])]];
        }

        public Int128 Floats => Weights().Aggregate((Int128)0, (sum, w) => sum + w.Dims.Aggregate((Int128)1, (a, b) => a * b));
    }

    static Shape? Header(ReadOnlySpan<byte> start)
    {
        var n = new int[7];
        for (var i = 0; i < n.Length; i++)
            n[i] = BinaryPrimitives.ReadInt32LittleEndian(start[(i * 4)..]);
        var vocabulary = n[5] == int.MinValue ? 0 : Math.Abs(n[5]);
        var fits = n.Where((_, i) => i != 5).All(x => x is > 0 and < MostOfAnything) && vocabulary is > 0 and < MostOfAnything
            && n[2] <= 1000 && n[0] % n[3] == 0 && n[3] % n[4] == 0 && n[0] / n[3] % 2 == 0;
        return fits ? new(n[0], n[1], n[2], n[3], n[4], vocabulary, n[6], n[5] > 0) : null;
    }

    /// <summary>Opens a model.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">It can't be read, or is not of that format.</exception>
    public static Checkpoint Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            if (file.Length < HeaderLength || Header(file.Slice(0, HeaderLength).Span) is not { } shape || shape.Floats * 4 + HeaderLength > file.Length)
                throw new SoftmodelException($"{path}: it is not a model as llama2.c writes it, or cut off; fetch it again");
            var (weights, at) = (new Dictionary<string, Weight>(StringComparer.Ordinal), (long)HeaderLength);
            foreach (var (name, dims) in shape.Weights())
            {
                var bytes = BlockFormat.F32.Bytes(dims);
                if (bytes > int.MaxValue)
                    throw new SoftmodelException($"{path}: the weight '{name}' has {bytes} bytes, more than a tensor can have here ({int.MaxValue})");
                var length = (int)bytes;
                weights.Add(name, new(name, BlockFormat.F32, dims, file.Slice(at, length)));
                at += length;
            }
            var settings = new JsonObject
            {
                ["model_type"] = "llama",
                ["hidden_size"] = shape.Width,
                ["intermediate_size"] = shape.Hidden,
                ["num_hidden_layers"] = shape.Layers,
                ["num_attention_heads"] = shape.Heads,
                ["num_key_value_heads"] = shape.KeyValueHeads,
                ["vocab_size"] = shape.Vocabulary,
                ["max_position_embeddings"] = shape.Length,
                ["rms_norm_eps"] = 1e-5,
                ["rope_theta"] = 10000.0,
                ["rope_interleaved"] = true,
            };
            return new(path, Settings.Of(path, settings), weights.GetValueOrDefault, [file]);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
