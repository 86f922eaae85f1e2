using System.Text.Json.Nodes;

namespace Softmodel.Import.Gguf;

/// <summary>What GGUF calls otherwise than transformers does.</summary>
internal static class GgufNames
{
    // {0} is the number of a layer.
    static readonly (string Transformers, string Gguf)[] layers =
    [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];

    static readonly (string Transformers, string Gguf)[] whole =
    [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
    ];

    // The architectures whose layers the tables above name, and whether the halves of a rotated pair lie side by side.
    static readonly Dictionary<string, (string ModelType, bool IsInterleaved, bool HasSandwich)> architectures = new(StringComparer.Ordinal)
    {
        ["llama"] = ("llama", true, false),
        ["mistral"] = ("mistral", true, false),
        ["smollm3"] = ("smollm3", true, false),
        ["qwen2"] = ("qwen2", false, false),
        ["qwen3"] = ("qwen3", false, false),
        ["gemma"] = ("gemma", false, false),
        ["gemma2"] = ("gemma2", false, true),
        ["gemma3"] = ("gemma3_text", false, true),
        ["granite"] = ("granite", true, false),
    };

    /// <summary>The weights and settings of a file under the names of transformers.</summary>
    /// <param name="file">The file, which the checkpoint takes over.</param>
    /// <exception cref="SoftmodelException">The architecture is not known.</exception>
    public static Checkpoint Checkpoint(GgufFile file)
    {
        try
        {
            var metadata = file.Metadata;
            var architecture = metadata.Text("general.architecture") ?? throw new SoftmodelException($"{file.Path}: it does not say 'general.architecture', which is needed");
            if (!architectures.TryGetValue(architecture, out var known))
                throw new SoftmodelException($"{file.Path}: the architecture '{architecture}' is not known here; those read from GGUF are {string.Join(", ", architectures.Keys)}");
            var heads = metadata.Integer($"{architecture}.attention.head_count");
            var width = metadata.Integer($"{architecture}.embedding_length");
            var settings = new JsonObject
            {
                ["model_type"] = known.ModelType,
                ["hidden_size"] = width,
                ["intermediate_size"] = metadata.Integer($"{architecture}.feed_forward_length"),
                ["num_hidden_layers"] = metadata.Integer($"{architecture}.block_count"),
                ["num_attention_heads"] = heads,
                ["num_key_value_heads"] = metadata.Integer($"{architecture}.attention.head_count_kv", heads),
                ["head_dim"] = metadata.Integer($"{architecture}.attention.key_length", heads > 0 ? width / heads : 0),
                ["vocab_size"] = file.Tensors.TryGetValue("token_embd.weight", out var embedding) && embedding.Dims.Length > 0 ? embedding.Dims[0] : 0,
                ["max_position_embeddings"] = metadata.Integer($"{architecture}.context_length"),
                ["rms_norm_eps"] = metadata.Float($"{architecture}.attention.layer_norm_rms_epsilon", 1e-5),
                ["rope_theta"] = metadata.Float($"{architecture}.rope.freq_base", 10000),
                ["rope_interleaved"] = known.IsInterleaved,
            };
            if (metadata.Has($"{architecture}.attention.sliding_window"))
                settings["sliding_window"] = metadata.Integer($"{architecture}.attention.sliding_window");
            foreach (var (name, key) in new[] { ("attn_logit_softcapping", "attn_logit_softcapping"), ("final_logit_softcapping", "final_logit_softcapping"), ("embedding_multiplier", "embedding_scale"),
                ("residual_multiplier", "residual_scale"), ("logits_scaling", "logit_scale"), ("attention_multiplier", "attention.scale") })
            {
                if (metadata.Has($"{architecture}.{key}"))
                    settings[name] = metadata.Float($"{architecture}.{key}");
            }
            return new(file.Path, Settings.Of(file.Path, settings), name => file.Tensors.GetValueOrDefault(NameOf(name, known.HasSandwich)), [file]) { Metadata = metadata };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The name in the file of what transformers calls so, or that name itself.</summary>
    /// <param name="name">The name of a weight.</param>
    /// <param name="hasSandwich">Whether a layer has four norms.</param>
    public static string NameOf(string name, bool hasSandwich)
    {
        var dot = name.LastIndexOf('.');
        var (stem, kind) = dot < 0 ? (name, "") : (name[..dot], name[dot..]);
        if (stem.Split('.', 4) is ["model", "layers", var layer, var part])
        {
            // Where there are four norms to a layer, the second is not the one before the feed-forward part.
            var found = part switch
            {
                "post_attention_layernorm" => hasSandwich ? "post_attention_norm" : "ffn_norm",
                "pre_feedforward_layernorm" => "ffn_norm",
                "post_feedforward_layernorm" => "post_ffw_norm",
                _ => layers.FirstOrDefault(l => l.Transformers == part).Gguf,
            };
            return found is null ? name : $"blk.{layer}.{found}{kind}";
        }
        return whole.FirstOrDefault(w => w.Transformers == stem).Gguf is { } other ? $"{other}{kind}" : name;
    }
}
