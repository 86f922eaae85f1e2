using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>OLMo 2: norms after each part and none before, and queries and keys normed whole before they are split into heads.</summary>
static class Olmo2
{
    [Architecture("olmo2")]
    static void Build(Transformer m)
    {
        var (rope, epsilon) = (Rope.Of(m), m.Settings.Float("rms_norm_eps", 1e-6));
        var x = m.Embed("model.embed_tokens");
        foreach (var layer in m.EachLayer)
        {
            var name = $"model.layers.{layer}";
            var q = m.RmsNorm(m.Linear(x, $"{name}.self_attn.q_proj", m.Heads * m.HeadSize), $"{name}.self_attn.q_norm", epsilon);
            var k = m.RmsNorm(m.Linear(x, $"{name}.self_attn.k_proj", m.KeyValueHeads * m.HeadSize), $"{name}.self_attn.k_norm", epsilon);
            var v = m.Linear(x, $"{name}.self_attn.v_proj", m.KeyValueHeads * m.HeadSize);
            var seen = m.Attend(layer, m.Rotate(m.Split(q, m.Heads), rope), m.Rotate(m.Split(k, m.KeyValueHeads), rope), m.Split(v, m.KeyValueHeads), 1 / Math.Sqrt(m.HeadSize));
            x = Transformer.Add(x, m.RmsNorm(m.Linear(seen, $"{name}.self_attn.o_proj", m.Width), $"{name}.post_attention_layernorm", epsilon), Role.AttentionOutput);
            x = Transformer.Add(x, m.RmsNorm(m.Gated(x, $"{name}.mlp", m.Settings.Text("hidden_act")), $"{name}.post_feedforward_layernorm", epsilon), Role.MlpOutput);
        }
        m.Logits(m.RmsNorm(m.AtLogitsIndices(x), "model.norm", epsilon), "lm_head", "model.embed_tokens");
    }
}
