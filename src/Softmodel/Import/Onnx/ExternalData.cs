using System.Globalization;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx;

/// <summary>
/// The files beside a model that hold its tensors. A model may only name files in its own folder or below, and no symbolic
/// link may lead out of there: a model from a stranger must not read other files of the machine.
/// </summary>
internal sealed class ExternalData(string folder) : IDisposable
{
    readonly Dictionary<string, MappedFile> files = [];

    /// <summary>The files that were asked for, as they are named.</summary>
    public IEnumerable<string> Names => files.Keys;

    /// <summary>The bytes that a tensor's <c>external_data</c> names: location, offset and length.</summary>
    public ReadOnlyMemory<byte> Read(List<(string Key, string Value)> pairs, Int128 bytes, Func<string, Exception> fault)
    {
        var (location, offset, length) = ("", 0L, (long?)null);
        foreach (var (key, value) in pairs)
        {
            switch (key)
            {
                case "location": location = value; break;
                case "offset": offset = Number(key, value, fault); break;
                case "length": length = Number(key, value, fault); break;
            }
        }
        if (length is { } said && said != bytes)
            throw fault($"its sizes ask for {bytes} bytes, but {said} are said to lie in '{location}'");
        if (bytes > int.MaxValue)
            throw fault($"it has {bytes} bytes, more than a tensor can have here ({int.MaxValue})");
        // Without elements there is nothing to read, whatever the rest says.
        if (bytes == 0)
            return default;
        var file = Open(location, fault);
        if (offset > file.Length - bytes)
            throw fault($"its {bytes} bytes from byte {offset} on leave '{location}', which has {file.Length}; fetch both files again");
        return file.Slice(offset, (int)bytes);
    }

    static long Number(string key, string value, Func<string, Exception> fault) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw fault($"its {key} '{value}' in another file is no number");

    MappedFile Open(string location, Func<string, Exception> fault)
    {
        if (files.TryGetValue(location, out var open))
            return open;
        if (location.Length == 0 || Path.IsPathRooted(location) || location.Any(c => c < ' ' || c is '\\' or ':')
            || location.Split('/') is var parts && parts.Any(p => p is ".." || p.Length == 0))
            throw fault($"it asks for the file '{location}', but a model may only name files in its own folder");
        var path = folder;
        foreach (var part in location.Split('/'))
        {
            path = Path.Combine(path, part);
            if (new FileInfo(path).LinkTarget is not null && !IsInside(RealPath(path)))
                throw fault($"it asks for the file '{location}', which is a link that leaves the model's folder");
        }
        return files[location] = MappedFile.Open(path);
    }

    bool IsInside(string path) => path.StartsWith(RealPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>The path with every link in it followed.</summary>
    static string RealPath(string path, int links = 0)
    {
        path = Path.GetFullPath(path);
        if (Path.GetDirectoryName(path) is not { } parent)
            return path;
        var real = Path.Combine(RealPath(parent, links), Path.GetFileName(path));
        return new FileInfo(real).LinkTarget is not { } target ? real
            : links > 40 ? throw new SoftmodelException($"{path}: its symbolic links go round in a circle; mend them")
            : RealPath(Path.Combine(Path.GetDirectoryName(real)!, target), links + 1);
    }

    public void Dispose()
    {
        foreach (var file in files.Values)
            file.Dispose();
    }
}
