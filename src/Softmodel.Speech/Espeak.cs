using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Softmodel.Speech;

/// <summary>Words as espeak-ng's IPA, by the program that is installed on this machine.</summary>
/// <param name="voice">Which of espeak-ng's voices, such as <c>en-us</c>.</param>
/// <param name="spelling">How the IPA becomes symbols.</param>
/// <param name="program">The name or path of the program.</param>
sealed class Espeak(string voice, IpaSpelling spelling, string program = "espeak-ng")
{
    /// <summary>Longer clauses are given in pieces: espeak-ng itself cuts those of some hundred characters.</summary>
    const int LongestClause = 200;

    static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    /// <summary>The sounds of words, as a speaker writes them: a <see cref="Phonemizer"/>.</summary>
    public IReadOnlyList<SpokenWord> Phonemize(IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        var clauses = Clauses(words);
        var lines = Run(clauses.Select(c => c.Text), cancellationToken);
        // Some characters make espeak-ng begin another line; then each clause is asked for alone.
        if (lines.Length != clauses.Count)
            lines = [.. clauses.Select(c => string.Join(' ', Run([c.Text], cancellationToken)))];
        var spoken = new List<SpokenWord>();
        foreach (var (line, clause) in lines.Zip(clauses))
        {
            var sounds = spelling.Words(line);
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
    string[] Run(IEnumerable<string> clauses, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, ["-q", "--ipa", .. spelling.Ties ? [$"--tie={IpaSpelling.Tie}"] : Array.Empty<string>(), "-b", "1", "-v", voice, "--stdin"])
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
        using (cancellationToken.Register(() => Stop(process)))
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
            cancellationToken.ThrowIfCancellationRequested();
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
