using System.Text.Json;

namespace Softmodel.Language.Tokens;

/// <summary>What a part of <c>tokenizer.json</c> says.</summary>
static class JsonMembers
{
    /// <summary>A member; null where there is none, or it is null.</summary>
    public static JsonElement? Member(this JsonElement node, string name) =>
        node.ValueKind == JsonValueKind.Object && node.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? member : null;

    /// <summary>A text; null where there is none.</summary>
    public static string? Text(this JsonElement node, string name) => node.Member(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    /// <summary>A text that must be there.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static string Needed(this JsonElement node, string name) => node.Text(name) ?? throw new FormatException($"its '{node.Type()}' has no {name}");

    /// <summary>A truth value.</summary>
    public static bool Truth(this JsonElement node, string name, bool otherwise = false) => node.Member(name) is { ValueKind: JsonValueKind.True or JsonValueKind.False } truth ? truth.GetBoolean() : otherwise;

    /// <summary>An integer; null where there is none.</summary>
    public static int? Integer(this JsonElement node, string name) => node.Member(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var whole) ? whole : null;

    /// <summary>The items of an array; none where there is none.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement node, string name) => node.Member(name) is { ValueKind: JsonValueKind.Array } array ? array.EnumerateArray() : [];

    /// <summary>Which kind of component it is.</summary>
    public static string? Type(this JsonElement node) => node.Text("type");
}
