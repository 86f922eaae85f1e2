using System.Text.Json;

namespace Softmodel.Language.Tokens;

/// <summary>The post-processors of Hugging Face's tokenizers: which tokens are put around one text.</summary>
static class PostProcessor
{
    /// <summary>Reads one.</summary>
    /// <returns>The tokens before the text, and those after it.</returns>
    /// <exception cref="FormatException">It is not known, or lacks something.</exception>
    public static (int[] Before, int[] After) Read(JsonElement? node)
    {
        if (node is not { ValueKind: JsonValueKind.Object } step)
            return ([], []);
        switch (step.Type())
        {
            // It changes only where in the text a token is said to lie.
            case "ByteLevel":
                return ([], []);
            case "BertProcessing" or "RobertaProcessing":
                return ([Pair(step, "cls")], [Pair(step, "sep")]);
            case "Sequence":
                (int[] Before, int[] After)[] around = [.. step.Items("processors").Select(p => Read(p)).Where(a => a.Before.Length + a.After.Length > 0)];
                return around.Length <= 1 ? around.FirstOrDefault((Before: [], After: [])) : throw new FormatException("its post-processor is a Sequence of several that put tokens around a text, which is not read here");
            case "TemplateProcessing":
                return Template(step);
            case var other:
                throw new FormatException($"it has the post-processor '{other}', which is not read here");
        }
    }

    static int Pair(JsonElement step, string which) => step.Member(which) is { ValueKind: JsonValueKind.Array } pair && pair.GetArrayLength() == 2 ? pair[1].GetInt32() : throw new FormatException($"its '{step.Type()}' has no {which}");

    static (int[] Before, int[] After) Template(JsonElement step)
    {
        var (before, after, texts) = (new List<int>(), new List<int>(), 0);
        foreach (var part in step.Items("single"))
        {
            if (part.Member("Sequence") is not null)
                texts++;
            else if (part.Member("SpecialToken")?.Text("id") is { } name)
                (texts == 0 ? before : after).AddRange(step.Member("special_tokens")?.Member(name)?.Items("ids").Select(i => i.GetInt32()) ?? throw new FormatException($"its TemplateProcessing has the token '{name}', and its special_tokens have not"));
            else
                throw new FormatException("its TemplateProcessing has a part that is neither a Sequence nor a SpecialToken");
        }
        return texts == 1 ? ([.. before], [.. after]) : throw new FormatException($"its TemplateProcessing has the text {texts} times, which is not read here");
    }
}
