using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>Encoders: every token sees all of its text, and the stream itself is what they give.</summary>
static class Bert
{
    [Architecture("bert")]
    static void Plain(Transformer m)
    {
        var (epsilon, width) = (m.Settings.Float("layer_norm_eps", 1e-12), m.Width);
        var types = m.Weight("embeddings.token_type_embeddings.weight", m.Settings.Size("type_vocab_size", 2), width).Slice(0, 0, 1);
        var x = m.LayerNorm(m.Embed("embeddings.word_embeddings") + types + m.EmbedPositions("embeddings.position_embeddings", m.Settings.Size("max_position_embeddings")), "embeddings.LayerNorm", epsilon);
        foreach (var layer in m.EachLayer)
        {
            var name = $"encoder.layer.{layer}";
            Term Heads(string part) => m.Split(m.Linear(x, $"{name}.attention.self.{part}", width), m.Heads);
            var seen = m.Linear(m.AttendToAll(Heads("query"), Heads("key"), Heads("value")), $"{name}.attention.output.dense", width);
            x = Transformer.As(m.LayerNorm(x + Transformer.As(seen, Role.AttentionOutput), $"{name}.attention.output.LayerNorm", epsilon), Role.Residual);
            var fed = m.Linear(m.Widened(m.Linear(x, $"{name}.intermediate.dense", m.Settings.Size("intermediate_size")), m.Settings.Text("hidden_act")), $"{name}.output.dense", width);
            x = Transformer.As(m.LayerNorm(x + Transformer.As(fed, Role.MlpOutput), $"{name}.output.LayerNorm", epsilon), Role.Residual);
        }
        m.Hidden(x);
    }

    [Architecture("distilbert")]
    static void Distilled(Transformer m)
    {
        const double epsilon = 1e-12;
        var width = m.Width;
        var x = m.LayerNorm(m.Embed("embeddings.word_embeddings") + m.EmbedPositions("embeddings.position_embeddings", m.Settings.Size("max_position_embeddings")), "embeddings.LayerNorm", epsilon);
        foreach (var layer in m.EachLayer)
        {
            var name = $"transformer.layer.{layer}";
            Term Heads(string part) => m.Split(m.Linear(x, $"{name}.attention.{part}_lin", width), m.Heads);
            var seen = m.Linear(m.AttendToAll(Heads("q"), Heads("k"), Heads("v")), $"{name}.attention.out_lin", width);
            x = Transformer.As(m.LayerNorm(x + Transformer.As(seen, Role.AttentionOutput), $"{name}.sa_layer_norm", epsilon), Role.Residual);
            var fed = m.Linear(m.Widened(m.Linear(x, $"{name}.ffn.lin1", m.Settings.Size("hidden_dim")), m.Settings.Text("activation")), $"{name}.ffn.lin2", width);
            x = Transformer.As(m.LayerNorm(x + Transformer.As(fed, Role.MlpOutput), $"{name}.output_layer_norm", epsilon), Role.Residual);
        }
        m.Hidden(x);
    }

    /// <summary>ModernBERT: turned heads, windows on most layers, a gated feed-forward part, and no norm before the first attention.</summary>
    [Architecture("modernbert")]
    static void Modern(Transformer m)
    {
        var (epsilon, width, size) = (m.Settings.Float("norm_eps", 1e-5), m.Width, m.HeadSize);
        var (types, every, window, hidden) = (m.Settings.List<string>("layer_types"), m.Settings.Size("global_attn_every_n_layers", 3), m.Settings.Integer("local_attention", 128) / 2, m.Settings.Size("intermediate_size"));
        var x = m.LayerNorm(m.Embed("embeddings.tok_embeddings"), "embeddings.norm", epsilon);
        foreach (var layer in m.EachLayer)
        {
            var name = $"layers.{layer}";
            var isFull = types is not null && layer < types.Length ? types[layer] == "full_attention" : layer % every == 0;
            var rope = Rope.Of(m, isFull ? "full_attention" : "sliding_attention");
            var h = layer == 0 ? x : m.LayerNorm(x, $"{name}.attn_norm", epsilon);
            var all = m.Linear(h, $"{name}.attn.Wqkv", 3 * width).Reshape(new(h.Shape[0], 3, m.Heads, size));
            Term Part(int i) => all.Slice(1, i, 1).Reshape(new(h.Shape[0], m.Heads, size));
            x = Transformer.Add(x, m.Linear(m.AttendToAll(m.Rotate(Part(0), rope), m.Rotate(Part(1), rope), Part(2), isFull ? 0 : window), $"{name}.attn.Wo", width), Role.AttentionOutput);
            var both = m.Linear(m.LayerNorm(x, $"{name}.mlp_norm", epsilon), $"{name}.mlp.Wi", 2 * hidden);
            x = Transformer.Add(x, m.Linear(m.Widened(both.Slice(1, 0, hidden), m.Settings.Text("hidden_activation"), both.Slice(1, hidden, hidden)), $"{name}.mlp.Wo", width), Role.MlpOutput);
        }
        m.Hidden(m.LayerNorm(x, "final_norm", epsilon));
    }
}
