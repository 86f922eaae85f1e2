namespace Softmodel.Language;

/// <summary>The names of what models of text of our own architectures take and give; see <c>docs/language.md</c>.</summary>
static class SequenceInputs
{
    /// <summary>The inputs: token ids, the position and the sequence of each, the cell of the KV cache that it goes into, what lies in every cell, whose logits are wanted, and which sequences go on.</summary>
    public const string Tokens = "tokens", Positions = "positions", Sequences = "sequences", Cells = "cells",
        CellPositions = "cell_positions", CellSequences = "cell_sequences", Wanted = "wanted", Kept = "kept";

    /// <summary>The outputs: of a decoder, and of an encoder.</summary>
    public const string Logits = "logits", Hidden = "hidden";

    /// <summary>The most sequences that a decoder tells apart.</summary>
    public const int MostSequences = 63;
}

/// <summary>The names that exporters of transformers' models give to what is made of a text.</summary>
static class ExportInputs
{
    /// <summary>The tokens, [texts, tokens].</summary>
    public const string Ids = "input_ids";

    /// <summary>1 for each token that is seen, those of the past first.</summary>
    public const string Mask = "attention_mask";

    /// <summary>Which of two texts a token is of.</summary>
    public const string Types = "token_type_ids";

    /// <summary>Which token of its text it is.</summary>
    public const string Places = "position_ids";
}
