using Softmodel.Speech;

namespace Softmodel.Cli.Demo;

/// <summary>A dialogue as sound: a file for each line, and one for all of it.</summary>
/// <param name="Folder">Where the files are.</param>
/// <param name="Whole">The file with all of it.</param>
/// <param name="Lines">The lines.</param>
/// <param name="AudioSeconds">How long all of it lasts, pauses between lines included.</param>
/// <param name="SpeakingMs">How long it took to make.</param>
sealed record Performance(string Folder, string Whole, Performance.Line[] Lines, double AudioSeconds, double SpeakingMs)
{
    // In seconds: after a line, and before a scene.
    const double Pause = 0.35, LongPause = 1.2;

    /// <summary>A line of it.</summary>
    /// <param name="File">Its file.</param>
    /// <param name="Character">Who speaks.</param>
    /// <param name="Text">What.</param>
    /// <param name="Seconds">How long it lasts.</param>
    public sealed record Line(string File, string Character, string Text, double Seconds);

    /// <summary>How a voice speaks as a character.</summary>
    public static SpeechOptions As(Character character, VoiceProfile voice) => new()
    {
        Speed = (float)character.Speed,
        Noise = (float?)character.Noise,
        Seed = character.Seed,
        // A voice with fewer speakers gives several characters one of them; what is not given text is no character.
        Speaker = voice.OfText is { Count: > 0 } speakers ? speakers[character.Speaker % speakers.Count] : 0,
    };

    /// <summary>Speaks a dialogue. The files appear together when all of them are whole.</summary>
    /// <param name="dialogue">The dialogue.</param>
    /// <param name="title">The name of the file with all of it, without its ending.</param>
    /// <param name="voice">Who speaks.</param>
    /// <param name="folder">The folder for the files; those of the same names are replaced.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancel">Stops it, and leaves nothing of it.</param>
    /// <exception cref="SoftmodelException">A line can't be spoken, or the folder can't be written to.</exception>
    public static Performance Give(Dialogue dialogue, string title, Voice voice, string folder, IProgress<string> progress, CancellationToken cancel)
    {
        folder = Path.GetFullPath(folder);
        var stage = Path.Combine(Path.GetDirectoryName(folder) ?? folder, $".{Path.GetFileName(folder)}-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(stage);
            var (rate, took) = (voice.Profile.SampleRate, 0.0);
            var lines = new List<Line>();
            using var whole = new WaveWriter(Path.Combine(stage, $"{title}.wav"), rate);
            foreach (var (line, i) in dialogue.Lines.Select((line, i) => (line, i)))
            {
                progress.Report($"speaking line {i + 1} of {dialogue.Lines.Count}: {line.Character.Name}");
                var start = System.Diagnostics.Stopwatch.GetTimestamp();
                var sound = voice.Speak(line.Text, As(line.Character, voice.Profile), cancel);
                took += System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                var file = $"{i + 1:00}-{line.Character.Name.ToLowerInvariant()}.wav";
                sound.Save(Path.Combine(stage, file));
                if (i > 0)
                    whole.Write(new float[(int)((line.OpensScene ? LongPause : Pause) * rate)]);
                whole.Write(sound.Samples.Span);
                lines.Add(new(Path.Combine(folder, file), line.Character.Name, line.Text, Math.Round(sound.Duration.TotalSeconds, 3)));
            }
            whole.Commit();
            cancel.ThrowIfCancellationRequested();
            Directory.CreateDirectory(folder);
            foreach (var file in Directory.GetFiles(stage))
                File.Move(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
            return new(folder, Path.Combine(folder, $"{title}.wav"), [.. lines], Math.Round((double)whole.Count / rate, 3), Math.Round(took, 1));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{folder}' can't be written to: {e.Message}; name another folder with -o", e);
        }
        finally
        {
            if (Directory.Exists(stage))
                Directory.Delete(stage, recursive: true);
        }
    }
}
