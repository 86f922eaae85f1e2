using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Softmodel.Speech;

/// <summary>Words as espeak-ng's IPA, by the program that is installed on this machine.</summary>
/// <param name="voice">Which of espeak-ng's voices, such as <c>en-us</c>.</param>
/// <param name="program">The name or path of the program.</param>
sealed class Espeak(string voice, string program = "espeak-ng")
{
    /// <summary>Longer clauses are given in pieces: espeak-ng itself cuts those of some hundred characters.</summary>
    const int LongestClause = 200;

    static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    /// <summary>The sounds of words, one symbol for each letter of IPA: a <see cref="Phonemizer"/>.</summary>
    public IReadOnlyList<SpokenWord> Phonemize(IReadOnlyList<string> words, CancellationToken cancel)
    {
        var clauses = Clauses(words);
        var lines = Run(clauses.Select(c => c.Text), cancel);
        // Some characters make espeak-ng begin another line; then each clause is asked for alone.
        if (lines.Length != clauses.Count)
            lines = [.. clauses.Select(c => string.Join(' ', Run([c.Text], cancel)))];
        var spoken = new List<SpokenWord>();
        foreach (var (line, clause) in lines.Zip(clauses))
        {
            var sounds = Ipa.Words(line);
            for (var i = 0; i < sounds.Length; i++)
                spoken.Add(new(sounds[i], i == sounds.Length - 1 ? clause.Mark : '\0'));
        }
        return spoken;
    }

    /// <summary>Words up to a mark, and not too many.</summary>
    static List<(string Text, char Mark)> Clauses(IReadOnlyList<string> words)
    {
        var clauses = new List<(string, char)>();
        var text = new StringBuilder();
        foreach (var word in words)
        {
            var mark = SpokenEnglish.Marks.Contains(word[^1]) ? word[^1] : '\0';
            // A run of letters longer than a clause is no word.
            foreach (var part in word.AsSpan(0, word.Length - (mark == 0 ? 0 : 1)).ToString().Chunk(LongestClause))
            {
                if (text.Length > 0 && text.Length + part.Length >= LongestClause)
                    Close('\0');
                text.Append(text.Length > 0 ? " " : "").Append(part);
            }
            if (mark != 0)
                Close(mark);
        }
        if (text.Length > 0)
            Close('\0');
        return clauses;

        void Close(char mark)
        {
            clauses.Add((text.ToString(), mark));
            text.Clear();
        }
    }

    /// <summary>One line of IPA for each clause.</summary>
    string[] Run(IEnumerable<string> clauses, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(program, ["-q", "--ipa", "-b", "1", "-v", voice, "--stdin"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new SoftmodelException($"this voice needs espeak-ng, and '{program}' can't be started ({e.Message}): install it ('apt-get install espeak-ng', 'brew install espeak-ng', or from its releases on Windows), or give phonemes in IPA", e);
        }
        using (process)
        using (cancel.Register(() => Stop(process)))
        {
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            try
            {
                // An empty line ends a clause.
                process.StandardInput.Write(string.Join("\n\n", clauses));
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended early, and says why below.
            }
            if (!process.WaitForExit(patience))
            {
                Stop(process);
                throw new SoftmodelException($"espeak-ng has not answered in {patience.TotalSeconds:F0} seconds");
            }
            cancel.ThrowIfCancellationRequested();
            if (process.ExitCode != 0)
                throw new SoftmodelException($"espeak-ng failed: {errors.Result.Trim().ReplaceLineEndings(" ")}");
            return output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        }
    }

    static void Stop(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended.
        }
    }
}

/// <summary>Phonemes written in IPA.</summary>
static class Ipa
{
    /// <summary>The words of a line; each character is a symbol, letters with a sign below or above are two.</summary>
    public static Phoneme[][] Words(string line) =>
        [.. Plain(line).Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(word => word.Select(c => new Phoneme(c.ToString())).ToArray())];

    /// <summary>Without what says that a word is of another language, such as <c>(fr)</c>, and with combined letters taken apart.</summary>
    static string Plain(string line)
    {
        var plain = new StringBuilder(line.Length);
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '(' && line.IndexOf(')', i) is > 0 and var end && end - i <= 8)
                i = end;
            else
                plain.Append(line[i] switch { 'ç' => "c\u0327", 'ã' => "a\u0303", 'õ' => "o\u0303", '\u200d' => "", var c => c.ToString() });
        }
        return plain.ToString();
    }
}
