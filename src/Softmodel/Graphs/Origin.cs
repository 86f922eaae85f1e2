using System.Globalization;
using System.Text.Json;

namespace Softmodel.Graphs;

/// <summary>What a value is in its layer.</summary>
public enum Role
{
    /// <summary>Nothing that has a name here, or it is not known.</summary>
    None,
    /// <summary>The embeddings of tokens.</summary>
    Embedding,
    /// <summary>Attention's queries, as they are multiplied with keys: [n, heads, size].</summary>
    Query,
    /// <summary>Attention's keys: [n, key-value heads, size].</summary>
    Key,
    /// <summary>Attention's values: [n, key-value heads, size].</summary>
    Value,
    /// <summary>What each head takes of which token: the softmax of queries times keys.</summary>
    AttentionWeights,
    /// <summary>What the heads give: [n, key-value heads, heads of one, size].</summary>
    Heads,
    /// <summary>What attention adds to the residual stream.</summary>
    AttentionOutput,
    /// <summary>The gate of the MLP before its activation.</summary>
    MlpGate,
    /// <summary>What the MLP is widened to.</summary>
    MlpUp,
    /// <summary>The neurons of the MLP: what is multiplied with its last matrix.</summary>
    MlpHidden,
    /// <summary>What the MLP adds to the residual stream.</summary>
    MlpOutput,
    /// <summary>The probabilities by which experts are chosen.</summary>
    Router,
    /// <summary>What a recurrent or state-space layer adds to the residual stream.</summary>
    MixerOutput,
    /// <summary>The residual stream after something was added to it; the last one of a layer is what the layer gives.</summary>
    Residual,
    /// <summary>The logits.</summary>
    Logits,
}

/// <summary>The names of roles in text: <c>mlp_hidden</c>.</summary>
static class Roles
{
    static readonly Dictionary<string, Role> roles = Enum.GetValues<Role>().ToDictionary(r => JsonNamingPolicy.SnakeCaseLower.ConvertName(r.ToString()), StringComparer.Ordinal);

    /// <summary>The name of a role.</summary>
    public static string NameOf(Role role) => JsonNamingPolicy.SnakeCaseLower.ConvertName(role.ToString());

    /// <summary>The role of a name; null where it is none.</summary>
    public static Role? Named(string name) => roles.TryGetValue(name, out var role) ? role : null;

    /// <summary>All names.</summary>
    public static IEnumerable<string> All => roles.Keys;
}

/// <summary>Where a node comes from.</summary>
/// <param name="Node">The node of the model's file, or the weight that it is about, for messages; may be empty.</param>
public sealed record Origin(string Node = "")
{
    /// <summary>It is not known.</summary>
    public static Origin None { get; } = new();

    /// <summary>The names of the modules that it lies in, outermost first: <c>dec</c>, <c>ups.0</c>.</summary>
    public EquatableArray<string> Scope { get; init; } = [];

    /// <summary>The number of the layer, from 0; null where it is in none.</summary>
    public int? Layer { get; init; }

    /// <summary>What it is in its layer.</summary>
    public Role Role { get; init; }

    static string Quoted(string node)
    {
        var end = node.LastIndexOf('\'');
        var start = end > 0 ? node.LastIndexOf('\'', end - 1) : -1;
        return start >= 0 ? node[(start + 1)..end] : "";
    }

    /// <summary>
    /// The origin of a node of a file whose exporter names nodes after modules: <c>Conv '/dec/ups.0/Conv'</c> is a convolution
    /// within <c>ups.0</c> within <c>dec</c>. Layer and role are those that modules are usually called after.
    /// </summary>
    public static Origin Of(string node)
    {
        var parts = Quoted(node).Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length < 2)
            return node.Length == 0 ? None : new(node);
        var scope = parts[..^1];
        return new(node) { Scope = [.. scope], Layer = scope.Select(LayerOf).FirstOrDefault(l => l is not null), Role = RoleOf(scope) };
    }

    static readonly string[] layers = ["layer", "layers", "h", "blocks", "block"];

    static int? LayerOf(string module) => module.LastIndexOf('.') is > 0 and var dot && layers.Contains(module[..dot].Split('.')[^1]) && int.TryParse(module.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    // The modules of transformers; of those that are called alike, the one around them tells.
    static readonly (string Around, string Module, Role Role)[] modules =
    [
        ("", "q_proj", Role.Query), ("", "k_proj", Role.Key), ("", "v_proj", Role.Value), ("", "query", Role.Query), ("", "key", Role.Key), ("", "value", Role.Value),
        ("", "q_lin", Role.Query), ("", "k_lin", Role.Key), ("", "v_lin", Role.Value), ("", "o_proj", Role.AttentionOutput), ("", "out_proj", Role.AttentionOutput), ("", "out_lin", Role.AttentionOutput),
        ("", "gate_proj", Role.MlpGate), ("", "up_proj", Role.MlpUp), ("", "fc1", Role.MlpUp), ("", "lin1", Role.MlpUp), ("", "down_proj", Role.MlpOutput), ("", "fc2", Role.MlpOutput), ("", "lin2", Role.MlpOutput),
        ("intermediate", "dense", Role.MlpUp), ("attention/output", "dense", Role.AttentionOutput), ("output", "dense", Role.MlpOutput),
    ];

    static Role RoleOf(string[] scope)
    {
        var around = string.Join('/', scope[..^1]);
        return modules.FirstOrDefault(m => m.Module == scope[^1] && (m.Around.Length == 0 || around == m.Around || around.EndsWith($"/{m.Around}", StringComparison.Ordinal))).Role;
    }
}
