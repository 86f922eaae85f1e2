using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>Llama, and the architectures that differ from it in a norm, a bias, a window or a factor.</summary>
static class Llama
{
    /// <summary>What such an architecture does otherwise than Llama.</summary>
    sealed record LlamaVariant
    {
        /// <summary>How far back a layer sees; 0 for all.</summary>
        public Func<int, int> Window { get; init; } = _ => 0;
        /// <summary>Whether a layer turns its heads.</summary>
        public Func<int, bool> IsRotated { get; init; } = _ => true;
        /// <summary>Whether queries and keys are normed head by head.</summary>
        public bool NormsHeads { get; init; }
        /// <summary>What the result of each part is multiplied by before it is added to the stream.</summary>
        public double Residual { get; init; } = 1;
        /// <summary>What embeddings are multiplied by.</summary>
        public double Embedding { get; init; } = 1;
        /// <summary>What logits are multiplied by.</summary>
        public double Logits { get; init; } = 1;
        /// <summary>What products of queries and keys are multiplied by; by default one over the root of the heads' size.</summary>
        public double? Attention { get; init; }
        /// <summary>The norm of the stream.</summary>
        public Func<Transformer, Term, string, Term> Norm { get; init; } = (m, x, name) => m.RmsNorm(x, name, Epsilon(m));
        /// <summary>The feed-forward part, given the name of the layer.</summary>
        public Func<Transformer, Term, string, Term> FeedForward { get; init; } = (m, x, layer) => m.Gated(x, $"{layer}.mlp", m.Settings.Text("hidden_act") ?? "silu");
    }

    static double Epsilon(Transformer model) => model.Settings.Float("rms_norm_eps", 1e-6);

    static void Build(Transformer m, LlamaVariant differ)
    {
        var rope = Rope.Of(m);
        var x = m.Embed("model.embed_tokens") * differ.Embedding;
        foreach (var layer in m.EachLayer)
        {
            var name = $"model.layers.{layer}";
            Term Heads(Term h, string part, int count) => m.Split(m.Linear(h, $"{name}.self_attn.{part}_proj", count * m.HeadSize), count);
            Term Turned(Term h, string part)
            {
                var normed = differ.NormsHeads ? m.RmsNorm(h, $"{name}.self_attn.{part}_norm", Epsilon(m)) : h;
                return differ.IsRotated(layer) ? m.Rotate(normed, rope) : normed;
            }
            var h = differ.Norm(m, x, $"{name}.input_layernorm");
            var seen = m.Attend(layer, Turned(Heads(h, "q", m.Heads), "q"), Turned(Heads(h, "k", m.KeyValueHeads), "k"), Heads(h, "v", m.KeyValueHeads),
                differ.Attention ?? 1 / Math.Sqrt(m.HeadSize), differ.Window(layer));
            x = Transformer.Add(x, m.Linear(seen, $"{name}.self_attn.o_proj", m.Width) * differ.Residual, Role.AttentionOutput);
            x = Transformer.Add(x, differ.FeedForward(m, differ.Norm(m, x, $"{name}.post_attention_layernorm"), name) * differ.Residual, Role.MlpOutput);
        }
        m.Logits(differ.Norm(m, m.AtLogitsIndices(x), "model.norm"), "lm_head", "model.embed_tokens", differ.Logits);
    }

    /// <summary>The window of every layer, or of those that slide.</summary>
    public static Func<int, int> Windows(Transformer m)
    {
        var window = m.Settings.Integer("sliding_window", 0);
        return m.Settings.List<string>("layer_types") is { } types ? layer => layer < types.Length && types[layer] == "sliding_attention" ? window : 0
            : m.Settings.Truth("use_sliding_window", true) ? _ => window : _ => 0;
    }

    [Architecture("llama")]
    static void Plain(Transformer m) => Build(m, new());

    [Architecture("mistral")]
    static void Mistral(Transformer m) => Build(m, new() { Window = Windows(m) });

    [Architecture("qwen2")]
    static void Qwen2(Transformer m) => Build(m, new() { Window = Windows(m) });

    [Architecture("qwen3")]
    static void Qwen3(Transformer m) => Build(m, new() { Window = Windows(m), NormsHeads = true });

    [Architecture("smollm3")]
    static void SmolLM3(Transformer m)
    {
        var rotated = m.Settings.List<int>("no_rope_layers");
        var every = m.Settings.Integer("no_rope_layer_interval", 4);
        Build(m, new() { Window = Windows(m), IsRotated = layer => rotated is not null && layer < rotated.Length ? rotated[layer] != 0 : every == 0 || (layer + 1) % every != 0 });
    }

    [Architecture("granite")]
    static void Granite(Transformer m) => Build(m, new()
    {
        Embedding = m.Settings.Float("embedding_multiplier", 1),
        Residual = m.Settings.Float("residual_multiplier", 1),
        Attention = m.Settings.Float("attention_multiplier", 1),
        Logits = 1 / m.Settings.Float("logits_scaling", 1),
    });

    [Architecture("stablelm")]
    static void StableLM(Transformer m) => Build(m, new() { Norm = (model, x, name) => model.LayerNorm(x, name, model.Settings.Float("layer_norm_eps", 1e-5)) });

    [Architecture("starcoder2")]
    static void StarCoder2(Transformer m) => Build(m, new()
    {
        Window = Windows(m),
        Norm = (model, x, name) => model.LayerNorm(x, name, model.Settings.Float("norm_epsilon", 1e-5)),
        FeedForward = (model, x, layer) => model.Linear(model.Widened(model.Linear(x, $"{layer}.mlp.c_fc", model.Settings.Size("intermediate_size")), model.Settings.Text("hidden_act")), $"{layer}.mlp.c_proj", model.Width),
    });

    [Architecture("mixtral")]
    static void Mixtral(Transformer m) => Build(m, new()
    {
        Window = Windows(m),
        FeedForward = (model, x, layer) => Experts.Mixed(model, x, $"{layer}.block_sparse_moe.gate", model.Settings.Size("num_local_experts"), normalizes: true,
            expert => model.Linear(model.Widened(model.Linear(x, $"{layer}.block_sparse_moe.experts.{expert}.w1", model.Settings.Size("intermediate_size")), "silu",
                model.Linear(x, $"{layer}.block_sparse_moe.experts.{expert}.w3", model.Settings.Size("intermediate_size"))), $"{layer}.block_sparse_moe.experts.{expert}.w2", model.Width)),
    });

    [Architecture("qwen3_moe")]
    static void Qwen3Experts(Transformer m)
    {
        var (dense, step) = (m.Settings.List<int>("mlp_only_layers") ?? [], m.Settings.Size("decoder_sparse_step", 1));
        var count = m.Settings.Size(m.Settings.Has("num_experts") ? "num_experts" : "num_local_experts");
        Build(m, new()
        {
            Window = Windows(m),
            NormsHeads = true,
            FeedForward = (model, x, layer) => int.Parse(layer.Split('.')[2], System.Globalization.CultureInfo.InvariantCulture) is var number && (dense.Contains(number) || (number + 1) % step != 0)
                ? model.Gated(x, $"{layer}.mlp", "silu")
                : Experts.Mixed(model, x, $"{layer}.mlp.gate", count, model.Settings.Truth("norm_topk_prob"),
                    expert => model.Gated(x, $"{layer}.mlp.experts.{expert}", "silu", model.Settings.Size("moe_intermediate_size"))),
        });
    }
}
