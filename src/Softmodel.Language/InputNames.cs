namespace Softmodel.Language;

/// <summary>The names of the inputs and outputs of language models of our own architectures; see <c>docs/language.md</c>.</summary>
static class SequenceInputs
{
    /// <summary>The inputs: token ids, the position and the sequence of each, the cell of the KV cache that it is written to, the position and the sequences of every cell, the indices of the tokens whose logits are computed, and 1 for each sequence that has a recurrent state already.</summary>
    public const string Tokens = "tokens", Positions = "positions", Sequences = "sequences", Cells = "cells",
        CellPositions = "cell_positions", CellSequences = "cell_sequences", LogitsIndices = "logits_indices", HasInitialState = "has_initial_state";

    /// <summary>More inputs of a fused decoder: cells, positions and sequences of tokens that its upper layers have not read yet, and whether each token whose logits are asked for may fire (0 for no, 1 for yes, 2 for yes with numbers as in JSON).</summary>
    public const string PendingCells = "pending_cells", PendingPositions = "pending_positions", PendingSequences = "pending_sequences", MayFire = "may_fire";

    /// <summary>The outputs: of a decoder, and of an encoder.</summary>
    public const string Logits = "logits", Hidden = "hidden";

    /// <summary>More outputs of a fused decoder: which program fired at each token whose logits are asked for, 0 for none, which then has logits; the positions of its operands' first and last tokens; and the tokens that it wrote. -1 stands where there are no more.</summary>
    public const string Fired = "fired", FiredOperands = "fired_operands", FiredTokens = "fired_tokens";

    /// <summary>The most sequences that a decoder tells apart.</summary>
    public const int MostSequences = 63;
}

/// <summary>The input names of models exported from transformers.</summary>
static class ExportInputs
{
    /// <summary>The tokens, [texts, tokens].</summary>
    public const string Ids = "input_ids";

    /// <summary>1 for each token that is attended to, those of the past first.</summary>
    public const string Mask = "attention_mask";

    /// <summary>Which of two texts a token is of.</summary>
    public const string Types = "token_type_ids";

    /// <summary>Which token of its text it is.</summary>
    public const string Places = "position_ids";
}
