using System.Globalization;

namespace Softmodel.Cli.Conformance;

/// <summary>Inputs and the outputs that they should give: files of one <c>TensorProto</c> each, in the order of the model's.</summary>
/// <param name="Inputs">Empty where the case asks for the inputs that <see cref="CaseRunner"/> makes up.</param>
/// <param name="Outputs">The outputs.</param>
/// <param name="AreInputsRamps">Whether each input counts evenly from 0 up to 1, as ONNX's runner has it for light models.</param>
internal sealed record DataSet(string[] Inputs, string[] Outputs, bool AreInputsRamps = false);

/// <summary>A model and what it should compute.</summary>
/// <param name="Name">The name of its folder or file.</param>
/// <param name="Model">Its file.</param>
/// <param name="Data">What it should compute.</param>
/// <param name="Tolerance">How close it should come.</param>
internal sealed record Case(string Name, string Model, DataSet[] Data, Tolerance Tolerance);

/// <summary>Cases that lie in one folder, in the order of their names.</summary>
internal sealed record Suite(string Name, Case[] Cases);

/// <summary>Finds the cases below a folder.</summary>
internal static class Suites
{
    /// <summary>
    /// A folder of cases is one suite; a folder of such folders is a suite for each. A case is a folder with
    /// <c>model.onnx</c> and <c>test_data_set_N/{input,output}_M.pb</c>, or a light model <c>X.onnx</c> with <c>X_output_M.pb</c>.
    /// </summary>
    /// <exception cref="SoftmodelException">There is no such folder, or no case in any of them.</exception>
    public static Suite[] Find(params string[] folders) => folders.SelectMany(Below).ToArray() is { Length: > 0 } suites ? suites
        : throw new SoftmodelException($"{string.Join(", ", folders)}: there are no ONNX backend tests here (CASE/model.onnx with CASE/test_data_set_0)");

    static Suite[] Below(string folder)
    {
        if (!Directory.Exists(folder))
            throw new SoftmodelException($"{folder}: there is no such folder; give one of ONNX backend tests");
        var whole = Read(folder);
        return whole.Cases.Length > 0 ? [whole]
            : [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Select(Read).Where(s => s.Cases.Length > 0)];
    }

    static Suite Read(string folder)
    {
        var name = Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar));
        var tolerance = Tolerance.Of(name);
        var cases = from model in Directory.GetDirectories(folder).Select(d => Path.Combine(d, "model.onnx"))
                    where File.Exists(model)
                    let home = Path.GetDirectoryName(model)!
                    select new Case(Path.GetFileName(home), model, DataOf(home), tolerance);
        var light = from model in Directory.GetFiles(folder, "*.onnx")
                    let title = Path.GetFileNameWithoutExtension(model)
                    let outputs = Numbered(folder, $"{title}_output_")
                    where outputs.Length > 0
                    select new Case(title, model, [new([], outputs, AreInputsRamps: true)], tolerance);
        return new(name, [.. cases.Concat(light).OrderBy(c => c.Name, StringComparer.Ordinal)]);
    }

    static DataSet[] DataOf(string folder) =>
        [.. Directory.GetDirectories(folder, "test_data_set_*").Order(StringComparer.Ordinal).Select(d => new DataSet(Numbered(d, "input_"), Numbered(d, "output_")))];

    static string[] Numbered(string folder, string prefix) =>
        [.. Directory.GetFiles(folder, $"{prefix}*.pb").OrderBy(f => int.Parse(Path.GetFileNameWithoutExtension(f)[prefix.Length..], CultureInfo.InvariantCulture))];
}
