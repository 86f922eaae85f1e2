using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Softmodel.Evaluate;
using Softmodel.Import;
using Softmodel.Import.Architectures;

namespace Softmodel.Tests.Import;

/// <summary>Folders with settings and safetensors, and files of llama2.c: sound, and damaged in what they say.</summary>
public sealed class CheckpointTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    void Write(string name, string text) => File.WriteAllText(Path.Combine(folder, name), text);

    static byte[] Safetensors(string header, int data) =>
        [.. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(header)), .. Encoding.UTF8.GetBytes(header), .. new byte[data]];

    static byte[] Safetensors(IEnumerable<(string Name, long[] Dims)> tensors)
    {
        var (header, at) = (new JsonObject(), 0L);
        foreach (var (name, dims) in tensors)
        {
            var length = dims.Aggregate(4L, (a, b) => a * b);
            header[name] = new JsonObject { ["dtype"] = "F32", ["shape"] = new JsonArray([.. dims.Select(d => JsonValue.Create(d))]), ["data_offsets"] = new JsonArray(at, at + length) };
            at += length;
        }
        return Safetensors(header.ToJsonString(), (int)at);
    }

    static JsonObject Settings() => new()
    {
        ["model_type"] = "llama",
        ["hidden_size"] = 8,
        ["intermediate_size"] = 12,
        ["num_hidden_layers"] = 1,
        ["num_attention_heads"] = 2,
        ["num_key_value_heads"] = 1,
        ["vocab_size"] = 5,
        ["max_position_embeddings"] = 16,
    };

    static readonly (string, long[])[] weights =
    [
        ("model.embed_tokens.weight", [5, 8]), ("model.norm.weight", [8]), ("model.layers.0.input_layernorm.weight", [8]), ("model.layers.0.post_attention_layernorm.weight", [8]),
        ("model.layers.0.self_attn.q_proj.weight", [8, 8]), ("model.layers.0.self_attn.k_proj.weight", [4, 8]), ("model.layers.0.self_attn.v_proj.weight", [4, 8]), ("model.layers.0.self_attn.o_proj.weight", [8, 8]),
        ("model.layers.0.mlp.gate_proj.weight", [12, 8]), ("model.layers.0.mlp.up_proj.weight", [12, 8]), ("model.layers.0.mlp.down_proj.weight", [8, 12]),
    ];

    void Sound(JsonObject? settings = null)
    {
        Write("config.json", (settings ?? Settings()).ToJsonString());
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), Safetensors(weights));
    }

    void Import(string? path = null)
    {
        using var checkpoint = Checkpoint.Open(path ?? folder);
        ArchitectureImport.Read(checkpoint, Evaluator.FoldKeepingStored).Validate();
    }

    /// <summary>The message of a model that is refused, quickly and without much memory.</summary>
    string Refusal(string? path = null)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.Throws<SoftmodelException>(() => Import(path)).Message;
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
        return message;
    }

    [Fact]
    public void A_sound_folder_is_imported()
    {
        Sound();
        Import();
    }

    [Theory]
    [InlineData("hidden_size", "null")]
    [InlineData("hidden_size", "0")]
    [InlineData("hidden_size", "-8")]
    [InlineData("hidden_size", "2147483647")]
    [InlineData("hidden_size", "1e99")]
    [InlineData("hidden_size", "\"8\"")]
    [InlineData("hidden_size", "[8]")]
    [InlineData("hidden_size", "7")]
    [InlineData("intermediate_size", "0")]
    [InlineData("intermediate_size", "16777216")]
    [InlineData("num_hidden_layers", "0")]
    [InlineData("num_hidden_layers", "2")]
    [InlineData("num_hidden_layers", "9999")]
    [InlineData("num_hidden_layers", "1000000000")]
    [InlineData("num_attention_heads", "0")]
    [InlineData("num_attention_heads", "3")]
    [InlineData("num_attention_heads", "16")]
    [InlineData("num_attention_heads", "1000000000")]
    [InlineData("num_key_value_heads", "0")]
    [InlineData("num_key_value_heads", "2")]
    [InlineData("num_key_value_heads", "3")]
    [InlineData("head_dim", "0")]
    [InlineData("head_dim", "2147483647")]
    [InlineData("vocab_size", "0")]
    [InlineData("vocab_size", "6")]
    [InlineData("vocab_size", "2147483648")]
    [InlineData("rms_norm_eps", "\"a\"")]
    [InlineData("rope_theta", "0")]
    [InlineData("rope_theta", "-1")]
    [InlineData("partial_rotary_factor", "-1")]
    [InlineData("partial_rotary_factor", "1000000000")]
    [InlineData("rope_scaling", "7")]
    [InlineData("rope_scaling", "{\"rope_type\":\"other\"}")]
    [InlineData("rope_scaling", "{\"rope_type\":\"linear\"}")]
    [InlineData("hidden_act", "\"other\"")]
    [InlineData("hidden_act", "3")]
    [InlineData("model_type", "\"other\"")]
    [InlineData("model_type", "null")]
    public void Settings_that_can_not_be_are_refused_by_name(string name, string value)
    {
        var settings = Settings();
        settings[name] = JsonNode.Parse(value);
        Sound(settings);
        Assert.Contains(Path.GetFileName(folder), Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("qwen3_moe", "decoder_sparse_step", 0)]
    [InlineData("qwen3_moe", "num_experts", 0)]
    [InlineData("qwen3_moe", "num_experts_per_tok", 9)]
    [InlineData("mixtral", "num_local_experts", 1000000000)]
    [InlineData("modernbert", "global_attn_every_n_layers", 0)]
    [InlineData("mamba", "conv_kernel", 0)]
    [InlineData("mamba", "state_size", 2000000000)]
    [InlineData("gpt2", "n_inner", 2000000000)]
    public void So_are_those_of_other_architectures(string architecture, string name, int value)
    {
        var settings = Settings();
        foreach (var (key, usual) in new[] { ("num_experts", 4), ("num_local_experts", 4), ("num_experts_per_tok", 2), ("moe_intermediate_size", 4), ("conv_kernel", 4), ("state_size", 4), ("time_step_rank", 2), ("n_positions", 16) })
            settings[key] = usual;
        (settings["model_type"], settings[name]) = (architecture, value);
        Sound(settings);
        Assert.Contains($"'{name}' is {value}", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{\"model_type\":\"llama\",\"model_type\":\"llama\"}")]
    [InlineData("{\"rope_scaling\":{\"a\":1,\"a\":1}}")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    [InlineData("{\"\\ud800\":1}")]
    public void Settings_that_are_no_sound_JSON_are_refused(string text)
    {
        Sound();
        Write("config.json", text);
        Assert.Contains("config.json", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_nested_without_end_are_refused()
    {
        Sound();
        Write("config.json", $"{{\"a\":{new string('[', 100_000)}");
        Refusal();
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("/etc/hostname")]
    [InlineData("a/b")]
    [InlineData("..\\b")]
    [InlineData("a\0b")]
    [InlineData("absent")]
    [InlineData(null)]
    [InlineData(7)]
    public void Parts_that_are_no_files_in_the_folder_are_refused(object? name)
    {
        Sound();
        File.Move(Path.Combine(folder, "model.safetensors"), Path.Combine(folder, "part"));
        Write("model.safetensors.index.json", new JsonObject { ["weight_map"] = new JsonObject { ["a"] = "part" } }.ToJsonString());
        Import();
        Write("model.safetensors.index.json", new JsonObject { ["weight_map"] = new JsonObject { ["a"] = "part", ["b"] = JsonValue.Create(name) } }.ToJsonString());
        Refusal();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"a\":7}")]
    [InlineData("{\"a\":{}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}")]
    [InlineData("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775803,9223372036854775807]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4611686018427387904,4],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}")]
    [InlineData("{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}")]
    public void Tensors_that_can_not_be_are_refused(string header)
    {
        Sound();
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), Safetensors(header, 8));
        Assert.Contains("model.safetensors", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("F64", 8, true)]
    [InlineData("F32", 4, true)]
    [InlineData("F16", 2, true)]
    [InlineData("BF16", 2, true)]
    [InlineData("I64", 8, false)]
    [InlineData("I32", 4, false)]
    [InlineData("I16", 2, false)]
    [InlineData("I8", 1, false)]
    [InlineData("U64", 8, false)]
    [InlineData("U32", 4, false)]
    [InlineData("U16", 2, false)]
    [InlineData("U8", 1, false)]
    [InlineData("BOOL", 1, false)]
    [InlineData("F8_E4M3", 1, false)]
    [InlineData("F8_E5M2", 1, false)]
    [InlineData("F4", 1, false)]
    [InlineData("Q9", 1, false)]
    public void A_weight_of_any_type_is_read_or_refused_by_its_type(string type, int size, bool isRead)
    {
        Sound();
        void Save(string which)
        {
            var (header, at) = (new JsonObject(), 0L);
            foreach (var (name, dims) in weights.Append(("more", [3])))
            {
                var isOf = which is "all" || which == name;
                var length = dims.Aggregate(isOf ? (long)size : 4, (a, b) => a * b);
                header[name] = new JsonObject { ["dtype"] = isOf ? type : "F32", ["shape"] = new JsonArray([.. dims.Select(d => JsonValue.Create(d))]), ["data_offsets"] = new JsonArray(at, at + length) };
                at += length;
            }
            File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), Safetensors(header.ToJsonString(), (int)at));
        }
        foreach (var which in (string[])["all", "model.norm.weight", "model.layers.0.mlp.up_proj.weight"])
        {
            Save(which);
            if (isRead)
                Import();
            else
                Assert.Contains($"is of type {type}", Refusal(), StringComparison.Ordinal);
        }
        // What nothing reads may be of any type that is known.
        Save("more");
        if (type is "F4" or "Q9")
            Assert.Contains($"is of type {type}", Refusal(), StringComparison.Ordinal);
        else
            Import();
    }

    [Fact]
    public void Safetensors_that_end_early_are_refused_wherever_they_end()
    {
        Sound();
        var path = Path.Combine(folder, "model.safetensors");
        var sound = File.ReadAllBytes(path);
        for (var length = 0; length < sound.Length; length += length < 100 ? 1 : 53)
        {
            File.WriteAllBytes(path, sound[..length]);
            Refusal();
        }
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(1UL << 40)]
    [InlineData(1_000_000UL)]
    public void A_header_beyond_the_file_is_refused(ulong length)
    {
        Sound();
        var path = Path.Combine(folder, "model.safetensors");
        var bytes = File.ReadAllBytes(path);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(path, bytes);
        Assert.Contains("header", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_weights_names_what_is_missing()
    {
        Sound();
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), Safetensors(weights.Skip(2)));
        var message = Refusal();
        Assert.Contains("2 weights are missing", message, StringComparison.Ordinal);
        Assert.Contains("model.norm.weight", message, StringComparison.Ordinal);
    }

    static byte[] Llama2c(params int[] header) => [.. header.SelectMany(BitConverter.GetBytes), .. new byte[4 * (5 * 8 + 3 * 8 + 2 * 64 + 2 * 32 + 3 * 96 + 16 * 4)]];

    [Fact]
    public void A_file_of_llama2c_is_imported_and_no_shorter_one()
    {
        var path = Path.Combine(folder, "model.bin");
        var sound = Llama2c(8, 12, 1, 2, 1, 5, 16);
        File.WriteAllBytes(path, sound);
        Assert.True(Checkpoint.Is(path));
        Import(path);
        for (var length = 0; length < sound.Length; length += 17)
        {
            File.WriteAllBytes(path, sound[..length]);
            Assert.False(Checkpoint.Is(path));
            Refusal(path);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, -8)]
    [InlineData(0, 7)]
    [InlineData(0, int.MaxValue)]
    [InlineData(1, 0)]
    [InlineData(1, (1 << 24) - 1)]
    [InlineData(2, 1000)]
    [InlineData(2, int.MaxValue)]
    [InlineData(3, 0)]
    [InlineData(3, 8)]
    [InlineData(4, 0)]
    [InlineData(4, 3)]
    [InlineData(5, 0)]
    [InlineData(5, int.MinValue)]
    [InlineData(5, -5)]
    [InlineData(6, (1 << 24) - 1)]
    public void A_file_of_llama2c_whose_sizes_can_not_be_is_refused(int at, int value)
    {
        int[] header = [8, 12, 1, 2, 1, 5, 16];
        header[at] = value;
        var path = Path.Combine(folder, "model.bin");
        File.WriteAllBytes(path, Llama2c(header));
        Assert.False(Checkpoint.Is(path));
        Refusal(path);
    }

    [Fact]
    public void A_pipe_is_no_checkpoint_and_is_not_waited_for()
    {
        if (OperatingSystem.IsWindows())
            return;
        var path = Path.Combine(folder, "pipe");
        using (var made = System.Diagnostics.Process.Start("mkfifo", path))
            made.WaitForExit();
        Assert.False(Checkpoint.Is(path));
        Refusal(path);
    }
}
