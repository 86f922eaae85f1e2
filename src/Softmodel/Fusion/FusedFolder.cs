using System.Collections.Concurrent;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Sums;

namespace Softmodel.Fusion;

/// <summary>What a fused model calls: sums, programs of one's own, or both.</summary>
/// <param name="HasSums">Whether it has those of <see cref="Sums"/>.</param>
/// <param name="Libraries">The assemblies with programs of one's own.</param>
sealed record FusedSources(bool HasSums, IReadOnlyList<ExactLibrary> Libraries)
{
    /// <summary>The name of the programs for sums.</summary>
    public const string Sums = "arithmetic";

    /// <summary>The programs of all of them, by name.</summary>
    /// <exception cref="SoftmodelException">Two have one name, or one has the name of a sum.</exception>
    public FusedPrograms Programs()
    {
        var table = new FusedPrograms(HasSums ? SumPrograms.All.All : []);
        var owners = SumPrograms.All.All.ToDictionary(p => p.Name, _ => Sums, StringComparer.Ordinal);
        foreach (var (program, owner) in Libraries.SelectMany(l => l.Programs.Select(d => (d.Program, l.Name))))
        {
            if (!owners.TryAdd(program.Name, owner))
                throw new SoftmodelException($"{owners[program.Name]} and {owner} both have a program '{program.Name}'; give one of them another Name in its [Exact]");
            table.Add(program);
        }
        return table;
    }

    /// <summary>Finds or compiles what is named: <see cref="Sums"/>, C# files, assemblies.</summary>
    /// <exception cref="SoftmodelException">One is none of these, or has no programs, or two programs have one name.</exception>
    public static FusedSources Open(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        var libraries = new List<ExactLibrary>();
        foreach (var name in names.Where(n => n != Sums).Distinct(StringComparer.Ordinal))
        {
            if (!name.EndsWith(".cs", StringComparison.OrdinalIgnoreCase) && !name.EndsWith(".dll", StringComparison.OrdinalIgnoreCase))
                throw new SoftmodelException($"'{name}' is neither '{Sums}' nor a .cs or .dll file with methods that are marked [Exact]");
            var library = ExactLibrary.Open(name, cancellationToken);
            if (libraries.Any(l => l.Name.Equals(library.Name, StringComparison.OrdinalIgnoreCase)))
                throw new SoftmodelException($"'{name}' would be kept as {library.Name}, as another file already is; rename one of them");
            foreach (var program in library.Programs.Where(p => p.Parameters.Count > Fusing.Slots))
                throw new SoftmodelException($"{name}: the program '{program.Name}' has {program.Parameters.Count} parameters; a trigger points at {Fusing.Slots} at most");
            libraries.Add(library);
        }
        var sources = new FusedSources(names.Contains(Sums), libraries);
        sources.Programs();
        return sources;
    }
}

/// <summary>The folder of a fused model: its trigger, and the programs that it calls.</summary>
/// <param name="Trigger">The trigger.</param>
/// <param name="Sources">Where its programs are from.</param>
/// <param name="Programs">The programs, by name.</param>
sealed record FusedFolder(FusedTrigger Trigger, FusedSources Sources, FusedPrograms Programs)
{
    static readonly ConcurrentDictionary<string, ExactLibrary> loaded = new(StringComparer.Ordinal);

    /// <summary>What has to be written into a folder: files by their names, the trigger the last.</summary>
    public static IEnumerable<(string Name, Action<Stream> Write)> Files(FusedTrigger trigger, FusedSources sources)
    {
        foreach (var library in sources.Libraries)
            yield return (library.Name, to => to.Write(library.Bytes));
        string[] own = [.. sources.Libraries.Select(l => $"{l.Hash} {l.Name}")];
        yield return (FusedTrigger.FileName, (trigger with { With = [.. sources.HasSums ? [FusedSources.Sums] : (string[])[], .. own] }).Write);
    }

    /// <summary>Opens a folder. The assemblies of its programs are loaded, those whose hashes the trigger's file has, and its process can call them.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="SoftmodelException">There is no fused model, it is damaged, an assembly is missing or another one, or the process has another program of the same name.</exception>
    public static FusedFolder Open(string folder)
    {
        var place = Path.Combine(folder, FusedTrigger.FileName);
        if (!File.Exists(place))
            throw new SoftmodelException($"'{folder}' has no {FusedTrigger.FileName}: it is no folder that softmodel fuse wrote");
        var trigger = FusedTrigger.Read(place);
        var libraries = new List<ExactLibrary>();
        foreach (var source in trigger.With.Where(s => s != FusedSources.Sums))
        {
            if (source.Split(' ', 2) is not [var hash, var name] || name != Path.GetFileName(name))
                throw new SoftmodelException($"{place}: it names the programs '{source}', which this version of softmodel doesn't know");
            var path = Path.Combine(folder, name);
            if (!File.Exists(path))
                throw new SoftmodelException($"{path}: it is missing, and {FusedTrigger.FileName} needs it; fuse the model again");
            var bytes = File.ReadAllBytes(path);
            if (ExactLibrary.HashOf(bytes) != hash)
                throw new SoftmodelException($"{path}: it is not the file that the model was fused with, and is not loaded; fuse the model again");
            // Two folders with the same assembly call the same methods.
            libraries.Add(loaded.GetOrAdd(hash, _ => ExactLibrary.Of(path, name, bytes)));
        }
        var sources = new FusedSources(trigger.With.Contains(FusedSources.Sums), libraries);
        var programs = sources.Programs();
        foreach (var missing in trigger.Programs.Where(p => !programs.Has(p)))
            throw new SoftmodelException($"{place}: there is no program '{missing}' in {string.Join(", ", trigger.With)}");
        foreach (var program in libraries.SelectMany(l => l.Programs))
            FusedPrograms.Added.Share(program.Program);
        return new(trigger, sources, programs);
    }
}
