using Softmodel.Runtime.Fusion;

static class Letters
{
    [Exact("How often a letter is in a word.",
        "How many {letter:r} are in {word:strawberry}?",
        "How many {letter:s}'s are there in the word {word:mississippi}?",
        "How often does {letter:e} occur in {word:cheese}?",
        "How many times is the letter {letter:a} in {word:banana}?",
        "How many {letter:t} does {word:butter} have?",
        "The word {word:apple} contains how many {letter:p}?",
        "If you spell {word:committee}, how many times do you need the letter {letter:m}?",
        "What is the number of {letter:o}'s in {word:tooth}?",
        "Spell {word:sheriff}. How many times did you say {letter:f}?",
        "{letter:u} is in {word:autumn} how often?",
        "What is the frequency of {letter:h} in {word:hitchhike}?",
        "Count the letter {letter:n} in {word:dinner}.",
        "Take the word {word:level} and count {letter:e}.",
        "the count of {letter:l} in {word:yellow}",
        Negatives =
        [
            "How many letters does {word} have?",
            "How many vowels are in {word}?",
            "How many syllables are in {word}?",
            "What is the first letter of {word}?",
            "Which letter comes after {letter}?",
            "Does {word} begin with {letter}?",
            "Is there an {letter} in {word}?",
            "How many words begin with {letter}?",
        ])]
    static int LettersIn(string letter, string word)
    {
        if (letter.Length != 1)
            throw new ArgumentException($"'{letter}' is no letter");
        return word.Count(c => char.ToUpperInvariant(c) == char.ToUpperInvariant(letter[0]));
    }
}
