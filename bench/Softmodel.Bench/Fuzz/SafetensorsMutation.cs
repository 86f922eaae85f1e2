using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Softmodel.Bench.Fuzz;

/// <summary>Damages models in folders: their settings, the headers of their weights, and where their parts lie.</summary>
static class SafetensorsMutation
{
    /// <summary>The names of the files.</summary>
    public const string Config = "config.json", Weights = "model.safetensors";

    // Stands for half of a surrogate pair, which can't be written otherwise.
    const string Index = "model.safetensors.index.json", Half = "_half_";

    static readonly string[] values =
        ["null", "true", "false", "\"\"", "\"x\"", "\"F16\"", "\"BF16\"", "\"I64\"", "[]", "{}", "[[[[]]]]", "{\"a\":{\"a\":{}}}", "0.5", "-0.0", "1e-300", "1e300", "1e400", "12345678901234567890123", $"\"{Half}\"", "\"\\u0000\"",
            "\"silu\"", "\"gelu\"", "\"default\"", "\"linear\"", "\"llama3\"", "\"yarn\"", "\"sliding_attention\"", "[\"full_attention\"]", "\"llama\"", "\"bert\"", "\"mamba\"", "\"gpt2\"", "\"mixtral\"", "\"modernbert\"", "\"phi3\"", "\"gemma3_text\""];

    /// <summary>Writes a damaged model; the same for the same random numbers.</summary>
    /// <param name="model">A folder with settings and weights.</param>
    /// <param name="to">The folder to write; what was there goes.</param>
    /// <param name="random">Says what is done.</param>
    public static void Write(string model, string to, Random random)
    {
        if (Directory.Exists(to))
            Directory.Delete(to, recursive: true);
        Directory.CreateDirectory(to);
        var (config, weights) = (File.ReadAllBytes(Path.Combine(model, Config)), File.ReadAllBytes(Path.Combine(model, Weights)));
        var which = random.Next(8);
        if (which is < 4 or 7)
            config = Json(config, random);
        if (which is >= 4)
            weights = Header(weights, random);
        File.WriteAllBytes(Path.Combine(to, Config), config);
        var isInParts = random.Next(20) == 0;
        File.WriteAllBytes(Path.Combine(to, isInParts ? "part" : Weights), weights);
        if (isInParts)
        {
            var map = new JsonObject { ["weight_map"] = new JsonObject { ["a"] = "part", ["b"] = random.Next(2) == 0 ? "part" : Mutation.Pick(Mutation.Outside, random) } };
            var index = Encoding.UTF8.GetBytes(map.ToJsonString());
            File.WriteAllBytes(Path.Combine(to, Index), random.Next(3) == 0 ? Json(index, random) : index);
        }
    }

    /// <summary>Weights with a damaged header, and perhaps other bytes too.</summary>
    static byte[] Header(byte[] weights, Random random)
    {
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(weights);
        if (random.Next(10) < 3)
            return Mutation.Bytes(weights, random, 8 + length);
        var header = Json(weights[8..(8 + length)], random);
        var said = random.Next(12) == 0 ? Mutation.Pick(Mutation.Numbers, random) : header.Length;
        var data = weights.AsSpan(8 + length);
        return [.. BitConverter.GetBytes(said), .. header, .. random.Next(12) == 0 ? data[..random.Next(data.Length + 1)] : data];
    }

    /// <summary>JSON damaged in what it says, or in its bytes.</summary>
    static byte[] Json(byte[] text, Random random)
    {
        if (random.Next(10) < 2)
            return Mutation.Bytes(text, random);
        var root = JsonNode.Parse(text)!;
        for (var times = 1 + random.Next(3); times > 0; times--)
        {
            var places = new List<(JsonNode Parent, string? Key, int At)>();
            Collect(root, places);
            if (places.Count > 0)
                Damage(Mutation.Pick(places, random), places, random);
        }
        return Encoding.UTF8.GetBytes(root.ToJsonString(new JsonSerializerOptions { MaxDepth = 1000 }).Replace(Half, "\\ud800", StringComparison.Ordinal));
    }

    static void Collect(JsonNode? node, List<(JsonNode, string?, int)> to)
    {
        if (node is JsonObject inner)
        {
            foreach (var (key, value) in inner)
            {
                to.Add((node, key, 0));
                Collect(value, to);
            }
        }
        else if (node is JsonArray array)
        {
            for (var i = 0; i < array.Count; i++)
            {
                to.Add((node, null, i));
                Collect(array[i], to);
            }
        }
    }

    static void Damage((JsonNode Parent, string? Key, int At) place, List<(JsonNode Parent, string? Key, int At)> places, Random random)
    {
        var value = random.Next(8) switch
        {
            0 => JsonNode.Parse(Mutation.Pick(values, random)),
            1 => JsonValue.Create(random.Next(300)),
            2 => Mutation.Pick(places, random) is var (parent, key, at) && (key is null ? parent[at] : parent[key]) is { } other ? other.DeepClone() : null,
            3 => JsonNode.Parse(Mutation.Pick(values, random)),
            _ => JsonValue.Create(Mutation.Pick(Mutation.Numbers, random)),
        };
        switch (place.Parent)
        {
            case JsonArray array when random.Next(5) == 0: array.RemoveAt(place.At); break;
            case JsonArray array when random.Next(5) == 0: array.Insert(place.At, value); break;
            case JsonArray array: array[place.At] = value; break;
            case JsonObject inner when random.Next(5) == 0: inner.Remove(place.Key!); break;
            case JsonObject inner when random.Next(8) == 0:
                var moved = inner[place.Key!]?.DeepClone();
                inner.Remove(place.Key!);
                inner[Mutation.Pick(places, random).Key ?? "x"] = moved;
                break;
            case JsonObject inner: inner[place.Key!] = value; break;
        }
    }
}
