using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Softmodel.Sources;

namespace Softmodel.Bench;

/// <summary>Packages of npm that others wrote, in Node.js: oracles of what is right.</summary>
static class NodeJs
{
    /// <summary>The folder where npm has put a package.</summary>
    /// <param name="package">Its name.</param>
    /// <param name="version">Its version.</param>
    /// <param name="more">Others that lie beside it, with their versions: <c>NAME@VERSION</c>.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="SoftmodelException">Node.js or npm is missing, or the package can't be fetched.</exception>
    public static async Task<string> Installed(string package, string version, string[] more, CancellationToken cancel)
    {
        var settings = StoreSettings.FromEnvironment();
        var folder = Path.Combine(settings.Cache, "peers", $"{package}-{version}");
        if (Directory.Exists(folder))
            return folder;
        var stage = $"{folder}-{Guid.NewGuid():N}";
        Directory.CreateDirectory(stage);
        try
        {
            var (_, said, exitCode) = await Run(settings.Npm, ["install", "--prefix", stage, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", $"{package}@{version}", .. more], "", cancel);
            if (exitCode != 0)
                throw new SoftmodelException($"{package} {version} can't be fetched with npm: {said.Trim()}");
            Directory.Move(stage, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            // Another process was quicker: its files are the same.
        }
        finally
        {
            if (Directory.Exists(stage))
                Directory.Delete(stage, recursive: true);
        }
        return folder;
    }

    /// <summary>Runs a script of the packages in a folder to its end.</summary>
    /// <param name="script">The script; the folder is its first argument.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="SoftmodelException">Node.js is missing.</exception>
    public static Task<(string Output, string Said, int ExitCode)> Run(string script, string folder, string input, CancellationToken cancel) => Run("node", ["--eval", script, folder], input, cancel);

    static async Task<(string Output, string Said, int ExitCode)> Run(string program, string[] arguments, string input, CancellationToken cancel)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, StandardInputEncoding = new UTF8Encoding(false), StandardOutputEncoding = Encoding.UTF8 })!;
            var (output, said) = (process.StandardOutput.ReadToEndAsync(cancel), process.StandardError.ReadToEndAsync(cancel));
            try
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), cancel);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It has ended early, of which its output tells.
            }
            await process.WaitForExitAsync(cancel);
            return (await output, await said, process.ExitCode);
        }
        catch (Win32Exception e)
        {
            throw new SoftmodelException($"'{program}' can't be started ({e.Message}): what others wrote is asked in Node.js, so install it; it brings npm", e);
        }
    }
}
