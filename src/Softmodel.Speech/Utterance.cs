namespace Softmodel.Speech;

/// <summary>An utterance: what a voice speaks in one run.</summary>
/// <param name="Symbols">The ids of its symbols, with blanks between them where the voice has these.</param>
/// <param name="Tones">The tone of each.</param>
/// <param name="Languages">The language of each.</param>
/// <param name="Pause">The silence after it, in units of <see cref="SpeechOptions.Pause"/>.</param>
sealed record Utterance(long[] Symbols, long[] Tones, long[] Languages, float Pause)
{
    const string SentenceEnds = ".!?…", ClauseEnds = ",;:";

    // After a paragraph, and after what is only a part of a sentence.
    const float LongPause = 2, ShortPause = 1f / 3;

    // The symbol before a word, and its mark.
    const int BesideWord = 2;

    /// <summary>Divides words into utterances: at the ends of sentences, and where a sentence is too long at commas or else between words.</summary>
    /// <param name="words">The words of a paragraph.</param>
    /// <param name="voice">Who speaks them.</param>
    /// <param name="most">The most phonemes of one.</param>
    public static IEnumerable<Utterance> Of(IReadOnlyList<SpokenWord> words, VoiceProfile voice, int most)
    {
        words = [.. words.SelectMany(w => Pieces(w, voice.MaxSymbols - BesideWord))];
        var start = 0;
        while (start < words.Count)
        {
            var (end, count, symbols, clause) = (start, 0, 0, -1);
            while (end < words.Count && (end == start || (count + words[end].Phonemes.Length <= most && symbols + words[end].Phonemes.Length + BesideWord <= voice.MaxSymbols)))
            {
                count += words[end].Phonemes.Length;
                symbols += words[end].Phonemes.Length + BesideWord;
                var mark = words[end++].Mark;
                if (mark != 0 && SentenceEnds.Contains(mark))
                {
                    clause = end;
                    break;
                }
                if (mark != 0 && ClauseEnds.Contains(mark))
                    clause = end;
            }
            if (end < words.Count && clause > start)
                end = clause;
            var last = words[end - 1].Mark;
            var pause = end == words.Count ? LongPause : last != 0 && SentenceEnds.Contains(last) ? 1 : ShortPause;
            if (Of(words.Skip(start).Take(end - start), voice, pause) is { } utterance)
                yield return utterance;
            start = end;
        }
    }

    /// <summary>A word, in pieces where it has more phonemes than a voice speaks in one go.</summary>
    static IEnumerable<SpokenWord> Pieces(SpokenWord word, int most)
    {
        if (word.Phonemes.Length <= most)
            return [word];
        SpokenWord[] pieces = [.. word.Phonemes.Chunk(most).Select(p => new SpokenWord(p))];
        pieces[^1] = pieces[^1] with { Mark = word.Mark };
        return pieces;
    }

    /// <summary>Null where the voice has a symbol for none of the sounds.</summary>
    static Utterance? Of(IEnumerable<SpokenWord> words, VoiceProfile voice, float pause)
    {
        var said = new List<Phoneme> { new(voice.First) };
        foreach (var word in words)
        {
            if (said.Count > 1 && voice.Gap is { } gap)
                said.Add(new(gap));
            said.AddRange(word.Phonemes.Where(p => voice.Symbols.ContainsKey(p.Symbol)));
            if (word.Mark != 0 && voice.SymbolOf(word.Mark) is { } mark)
                said.Add(new(mark));
        }
        if (said.Count == 1)
            return null;
        said.Add(new(voice.Last));
        var (step, shift) = (voice.BlankBetween ? 2 : 1, voice.BlankAround ? 1 : 0);
        var count = step * (said.Count - 1) + 1 + 2 * shift;
        var (symbols, tones, languages) = (new long[count], new long[count], new long[count]);
        foreach (var (phoneme, i) in said.Select((p, i) => (p, step * i + shift)))
            (symbols[i], tones[i], languages[i]) = (voice.Symbols[phoneme.Symbol], phoneme.Tone + voice.ToneOffset, voice.Language);
        return new(symbols, tones, languages, pause);
    }
}
