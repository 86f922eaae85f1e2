using System.Text.Json;
using Softmodel.Sources;
using Softmodel.Speech;

namespace Softmodel.Load;

/// <summary>Pronouncing dictionaries in their binary form, which is kept in the cache and made there when it is missing.</summary>
static class LexiconCache
{
    const string Words = "words";

    /// <summary>The binary form of the dictionary in a JSON file.</summary>
    /// <param name="json">One object: a list of phones for each word.</param>
    /// <param name="cache">The folder of all caches.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SoftmodelException">The file is missing or damaged.</exception>
    public static ReadOnlyMemory<byte> Open(string json, string cache, CancellationToken cancellationToken = default)
    {
        var folders = Path.Combine(cache, "lexicons");
        try
        {
            if (OwnFolder.Make(folders))
            {
                var key = $"{FileHashes.Of(json, cache, cancellationToken)} {Lexicon.Version}";
                return KeptFolder.Get(folders, key, $"lexicon of {Path.GetFileName(json)}",
                    manifest => manifest.Bytes(Words), stage => OwnFolder.Write(Path.Combine(stage, Words), Packed(json)), cancellationToken);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without a cache the lexicon is only slower to open.
        }
        return Packed(json);
    }

    static byte[] Packed(string json)
    {
        try
        {
            return Lexicon.Pack(File.ReadAllBytes(json));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException or SoftmodelException)
        {
            throw new SoftmodelException($"the lexicon '{json}' can't be read: {e.Message}", e);
        }
    }
}
