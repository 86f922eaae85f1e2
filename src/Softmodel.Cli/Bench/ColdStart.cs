using Softmodel.Cli.Workloads;

namespace Softmodel.Cli.Bench;

/// <summary>What it takes from the start of a process to the first result.</summary>
/// <param name="OursMs">The median of a native program.</param>
/// <param name="PeerMs">The median of a program in C# with ONNX Runtime.</param>
/// <param name="OursPeakBytes">The most memory that the native program held.</param>
/// <param name="PeerPeakBytes">The most memory that the other program held.</param>
/// <param name="Programs">What the two are.</param>
sealed record ColdStart(double OursMs, double PeerMs, long OursPeakBytes, long PeerPeakBytes, string[] Programs)
{
    /// <summary>Starts both in turns, each in a new process, after one start that brings their files into memory.</summary>
    /// <param name="model">The ONNX file.</param>
    /// <param name="library">The same, built.</param>
    /// <param name="work">What is run.</param>
    /// <param name="ourInputs">The inputs in the library's order.</param>
    /// <param name="peerInputs">The inputs in the ONNX file's order.</param>
    /// <param name="threads">How many threads each uses.</param>
    /// <param name="rounds">How often each is started.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancel">Ends the programs.</param>
    /// <exception cref="SoftmodelException">There is no C compiler, or a program fails, or they don't compute as much.</exception>
    public static async Task<ColdStart> Measure(string model, NativeLibrary library, Workload work, IReadOnlyList<string> ourInputs, IReadOnlyList<string> peerInputs, int threads, int rounds, IProgress<string> progress, CancellationToken cancel)
    {
        using var folder = new TemporaryFolder();
        ProgramAlone.WriteInputs(folder.File("ours"), [work], ourInputs);
        ProgramAlone.WriteInputs(folder.File("its"), [work], peerInputs);
        ProgramAlone[] programs = [await ProgramAlone.Native(library, threads, folder.File("ours"), folder, cancel), ProgramAlone.OnnxRuntime(model, threads, folder.File("its"))];
        var took = programs.Select(_ => new List<Took>()).ToArray();
        for (var round = -1; round < rounds; round++)
        {
            progress.Report($"starting {library.Prefix} with {threads} threads, {round + 1} of {rounds}");
            foreach (var (program, all) in programs.Zip(took))
            {
                var one = await program.Run(cancel);
                if (round >= 0)
                    all.Add(one);
            }
        }
        if (took[0][0].Elements != took[1][0].Elements)
            throw new SoftmodelException($"the native program computes {took[0][0].Elements} elements where ONNX Runtime computes {took[1][0].Elements}: their times can't be compared");
        double Median(int who) => Timing.Of(took[who].Select(t => t.FirstMs)).Median;
        return new(Median(0), Median(1), took[0].Max(t => t.PeakBytes), took[1].Max(t => t.PeakBytes), [.. programs.Select(p => p.Name)]);
    }
}
