namespace Softmodel.Language.Tokens;

/// <summary>Encodes a text that holds no special tokens.</summary>
/// <param name="text">The text, normalized; it may have surrogates only in pairs.</param>
/// <param name="withControl">Whether it may become control tokens.</param>
/// <param name="tokens">Is added to.</param>
delegate void Encode(Normalized text, bool withControl, List<int> tokens);

/// <summary>Makes a text of tokens.</summary>
/// <param name="tokens">The tokens.</param>
/// <param name="withControl">Whether control tokens are shown.</param>
delegate string Decode(ReadOnlySpan<int> tokens, bool withControl);

/// <summary>Where a tokenizer puts a space that the text does not have.</summary>
/// <param name="First">Before the text.</param>
/// <param name="AfterSpecial">Before what follows each special token.</param>
/// <param name="Twice">Even where a space is there already.</param>
readonly record struct SpacePrefix(bool First, bool AfterSpecial, bool Twice);

/// <summary>What a tokenizer is made of.</summary>
/// <param name="Vocabulary">The tokens.</param>
/// <param name="Encode">Encodes what lies between special tokens.</param>
/// <param name="Special">The special tokens.</param>
sealed record TokenizerParts(Vocabulary Vocabulary, Encode Encode, IReadOnlyList<SpecialToken> Special)
{
    /// <summary>The token that begins a text; null where there is none.</summary>
    public int? Begin { get; init; }

    /// <summary>The token that ends a text; null where there is none.</summary>
    public int? End { get; init; }

    /// <summary>Whether a text is meant to begin with <see cref="Begin"/>.</summary>
    public bool AddsBegin { get; init; }

    /// <summary>Whether a text is meant to end with <see cref="End"/>.</summary>
    public bool AddsEnd { get; init; }

    /// <summary>Other tokens that end what a model says, or its turn.</summary>
    public IReadOnlyList<int> MoreEnds { get; init; } = [];

    /// <summary>Where a space is put.</summary>
    public SpacePrefix Prefix { get; init; }

    /// <summary>Whether the first space of a text is dropped when it is decoded.</summary>
    public bool DropsFirstSpace { get; init; }

    /// <summary>The special tokens that are looked for in the text as it is after <see cref="Normalizers"/>.</summary>
    public IReadOnlyList<SpecialToken> SpecialNormalized { get; init; } = [];

    /// <summary>What is done to text before it is split.</summary>
    public IReadOnlyList<Normalizer> Normalizers { get; init; } = [];

    /// <summary>The tokens that are put before a text; null for <see cref="Begin"/> where <see cref="AddsBegin"/> says so.</summary>
    public int[]? Before { get; init; }

    /// <summary>The tokens that are put after a text; null for <see cref="End"/> where <see cref="AddsEnd"/> says so.</summary>
    public int[]? After { get; init; }

    /// <summary>Makes a text of tokens; null where it is the text of their bytes.</summary>
    public Decode? Decode { get; init; }
}
