namespace Softmodel.Speech;

/// <summary>One sound of speech, as a voice's symbols name it.</summary>
/// <param name="Symbol">The symbol.</param>
/// <param name="Tone">Its stress, in voices whose symbols don't have it: 0 for a consonant, 1 to 3 for a vowel without stress, with primary and with secondary stress.</param>
readonly record struct Phoneme(string Symbol, int Tone = 0);

/// <summary>A word as it is spoken.</summary>
/// <param name="Phonemes">Its sounds.</param>
/// <param name="Mark">The punctuation after it: one of <see cref="SpokenEnglish.Marks"/>, or 0 for none.</param>
readonly record struct SpokenWord(Phoneme[] Phonemes, char Mark = '\0');

/// <summary>The sounds of words.</summary>
/// <param name="words">Words of letters and apostrophes, each perhaps with a mark of <see cref="SpokenEnglish.Marks"/> at its end.</param>
/// <param name="speaker">Who speaks them: speakers differ in their language.</param>
/// <param name="cancellationToken">Stops it.</param>
delegate IReadOnlyList<SpokenWord> Phonemizer(IReadOnlyList<string> words, int speaker, CancellationToken cancellationToken);
