using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace Softmodel.Sources;

/// <summary>A package as its registry keeps it.</summary>
/// <param name="Archive">The path of the compressed archive.</param>
/// <param name="Entries">The files within.</param>
sealed record NpmPackage(string Archive, IReadOnlyList<string> Entries);

/// <summary>
/// Fetches packages with the npm client, which knows the user's registry, proxy, certificates and credentials, and
/// which checks what it gets against the registry's hash.
/// </summary>
static class Npm
{
    /// <summary>Fetches a package without running anything of it.</summary>
    /// <param name="npm">The client.</param>
    /// <param name="name">The package.</param>
    /// <param name="version">Its exact version.</param>
    /// <param name="folder">An empty folder, which receives the archive and the client's own files.</param>
    /// <param name="otherwise">What helps where the registry can't be reached: the end of an error.</param>
    /// <param name="received">Is told from time to time how many bytes came.</param>
    /// <param name="cancellationToken">Ends the client.</param>
    public static async Task<NpmPackage> Pack(string npm, string name, string version, string folder, string otherwise, Action<long> received, CancellationToken cancellationToken)
    {
        // A cache of our own lets us watch the bytes come, and leaves nothing behind when the fetch is stopped.
        var cache = Path.Combine(folder, "npm");
        Directory.CreateDirectory(cache);
        var (code, output, said) = await Run(npm, ["pack", $"{name}@{version}", "--json", "--ignore-scripts", "--pack-destination", folder, "--cache", cache, "--loglevel", "error", "--no-update-notifier"],
            folder, $"{name} comes from the npm registry, so install Node.js, which brings npm{otherwise}", () => received(Size(cache)), cancellationToken);
        if (code != 0)
            throw Failed($"{name}@{version}", output, said, otherwise);
        var package = Answer(output);
        // A name with a scope was written '@scope/name' by some versions of the client, and its archive 'scope-name'.
        var archives = Directory.GetFiles(folder, "*.tgz");
        if (archives.Length != 1 || package is null)
            throw new SoftmodelException($"npm packed {name}@{version}, but what it left is not understood; its version may be too old: 'npm --version' should be 9 or newer");
        Directory.Delete(cache, recursive: true);
        return new NpmPackage(archives[0], package);
    }

    static async Task<(int Code, string Output, string Said)> Run(string npm, string[] arguments, string folder, string absent, Action watch, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(npm, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new SoftmodelException($"'{npm}' can't be started ({e.Message}): {absent}", e);
        }
        using (process)
        {
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var said = process.StandardError.ReadToEndAsync(CancellationToken.None);
            var exit = process.WaitForExitAsync(cancellationToken);
            try
            {
                while (await Task.WhenAny(exit, Task.Delay(100, cancellationToken)) != exit)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    watch();
                }
                await exit;
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                // What it was writing is deleted next, so it must have stopped.
                await process.WaitForExitAsync(CancellationToken.None);
                throw;
            }
            return (process.ExitCode, await output, await said);
        }
    }

    static long Size(string folder)
    {
        long size = 0;
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }))
        {
            try
            {
                size += file.Length;
            }
            catch (IOException)
            {
                // The client has moved the file since it was listed.
            }
        }
        return size;
    }

    static List<string>? Answer(string output)
    {
        try
        {
            using var json = JsonDocument.Parse(output);
            var package = json.RootElement.ValueKind == JsonValueKind.Array ? json.RootElement[0] : json.RootElement;
            return [.. package.GetProperty("files").EnumerateArray().Select(f => f.GetProperty("path").GetString()!)];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    static SoftmodelException Failed(string package, string output, string said, string otherwise)
    {
        var (code, summary) = Error(output);
        var what = code switch
        {
            "E404" => $"the npm registry has no package {package}, or doesn't show it to you",
            "ETARGET" => $"the npm registry has the package of {package}, but not in this version",
            "E401" or "E403" or "ENEEDAUTH" => $"the npm registry refuses {package}: log in with 'npm login', or have access granted",
            "EINTEGRITY" => $"what came for {package} is not what the npm registry lists: it was damaged on its way, or changed; try again",
            "ENOSPC" => "the disk is full: free some space, or name a folder on another disk in SOFTMODEL_CACHE",
            "ENOTFOUND" or "EAI_AGAIN" or "ECONNREFUSED" or "ECONNRESET" or "ETIMEDOUT" or "ENETUNREACH" or "EHOSTUNREACH" or "ERR_SOCKET_TIMEOUT" or "ENOTCACHED" =>
                $"{package} can't be fetched, because the npm registry can't be reached ({code}): check the network, and the proxy and registry in 'npm config list'{otherwise}",
            _ => $"npm could not fetch {package}: {summary ?? LastLine(said) ?? "it didn't say why"}; 'npm pack {package}' shows more",
        };
        return new SoftmodelException(what);
    }

    static (string? Code, string? Summary) Error(string output)
    {
        try
        {
            using var json = JsonDocument.Parse(output);
            var error = json.RootElement.GetProperty("error");
            string? Text(string name) => error.TryGetProperty(name, out var value) ? value.GetString() : null;
            return (Text("code"), Text("summary"));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return (null, null);
        }
    }

    static string? LastLine(string said) => said.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).LastOrDefault();
}
