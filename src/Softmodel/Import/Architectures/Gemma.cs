using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>Gemma: embeddings times the root of their width, norms that count from 1, and from the second on a norm after each part too.</summary>
static class Gemma
{
    static Term Norm(Transformer m, Term x, string name) => m.RmsNorm(x, name, m.Settings.Float("rms_norm_eps", 1e-6), offset: m.Settings.Truth("norm_is_whole") ? 0 : 1);

    static void Build(Transformer m, bool hasSandwich, bool normsHeads)
    {
        var window = Llama.Windows(m);
        var scale = 1 / Math.Sqrt(m.Settings.Float("query_pre_attn_scalar", m.HeadSize));
        var softcap = m.Settings.Float("attn_logit_softcapping", 0);
        var activation = m.Settings.Text("hidden_activation") ?? "gelu_pytorch_tanh";
        var x = m.Embed("model.embed_tokens") * (float)Math.Sqrt(m.Width);
        foreach (var layer in m.EachLayer)
        {
            var name = $"model.layers.{layer}";
            var rope = Rope.Of(m, window(layer) > 0 ? "sliding_attention" : "full_attention");
            Term Heads(Term h, string part, int count) => m.Split(m.Linear(h, $"{name}.self_attn.{part}_proj", count * m.HeadSize), count);
            Term Turned(Term h, string part) => m.Rotate(normsHeads ? Norm(m, h, $"{name}.self_attn.{part}_norm") : h, rope);
            var h = Norm(m, x, $"{name}.input_layernorm");
            var seen = m.Attend(layer, Turned(Heads(h, "q", m.Heads), "q"), Turned(Heads(h, "k", m.KeyValueHeads), "k"), Heads(h, "v", m.KeyValueHeads), scale, window(layer), softcap);
            var attended = m.Linear(seen, $"{name}.self_attn.o_proj", m.Width);
            x = Transformer.Add(x, hasSandwich ? Norm(m, attended, $"{name}.post_attention_layernorm") : attended, Role.AttentionOutput);
            var fed = m.Gated(Norm(m, x, $"{name}.{(hasSandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm")}"), $"{name}.mlp", activation);
            x = Transformer.Add(x, hasSandwich ? Norm(m, fed, $"{name}.post_feedforward_layernorm") : fed, Role.MlpOutput);
        }
        m.Logits(Norm(m, m.AtLogitsIndices(x), "model.norm"), "lm_head", "model.embed_tokens");
    }

    [Architecture("gemma")]
    static void First(Transformer m) => Build(m, hasSandwich: false, normsHeads: false);

    [Architecture("gemma2")]
    static void Second(Transformer m) => Build(m, hasSandwich: true, normsHeads: false);

    [Architecture("gemma3_text")]
    static void Third(Transformer m) => Build(m, hasSandwich: true, normsHeads: true);
}
