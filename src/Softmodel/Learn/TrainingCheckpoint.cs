using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Softmodel.Export.Safetensors;
using Softmodel.Graphs;
using Softmodel.Import.Safetensors;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>Where a training stands: what it needs to go on as if it had never stopped.</summary>
/// <param name="States">The parameters and moments, by the names of <see cref="TrainingStep.States"/>.</param>
/// <param name="Step">How many steps have been taken.</param>
/// <param name="Epoch">The epoch that it is in.</param>
/// <param name="Position">How many batches of it are done.</param>
/// <param name="Seed">See <see cref="Trainer.Seed"/>.</param>
/// <param name="BestLoss">The least validation loss so far; infinity before the first.</param>
/// <param name="Best">The parameters that had it; empty before the first.</param>
/// <param name="Waited">How many validations there were since.</param>
/// <param name="History">What was seen so far, in order.</param>
sealed record TrainingCheckpoint(
    IReadOnlyDictionary<string, Tensor> States, long Step, long Epoch, long Position, ulong Seed,
    double BestLoss, IReadOnlyDictionary<string, Tensor> Best, int Waited, IReadOnlyList<TrainingPoint> History)
{
    const string Format = "softmodel-training-1", BestPrefix = "best/", HistoryName = "history";

    /// <summary>Writes a file: the one that is there stays until the new one is whole and on the disk.</summary>
    /// <param name="path">The file. While it is written it is called <c>path.part</c>.</param>
    /// <param name="network">What <see cref="HashOf"/> gives of the step.</param>
    /// <param name="data">See <see cref="BatchSource.Identity"/>.</param>
    /// <exception cref="SoftmodelException">It can't be written; what is there is as it was.</exception>
    public void Write(string path, string network, string data)
    {
        var tensors = new Dictionary<string, Tensor>(States, StringComparer.Ordinal);
        foreach (var (name, tensor) in Best)
            tensors[BestPrefix + name] = tensor;
        tensors[HistoryName] = Tensor.Of<double>([.. History.SelectMany(p => (double[])[p.Step, p.Loss, p.Validation ?? double.NaN])], History.Count, 3);
        string Number<T>(T number) where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["format"] = Format,
            ["network"] = network,
            ["data"] = data,
            ["step"] = Number(Step),
            ["epoch"] = Number(Epoch),
            ["position"] = Number(Position),
            ["seed"] = Number(Seed),
            ["best_loss"] = BestLoss.ToString("R", CultureInfo.InvariantCulture),
            ["waited"] = Number(Waited),
        };
        metadata["sha256"] = Sum(tensors, metadata);
        var part = path + ".part";
        try
        {
            using (var stream = new FileStream(part, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                SafetensorsWriter.Write(stream, tensors, metadata);
                // What is renamed before it is on the disk may be empty after a power cut.
                stream.Flush(flushToDisk: true);
            }
            File.Move(part, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var there = File.Exists(path) ? "the one that is there is of an earlier step, and whole" : "there is none";
            throw new SoftmodelException($"'{path}': the checkpoint of step {Step} can't be written: {e.Message}; {there}: free space or name another place, and resume", e);
        }
        finally
        {
            TryDelete(part);
        }
    }

    static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Why it could not be written has been said.
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="network">What <see cref="HashOf"/> gives of the step that is to go on.</param>
    /// <param name="data">The <see cref="BatchSource.Identity"/> that it is to go on with.</param>
    /// <exception cref="SoftmodelException">It is none, damaged, or of another network or other data.</exception>
    public static TrainingCheckpoint Read(string path, string network, string data)
    {
        using var file = SafetensorsFile.Open(path);
        string Said(string key) => file.Metadata.TryGetValue(key, out var value) ? value : throw new SoftmodelException($"{path}: it is no checkpoint of a training: it does not say its {key}");
        if (Said("format") != Format)
            throw new SoftmodelException($"{path}: its format is '{Said("format")}', and '{Format}' is known here; it is of another version of softmodel");
        var tensors = file.Tensors.ToDictionary(t => t.Key, t => Copied(t.Value), StringComparer.Ordinal);
        if (Said("sha256") != Sum(tensors, file.Metadata))
            throw new SoftmodelException($"{path}: the checkpoint is damaged: its contents have another checksum than they had when it was written; take a copy of it, or begin anew without it");
        if (Said("network") != network)
            throw new SoftmodelException($"{path}: it is the checkpoint of another network, or of other options of its training; train what it is of, or begin anew with another checkpoint");
        if (Said("data") != data)
            throw new SoftmodelException($"{path}: it is the checkpoint of a training on other data, or in another order (batch size, seed, split); give the same, or begin anew with another checkpoint");
        try
        {
            long Integer(string key) => long.Parse(Said(key), NumberStyles.None, CultureInfo.InvariantCulture);
            var history = tensors[HistoryName].Values<double>().ToArray().Chunk(3).Select(p => new TrainingPoint((long)p[0], p[1], double.IsNaN(p[2]) ? null : p[2]));
            return new(
                tensors.Where(t => t.Key != HistoryName && !t.Key.StartsWith(BestPrefix, StringComparison.Ordinal)).ToDictionary(t => t.Key, t => t.Value, StringComparer.Ordinal),
                Integer("step"), Integer("epoch"), Integer("position"), ulong.Parse(Said("seed"), NumberStyles.None, CultureInfo.InvariantCulture),
                double.Parse(Said("best_loss"), NumberStyles.Float, CultureInfo.InvariantCulture),
                tensors.Where(t => t.Key.StartsWith(BestPrefix, StringComparison.Ordinal)).ToDictionary(t => t.Key[BestPrefix.Length..], t => t.Value, StringComparer.Ordinal),
                (int)Integer("waited"), [.. history]);
        }
        catch (Exception e) when (e is FormatException or OverflowException or KeyNotFoundException)
        {
            throw new SoftmodelException($"{path}: it is no checkpoint of a training: {e.Message}", e);
        }
    }

    static Tensor Copied(Weight weight) => new(weight.Format.Name switch
    {
        "F64" => ElementType.Float64,
        "F32" => ElementType.Float32,
        "F16" => ElementType.Float16,
        "BF16" => ElementType.BFloat16,
        var other => throw new SoftmodelException($"the tensor '{weight.Name}' is of type {other}: it is of no training"),
    }, weight.Dims, weight.Bytes.ToArray());

    /// <summary>A checksum of all that a file says.</summary>
    static string Sum(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (key, value) in metadata.Where(m => m.Key != "sha256").OrderBy(m => m.Key, StringComparer.Ordinal))
            hash.AppendData(JsonSerializer.SerializeToUtf8Bytes((string[])[key, value]));
        foreach (var (name, tensor) in tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {tensor.TensorType}\n"));
            hash.AppendData(tensor.Bytes.Span);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A hash of a step: its graph, with all that is not trained.</summary>
    public static string HashOf(TrainingStep step) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(GraphText.Write(step.Graph))));
}
