using Softmodel.Cli.Baselines;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Workloads;
using Softmodel.Import.Onnx;
using Softmodel.Speech;

namespace Softmodel.Cli.Demo;

/// <summary>What a voice costs, compiled and in ONNX Runtime: the same lines, each in a process of its own.</summary>
/// <param name="Ours">The compiled voice.</param>
/// <param name="Peer">The voice in ONNX Runtime.</param>
/// <param name="AudioSeconds">How much sound each made.</param>
/// <param name="Missing">Why there is no native library, or null where there is one.</param>
sealed record Comparison(Comparison.Cost Ours, Comparison.Cost Peer, double AudioSeconds, string? Missing)
{
    /// <summary>What one of them costs.</summary>
    /// <param name="Program">What ran.</param>
    /// <param name="CodeBytes">The code that it needs beside the program itself: a library; null where there is none of its own.</param>
    /// <param name="ModelBytes">The file of the model, or of its weights.</param>
    /// <param name="FirstSoundMs">From the start of the process to the samples of the first line.</param>
    /// <param name="RealTimeFactor">The time that speaking took, by the length of the sound.</param>
    /// <param name="PeakBytes">The most memory that the process held.</param>
    public sealed record Cost(string Program, long? CodeBytes, long? ModelBytes, double FirstSoundMs, double RealTimeFactor, long PeakBytes)
    {
        /// <summary>Code and model together; null where one is not known.</summary>
        public long? TotalBytes => CodeBytes + ModelBytes;
    }

    /// <summary>Lets both speak lines, without noise: then both make the same sound.</summary>
    /// <param name="source">The voice as the user names it.</param>
    /// <param name="model">The voice.</param>
    /// <param name="voice">The same, compiled.</param>
    /// <param name="lines">The lines.</param>
    /// <param name="threads">How many threads each uses.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Ends the programs.</param>
    /// <exception cref="SoftmodelException">A program fails.</exception>
    public static async Task<Comparison> Measure(string source, Model model, Voice voice, IEnumerable<DialogueLine> lines, int threads, IProgress<string> progress, CancellationToken cancel)
    {
        var inputs = voice.Network.Inputs;
        var works = new List<Workload>();
        foreach (var line in lines)
        {
            var options = Performance.As(line.Character, voice.Profile) with { Noise = 0, NoiseWidth = 0 };
            works.AddRange(voice.Utterances(line.Text, options, cancel).Select(u => SpokenLine.Of(u, line.Text, voice.Profile, options, inputs)));
        }
        using var folder = new TemporaryFolder();
        ProgramAlone.WriteInputs(folder.File("ours"), works, [.. inputs.Select(i => i.Name)]);
        ProgramAlone.WriteInputs(folder.File("its"), works, InputsOf(model.Path));

        NativeLibrary? library = null;
        ProgramAlone? ours = null;
        string? missing = null;
        try
        {
            library = await NativeLibrary.Of(model, progress, cancel);
            ours = await ProgramAlone.Native(library, threads, folder.File("ours"), folder, cancel);
        }
        catch (SoftmodelException e)
        {
            missing = e.Message;
        }
        ours ??= ProgramAlone.InProcess(source, threads, folder.File("ours"));
        var peer = ProgramAlone.OnnxRuntime(model.Path, threads, folder.File("its"));
        progress.Report("measuring the compiled voice");
        var took = await ours.Run(cancel);
        progress.Report("measuring ONNX Runtime");
        var its = await peer.Run(cancel);
        if (took.Elements != its.Elements)
            throw new SoftmodelException($"the compiled voice makes {took.Elements} samples where ONNX Runtime makes {its.Elements}; 'softmodel verify {source}' compares them");
        var seconds = (double)took.Elements / voice.Profile.SampleRate;
        Cost Of(ProgramAlone program, long? code, long? weights, Took t) => new(program.Name, code, weights, Math.Round(t.FirstMs, 1), Math.Round(t.RunsMs / 1000 / seconds, 5), t.PeakBytes);
        return new(Of(ours, library?.CodeBytes, library?.WeightBytes, took), Of(peer, OnnxRuntimeBaseline.LibraryBytes, new FileInfo(model.Path).Length, its), Math.Round(seconds, 3), missing);
    }

    static string[] InputsOf(string path)
    {
        using var file = OnnxFile.Open(path);
        return [.. file.Model.Graph.Inputs.Select(i => i.Name).Where(n => !file.Model.Graph.Initializers.ContainsKey(n))];
    }
}
