using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>GPT-2 and GPT-NeoX.</summary>
static class Gpt
{
    /// <summary>GPT-2: positions are learned, matrices lie the other way round, and nothing is gated.</summary>
    [Architecture("gpt2")]
    static void Gpt2(Transformer m)
    {
        var (epsilon, width) = (m.Settings.Float("layer_norm_epsilon", 1e-5), m.Width);
        var hidden = m.Settings.Size("n_inner", 4 * width, 4 * Settings.MostSize);
        var x = m.Embed("transformer.wte") + m.EmbedPositions("transformer.wpe", m.Settings.Size("n_positions"));
        foreach (var layer in m.EachLayer)
        {
            var name = $"transformer.h.{layer}";
            var all = m.LinearByColumns(m.LayerNorm(x, $"{name}.ln_1", epsilon), $"{name}.attn.c_attn", 3 * width);
            var (q, k, v) = (m.Split(all.Slice(1, 0, width), m.Heads), m.Split(all.Slice(1, width, width), m.Heads), m.Split(all.Slice(1, 2 * width, width), m.Heads));
            x = Transformer.Add(x, m.LinearByColumns(m.Attend(layer, q, k, v, m.Settings.Truth("scale_attn_weights", true) ? 1 / Math.Sqrt(m.HeadSize) : 1), $"{name}.attn.c_proj", width), Role.AttentionOutput);
            var up = m.LinearByColumns(m.LayerNorm(x, $"{name}.ln_2", epsilon), $"{name}.mlp.c_fc", hidden);
            var fed = m.Widened(up, m.Settings.Text("activation_function"));
            x = Transformer.Add(x, m.LinearByColumns(fed, $"{name}.mlp.c_proj", width), Role.MlpOutput);
        }
        m.Logits(m.LayerNorm(m.AtLogitsIndices(x), "transformer.ln_f", epsilon), "lm_head", "transformer.wte");
    }

    /// <summary>GPT-NeoX: a part of each head is turned, queries, keys and values lie together head by head, and both parts of a layer may read the same stream.</summary>
    [Architecture("gpt_neox")]
    static void NeoX(Transformer m)
    {
        var (rope, epsilon, width, size) = (Rope.Of(m), m.Settings.Float("layer_norm_eps", 1e-5), m.Width, m.HeadSize);
        var x = m.Embed("gpt_neox.embed_in");
        foreach (var layer in m.EachLayer)
        {
            var name = $"gpt_neox.layers.{layer}";
            var all = m.Linear(m.LayerNorm(x, $"{name}.input_layernorm", epsilon), $"{name}.attention.query_key_value", 3 * width);
            var heads = all.Reshape(new(all.Shape[0], m.Heads, 3 * size));
            var (q, k, v) = (heads.Slice(2, 0, size), heads.Slice(2, size, size), heads.Slice(2, 2 * size, size));
            var seen = m.Linear(m.Attend(layer, m.Rotate(q, rope), m.Rotate(k, rope), v, 1 / Math.Sqrt(size)), $"{name}.attention.dense", width);
            var read = m.Settings.Truth("use_parallel_residual", true) ? x : x + seen;
            var fed = m.Linear(m.Widened(m.Linear(m.LayerNorm(read, $"{name}.post_attention_layernorm", epsilon), $"{name}.mlp.dense_h_to_4h", m.Settings.Size("intermediate_size")),
                m.Settings.Text("hidden_act")), $"{name}.mlp.dense_4h_to_h", width);
            x = Transformer.Add(Transformer.Add(x, seen, Role.AttentionOutput), fed, Role.MlpOutput);
        }
        m.Logits(m.LayerNorm(m.AtLogitsIndices(x), "gpt_neox.final_layer_norm", epsilon), "embed_out", "gpt_neox.embed_in");
    }
}
