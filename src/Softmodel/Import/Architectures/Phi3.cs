using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>Phi-3: one matrix for queries, keys and values, and one for both sides of the feed-forward part.</summary>
static class Phi3
{
    [Architecture("phi3")]
    static void Build(Transformer m)
    {
        var (rope, epsilon, window, hidden) = (Rope.Of(m), m.Settings.Float("rms_norm_eps", 1e-5), Llama.Windows(m), m.Settings.Size("intermediate_size"));
        var (asked, shared) = (m.Heads * m.HeadSize, m.KeyValueHeads * m.HeadSize);
        var x = m.Embed("model.embed_tokens");
        foreach (var layer in m.EachLayer)
        {
            var name = $"model.layers.{layer}";
            var all = m.Linear(m.RmsNorm(x, $"{name}.input_layernorm", epsilon), $"{name}.self_attn.qkv_proj", asked + 2 * shared);
            var (q, k, v) = (all.Slice(1, 0, asked), all.Slice(1, asked, shared), all.Slice(1, asked + shared, shared));
            var seen = m.Attend(layer, m.Rotate(m.Split(q, m.Heads), rope), m.Rotate(m.Split(k, m.KeyValueHeads), rope), m.Split(v, m.KeyValueHeads), 1 / Math.Sqrt(m.HeadSize), window(layer));
            x = Transformer.Add(x, m.Linear(seen, $"{name}.self_attn.o_proj", m.Width), Role.AttentionOutput);
            var both = m.Linear(m.RmsNorm(x, $"{name}.post_attention_layernorm", epsilon), $"{name}.mlp.gate_up_proj", 2 * hidden);
            x = Transformer.Add(x, m.Linear(m.Widened(both.Slice(1, 0, hidden), m.Settings.Text("hidden_act"), both.Slice(1, hidden, hidden)), $"{name}.mlp.down_proj", m.Width), Role.MlpOutput);
        }
        m.Logits(m.RmsNorm(m.AtLogitsIndices(x), "model.norm", epsilon), "lm_head", "model.embed_tokens");
    }
}
