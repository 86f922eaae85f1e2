namespace Softmodel.Language.Tokens;

/// <summary>The ways in which GGUF files say that text is split (<c>tokenizer.ggml.pre</c>).</summary>
static class Splitting
{
    const string
        Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Upper = @"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}",
        Lower = @"\p{Ll}\p{Lm}\p{Lo}\p{M}",
        Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

    /// <summary>The splittings, and whether a piece that is a token is taken whole.</summary>
    static (string[] Names, string[] Patterns, bool TakesWhole)[] Named =>
    [
        (["gpt-2", "gpt2", "phi-2", "olmo", "mpt", "jais", "roberta-bpe", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v2-code", "modern-bert", "gigachat", "mellum"], [PreTokenizers.Words], false),
        (["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "granite-docling"], [@"\p{N}", PreTokenizers.Words], false),
        (["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "lfm2"], [Llama3], true),
        (["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], [Llama3], false),
        (["qwen2", "stablelm2", "deepseek-r1-qwen", "hunyuan", "megrez"], [Llama3.Replace(@"\p{N}{1,3}", @"\p{N}")], false),
        (["gpt-4o", "llama4"], [$@"[^\r\n\p{{L}}\p{{N}}]?[{Upper}]*[{Lower}]+{Contraction}|[^\r\n\p{{L}}\p{{N}}]?[{Upper}]+[{Lower}]*{Contraction}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"], false),
        (["tekken", "pixtral"], [$@"[^\r\n\p{{L}}\p{{N}}]?[{Upper}]*[{Lower}]+|[^\r\n\p{{L}}\p{{N}}]?[{Upper}]+[{Lower}]*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"], true),
        (["deepseek-coder"], [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", @"\p{N}"], false),
        (["deepseek-v3"], [@"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"], false),
        (["falcon"], [@"[\p{P}\$\+<=>\^~\|`]+", PreTokenizers.Words, "[0-9][0-9][0-9]"], false),
        (["default"], [@"[\p{P}\$\+<=>\^~\|]+", PreTokenizers.Words, @"\p{N}+", "[0-9][0-9][0-9]"], false),
    ];

    /// <summary>The splitting of a name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="path">The file, for messages.</param>
    /// <returns>What text is split by, each within the pieces of the one before.</returns>
    /// <exception cref="SoftmodelException">It is not known.</exception>
    public static (PreTokenizer[] Steps, bool TakesWhole) Find(string name, string path) =>
        Named.FirstOrDefault(n => n.Names.Contains(name)) is { Patterns: { } patterns, TakesWhole: var takesWhole } ? ([.. patterns.Select(p => PreTokenizers.Splitting(Pattern.Of(p).Find))], takesWhole)
            : throw new SoftmodelException($"{path}: it splits text in the way '{name}' (tokenizer.ggml.pre), which is not known here; known are {string.Join(", ", Named.SelectMany(n => n.Names))}");
}
