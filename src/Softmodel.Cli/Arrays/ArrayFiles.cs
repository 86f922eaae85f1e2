using System.Text;
using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Graphs;
using Softmodel.Runtime;
using Softmodel.Speech;

namespace Softmodel.Cli.Arrays;

/// <summary>What was given for an input: a tensor of a certain type, or numbers that take the type of the input.</summary>
/// <param name="Tensor">The tensor, or null.</param>
/// <param name="Numbers">The numbers, or null.</param>
/// <param name="Where">Where it came from, for errors.</param>
sealed record Given(Tensor? Tensor, Numbers? Numbers, string Where);

/// <summary>Tensors in files: .npy, .npz, .json and .wav.</summary>
static class ArrayFiles
{
    /// <summary>The inputs that the user gave.</summary>
    /// <param name="arguments">
    /// Each <c>NAME=VALUE</c>, where the value is a file or JSON such as <c>0.5</c> and <c>[[1,2]]</c>; or a .npz or .json
    /// file that holds several by their names.
    /// </param>
    /// <exception cref="SoftmodelException">One can't be read.</exception>
    public static Dictionary<string, Given> Read(IEnumerable<string> arguments)
    {
        var given = new Dictionary<string, Given>(StringComparer.Ordinal);
        foreach (var argument in arguments)
        {
            var equals = argument.IndexOf('=');
            if (equals < 0 && Path.GetExtension(argument).ToLowerInvariant() is ".npz" or ".json")
            {
                foreach (var (name, value) in ReadNamed(argument))
                    given[name] = value;
            }
            else if (equals > 0)
            {
                given[argument[..equals]] = ReadOne(argument[..equals], argument[(equals + 1)..]);
            }
            else
            {
                throw new UsageException($"'{argument}' is no input: write NAME=FILE, NAME=NUMBERS, or name a .npz or .json file with all of them");
            }
        }
        return given;
    }

    static Given ReadOne(string name, string value)
    {
        switch (Path.GetExtension(value).ToLowerInvariant())
        {
            case ".npy":
                return new(Npy.Read(value), null, value);
            case ".wav":
                var sound = WaveFile.Read(value);
                return new(Tensor.Of(sound.Samples.Span, sound.Samples.Length), null, value);
            case ".json":
                return new(null, Parse(Bytes(value), value), value);
            default:
                try
                {
                    return new(null, Parse(Encoding.UTF8.GetBytes(value), $"the value of '{name}'"), $"the value of '{name}'");
                }
                catch (JsonException)
                {
                    throw new UsageException($"'{value}' for '{name}' is neither a .npy, .json or .wav file nor numbers such as 0.5 or [[1,2]]");
                }
        }
    }

    static Numbers Parse(byte[] json, string where)
    {
        using var document = JsonDocument.Parse(json);
        return Numbers.Read(document.RootElement.Clone(), where);
    }

    static IEnumerable<(string Name, Given Value)> ReadNamed(string path) => Path.GetExtension(path).Equals(".npz", StringComparison.OrdinalIgnoreCase)
        ? Npz.Read(path).Select(a => (a.Name, new Given(a.Tensor, null, a.Where))) : ReadJson(Bytes(path), path);

    static List<(string, Given)> ReadJson(byte[] bytes, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new SoftmodelException($"{path} must hold an object with a list of numbers for each input: {{ \"NAME\": [[1, 2]] }}");
            return [.. document.RootElement.EnumerateObject().Select(p => (p.Name, new Given(null, Numbers.Read(p.Value.Clone(), $"'{p.Name}' in {path}"), $"'{p.Name}' in {path}")))];
        }
        catch (JsonException e)
        {
            throw new SoftmodelException($"{path} is no JSON: {e.Message}", e);
        }
    }

    static byte[] Bytes(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Npy.Unreadable(path, e);
        }
    }

    /// <summary>Writes tensors; the file appears when it is whole.</summary>
    /// <param name="path">A .npz or .json file for all of them, a .npy file for the only one, a .wav file for the only one as sound.</param>
    /// <param name="tensors">The tensors and their names.</param>
    /// <param name="rate">The sample rate of audio, in Hz.</param>
    /// <exception cref="SoftmodelException">The format does not hold them, or the file can't be written.</exception>
    public static void Write(string path, IReadOnlyList<(string Name, Tensor Tensor)> tensors, int rate)
    {
        var write = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".npz" => (Action<Stream>?)(stream => Npz.Write(stream, tensors)),
            ".json" => stream => WriteJson(stream, tensors),
            ".npy" => stream => Npy.Write(stream, Only(tensors, path)),
            ".wav" => null,
            _ => throw new UsageException($"'{path}' must end in .npz, .npy, .json or .wav"),
        };
        if (write is null)
        {
            WaveFile.Write(path, [.. Reals(Only(tensors, path))], rate);
            return;
        }
        WholeFile.Write(path, write);
    }

    static IEnumerable<float> Reals(Tensor tensor)
    {
        for (long i = 0; i < tensor.Count; i++)
            yield return (float)tensor.Float(i);
    }

    static Tensor Only(IReadOnlyList<(string Name, Tensor Tensor)> tensors, string path) => tensors is [var (_, tensor)] ? tensor
        : throw new UsageException($"'{path}' holds one array, and there are {tensors.Count}: write NAME=FILE for one of {string.Join(", ", tensors.Select(t => t.Name))}, or name a .npz file");

    static void WriteJson(Stream stream, IReadOnlyList<(string Name, Tensor Tensor)> tensors)
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        foreach (var (name, tensor) in tensors)
        {
            json.WritePropertyName(name);
            long next = 0;
            WriteAxis(json, tensor, 0, ref next);
        }
        json.WriteEndObject();
    }

    static void WriteAxis(Utf8JsonWriter json, Tensor tensor, int axis, ref long next)
    {
        if (axis == tensor.Rank)
        {
            WriteNumber(json, tensor, next++);
            return;
        }
        json.WriteStartArray();
        for (long i = 0; i < tensor.Dims[axis]; i++)
            WriteAxis(json, tensor, axis + 1, ref next);
        json.WriteEndArray();
    }

    static void WriteNumber(Utf8JsonWriter json, Tensor tensor, long index)
    {
        var real = tensor.Float(index);
        if (tensor.Type == ElementType.Bool)
            json.WriteBooleanValue(real != 0);
        else if (tensor.Type == ElementType.UInt64)
            json.WriteNumberValue(unchecked((ulong)tensor.Integer(index)));
        else if (!tensor.Type.IsFloat())
            json.WriteNumberValue(tensor.Integer(index));
        // JSON has no infinities.
        else if (!double.IsFinite(real))
            json.WriteStringValue(real.ToString("R"));
        else if (tensor.Type == ElementType.Float64)
            json.WriteNumberValue(real);
        else
            json.WriteNumberValue((float)real);
    }
}
