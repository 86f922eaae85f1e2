using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Emit.Native;

/// <summary>A compiled model that is to become a native library.</summary>
/// <param name="Name">Its name, in the words of its users.</param>
/// <param name="Source">The C# for vectors of a width in bits: a class <c>Softmodel.Compiled.Width{bits}.Model</c> made from its weights.</param>
/// <param name="WriteWeights">Writes the weights, the same for every width.</param>
/// <param name="Inputs">What a run must be given.</param>
/// <param name="Outputs">What a run computes.</param>
/// <param name="Licence">The text of the licence that the weights are under.</param>
sealed record NativeModel(
    string Name,
    Func<int, string> Source,
    Action<Stream> WriteWeights,
    IReadOnlyList<TensorInfo> Inputs,
    IReadOnlyList<TensorInfo> Outputs,
    string Licence)
{
    /// <summary>What a program becomes.</summary>
    /// <param name="name">Its name, in the words of its users.</param>
    /// <param name="program">Its kernels.</param>
    /// <param name="schedule">How it is computed with vectors of so many bits.</param>
    /// <param name="licence">The text of the licence that the weights are under.</param>
    public static NativeModel Of(string name, LoweredProgram program, Func<int, Schedule> schedule, string licence)
    {
        var codes = new Dictionary<int, ProgramSource>();
        ProgramSource Code(int width)
        {
            lock (codes)
                return codes.TryGetValue(width, out var code) ? code : codes[width] = ProgramCode.Write(schedule(width));
        }
        return new(name, width => Code(width).Source, stream => Code(256).Weights.Write(stream), program.Graph.ArgumentInfos, program.Graph.ResultInfos, licence);
    }

    /// <summary>Files that lie beside the library, by their names.</summary>
    public IReadOnlyList<(string Name, Action<Stream> Write)> Beside { get; init; } = [];

    /// <summary>Other networks that it is used with, each in a folder of its own within that of the library, by the folder's name.</summary>
    public IReadOnlyList<(string Folder, NativeModel Model)> Parts { get; init; } = [];

    /// <summary>What names of functions, types and files begin with; made of <see cref="Name"/> unless it is given.</summary>
    public string Prefix { get; init; } = CName.Of(Name);
}

/// <summary>How a native library is built.</summary>
/// <param name="EmbedWeights">Whether the weights become part of the library instead of a file beside it.</param>
/// <param name="Target">The machine that it is for: <c>linux-x64</c> or <c>linux-arm64</c>.</param>
/// <param name="Name">
/// What names of functions, types and files begin with: small letters of ASCII, digits and underscores, a letter first, and nothing
/// that C or its library has a meaning for. By default it is made of the model's name.
/// </param>
/// <param name="MaxBytes">The most bytes that library and weights may have together; null for any.</param>
public sealed record NativeOptions(bool EmbedWeights = false, string Target = "linux-x64", string? Name = null, long? MaxBytes = null);

/// <summary>A native library that has been built.</summary>
/// <param name="Library">Its path.</param>
/// <param name="CodeBytes">The bytes of the library without embedded weights.</param>
/// <param name="WeightBytes">The bytes of the weights.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record NativeResult(string Library, long CodeBytes, long WeightBytes, double Seconds)
{
    /// <summary>The bytes of library and weights together.</summary>
    public long TotalBytes => CodeBytes + WeightBytes;
}
