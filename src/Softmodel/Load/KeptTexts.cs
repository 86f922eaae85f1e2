using Softmodel.Language;
using Softmodel.Runtime;

namespace Softmodel.Load;

/// <summary>A text that a model wrote, and what it expected at each place of it: what it is to go on expecting.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="First">The place of the first token that the model chose.</param>
/// <param name="Candidates">The most probable tokens of each place from there on, [places, <see cref="KeptTexts.CandidateCount"/>].</param>
/// <param name="Probabilities">Their probabilities.</param>
sealed record KeptText(int[] Tokens, int First, long[] Candidates, float[] Probabilities);

/// <summary>Lets a model write texts of its own, so that nobody has to bring any.</summary>
static class KeptTexts
{
    /// <summary>How many tokens of each place are told apart; all others count as one.</summary>
    public const int CandidateCount = 64;

    const int AtOnce = 32;

    // A stream that neither the order of texts nor adapters are drawn from.
    const ulong Stream = 1UL << 40;

    // Prose, dialogue, letters, instructions, news, code, lists: a chat is none of them, since that is what is to change.
    static readonly string[] openings =
    [
        "The ", "In the ", "It was ", "She ", "He said, \"", "\"I", "There are ", "When ", "A ", "This ", "On Monday", "If you ", "Dear ", "We ", "They ", "What ",
        "1. ", "- ", "# ", "def ", "Once ", "According to ", "For ", "By ", "My ", "After ", "I ", "\"What", "Most ", "As ", "People ", "One day",
    ];

    /// <summary>Texts that a model writes: drawn from what it expects, at a temperature of 1.</summary>
    /// <param name="model">The model, as it is.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="count">How many texts.</param>
    /// <param name="length">How many tokens of each it chooses at most.</param>
    /// <param name="seed">What they are drawn from.</param>
    /// <param name="threads">How many threads; the texts do not depend on it.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancellationToken">Stops between two tokens.</param>
    public static KeptText[] Write(Model model, Tokenizer tokenizer, int count, int length, ulong seed, int threads, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        using var decoder = Decoder.Of(model.Compile(new() { Threads = threads }, progress, cancellationToken), 2 * length, quantisesPerRun: model.RoundsByRun);
        var texts = new List<KeptText>();
        foreach (var group in Enumerable.Range(0, count).Chunk(AtOnce))
        {
            progress?.Report($"writing texts to keep: {texts.Count} of {count}");
            var drafts = group.Select(i => new Draft(i, decoder.Begin(), [.. tokenizer.Before, .. tokenizer.Encode(openings[i % openings.Length].TrimEnd(), parsesSpecial: false)])).ToArray();
            for (var open = drafts; open.Length > 0; open = [.. open.Where(d => d.Tokens.Count < d.First + length && !tokenizer.Ends.Contains(d.Tokens[^1]))])
            {
                cancellationToken.ThrowIfCancellationRequested();
                var logits = decoder.Run([.. open.Select(d => new SequenceTokens(d.Sequence, d.Unread()))]);
                for (var i = 0; i < open.Length; i++)
                    open[i].Choose(logits.Slice(i * decoder.Vocabulary, decoder.Vocabulary), seed);
            }
            foreach (var draft in drafts)
            {
                decoder.End(draft.Sequence);
                texts.Add(new([.. draft.Tokens], draft.First, [.. draft.Candidates], [.. draft.Probabilities]));
            }
        }
        return [.. texts];
    }

    /// <summary>A text as it is written.</summary>
    sealed record Draft(int Number, int Sequence, List<int> Tokens)
    {
        int read;

        public int First { get; } = Tokens.Count;

        public List<long> Candidates { get; } = [];

        public List<float> Probabilities { get; } = [];

        public ReadOnlyMemory<int> Unread()
        {
            var unread = Tokens[read..].ToArray();
            read = Tokens.Count;
            return unread;
        }

        public void Choose(ReadOnlySpan<float> logits, ulong seed)
        {
            var most = logits[Sampler.Largest(logits)];
            var (sum, best) = (0.0, new PriorityQueue<int, float>());
            for (var i = 0; i < logits.Length; i++)
            {
                sum += Math.Exp(logits[i] - most);
                if (best.Count < CandidateCount)
                    best.Enqueue(i, logits[i]);
                else if (best.TryPeek(out _, out var least) && logits[i] > least)
                    best.EnqueueDequeue(i, logits[i]);
            }
            // A vocabulary may be smaller than that: a token that is there twice counts once.
            var candidates = best.UnorderedItems.OrderByDescending(c => c.Priority).ThenBy(c => c.Element).Select(c => c.Element).ToList();
            for (var i = 0; i < CandidateCount; i++)
            {
                Candidates.Add(candidates[Math.Min(i, candidates.Count - 1)]);
                Probabilities.Add(i < candidates.Count ? (float)(Math.Exp(logits[candidates[i]] - most) / sum) : 0);
            }
            Span<float> chance = stackalloc float[1];
            Philox.Uniform(seed, Stream + (ulong)Number, Tokens.Count - First, chance);
            var left = chance[0] * sum;
            var token = 0;
            for (; token < logits.Length - 1 && (left -= Math.Exp(logits[token] - most)) >= 0; token++)
            {
            }
            Tokens.Add(token);
        }
    }
}
