using Softmodel.Language.Constraints;
using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>How the next token is sampled from the logits.</summary>
public sealed record SamplingOptions
{
    /// <summary>What logits are divided by; 0 for greedy decoding. At least 0.</summary>
    public double Temperature { get; init; }

    /// <summary>Only so many of the most probable tokens are sampled from; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Nucleus sampling: only the most probable tokens that together have this probability are sampled from; 1 for all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens with at least this share of the most probable one's probability are sampled from; 0 for all.</summary>
    public double MinP { get; init; }

    /// <summary>What the logits of tokens that have occurred are divided by, or multiplied by where they are negative (arXiv 1909.05858); 1 for none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>How many of the last tokens the repetition penalty looks at.</summary>
    public int RepetitionWindow { get; init; } = 64;

    /// <summary>What is subtracted from the logit of a token for each time that it has been generated, from -2 to 2; 0 for none.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>What is subtracted from the logit of a token that has been generated, from -2 to 2; 0 for none.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>The seed of sampling: the same seed gives the same text.</summary>
    public ulong Seed { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    internal void Validate()
    {
        static void Require(bool holds, string name, object value, string range) => _ = holds ? true : throw new ArgumentOutOfRangeException(name, value, $"{name} is {range}");
        Require(Temperature is >= 0 and < 1000, nameof(Temperature), Temperature, "0 or more");
        Require(TopK >= 0, nameof(TopK), TopK, "0 or more");
        Require(TopP is > 0 and <= 1, nameof(TopP), TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, nameof(MinP), MinP, "from 0 to 1");
        Require(RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), nameof(RepetitionPenalty), RepetitionPenalty, "above 0");
        Require(RepetitionWindow >= 0, nameof(RepetitionWindow), RepetitionWindow, "0 or more");
        Require(FrequencyPenalty is >= -2 and <= 2, nameof(FrequencyPenalty), FrequencyPenalty, "from -2 to 2");
        Require(PresencePenalty is >= -2 and <= 2, nameof(PresencePenalty), PresencePenalty, "from -2 to 2");
    }
}

/// <summary>Chooses tokens one after the other.</summary>
/// <param name="options">How.</param>
sealed class Sampler(SamplingOptions options)
{
    // Of the streams of random numbers, one that no graph draws from.
    const int Stream = int.MaxValue;

    readonly List<int> recent = [];
    readonly Dictionary<int, int> written = [];
    float[] scores = [];
    int[] order = [];
    long drawn;

    /// <summary>The token to come next.</summary>
    /// <param name="logits">The logits of the vocabulary.</param>
    /// <param name="constrained">Which tokens may come; null for all.</param>
    public int Next(ReadOnlySpan<float> logits, ConstrainedText? constrained = null)
    {
        // Most often the model does what is demanded, and then all that may be need not be found.
        var isBest = options is { Temperature: 0, RepetitionPenalty: 1, FrequencyPenalty: 0, PresencePenalty: 0 };
        var token = isBest && Largest(logits) is var best && constrained?.Allows(best) != false ? best : Drawn(logits, constrained is null ? [] : constrained.Allowed());
        Accept(token);
        return token;
    }

    /// <summary>Tells of a token of the prompt.</summary>
    public void Read(int token)
    {
        if (options.RepetitionPenalty == 1)
            return;
        recent.Add(token);
        if (recent.Count > options.RepetitionWindow)
            recent.RemoveAt(0);
    }

    /// <summary>Tells of a token that has been written without being chosen here.</summary>
    public void Accept(int token)
    {
        Read(token);
        written[token] = written.GetValueOrDefault(token) + 1;
    }

    /// <summary>The best one; the first of equals.</summary>
    public static int Largest(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
            best = logits[i] > logits[best] || float.IsNaN(logits[best]) ? i : best;
        return best;
    }

    int Drawn(ReadOnlySpan<float> logits, ReadOnlySpan<ulong> allowed)
    {
        if (scores.Length < logits.Length)
            (scores, order) = (new float[logits.Length], new int[logits.Length]);
        var all = scores.AsSpan(0, logits.Length);
        logits.CopyTo(all);
        foreach (var token in recent.Distinct())
            all[token] = (float)(all[token] > 0 ? all[token] / options.RepetitionPenalty : all[token] * options.RepetitionPenalty);
        foreach (var (token, times) in written)
            all[token] -= (float)(options.FrequencyPenalty * times + options.PresencePenalty);
        var count = 0;
        for (var i = 0; i < all.Length; i++)
        {
            if (allowed.IsEmpty || (allowed[i >> 6] >> i & 1) != 0)
                order[count++] = i;
        }
        if (count == 0)
            throw new SoftmodelException("no token can come next: the constraint can't be met");
        if (options.Temperature == 0)
        {
            var best = order[0];
            foreach (var i in order.AsSpan(0, count))
                best = all[i] > all[best] ? i : best;
            return best;
        }
        return order[Draw(Cut(all, count))];
    }

    /// <summary>Puts the tokens that may be drawn first, the best ahead, and their probabilities in their places; gives how many they are.</summary>
    Span<float> Cut(Span<float> all, int count)
    {
        var tokens = order.AsSpan(0, count);
        var max = float.NegativeInfinity;
        foreach (var i in tokens)
            max = Math.Max(max, all[i]);
        var floor = options.MinP > 0 ? max + options.Temperature * Math.Log(options.MinP) : double.NegativeInfinity;
        var kept = 0;
        foreach (var i in tokens)
        {
            if (all[i] >= floor)
                tokens[kept++] = i;
        }
        tokens = tokens[..Math.Max(1, kept)];
        var keys = new float[tokens.Length];
        for (var i = 0; i < keys.Length; i++)
            keys[i] = -all[tokens[i]];
        keys.AsSpan().Sort(tokens);
        if (options.TopK > 0)
            keys = keys[..Math.Min(keys.Length, options.TopK)];
        var sum = 0.0;
        for (var i = 0; i < keys.Length; i++)
            sum += keys[i] = (float)Math.Exp((-keys[i] - max) / options.Temperature);
        var (reached, end) = (0.0, 0);
        while (end < keys.Length && (end == 0 || reached < options.TopP * sum))
            reached += keys[end++];
        return keys.AsSpan(0, end);
    }

    int Draw(ReadOnlySpan<float> probabilities)
    {
        Span<float> chance = stackalloc float[1];
        Philox.Uniform(options.Seed, Stream, drawn++, chance);
        var sum = 0.0;
        foreach (var p in probabilities)
            sum += p;
        var left = chance[0] * sum;
        for (var i = 0; i < probabilities.Length; i++)
        {
            left -= probabilities[i];
            if (left < 0)
                return i;
        }
        return probabilities.Length - 1;
    }
}
