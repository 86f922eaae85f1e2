using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;

namespace Softmodel.Sources;

/// <summary>A repository on Hugging Face.</summary>
/// <param name="Entries">The files in it.</param>
/// <param name="Licence">The licence that its card states, in its words, or null.</param>
sealed record HuggingFaceRepository(IReadOnlyList<string> Entries, string? Licence);

/// <summary>Fetches files of repositories on Hugging Face.</summary>
static class HuggingFace
{
    static readonly HttpClient http = new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(20) }) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>What a repository holds.</summary>
    public static async Task<HuggingFaceRepository> List(StoreSettings settings, Source source, CancellationToken cancellationToken)
    {
        using var response = await Get(settings, source, $"api/models/{source.Place}/revision/{Escape(source.Version!)}", cancellationToken);
        try
        {
            using var json = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(cancellationToken), cancellationToken: cancellationToken);
            var entries = json.RootElement.GetProperty("siblings").EnumerateArray().Select(f => f.GetProperty("rfilename").GetString()!).Where(Source.IsInner).ToArray();
            string? licence = null;
            if (json.RootElement.TryGetProperty("tags", out var tags) && tags.ValueKind == JsonValueKind.Array)
                licence = tags.EnumerateArray().Select(t => t.GetString()!).FirstOrDefault(t => t.StartsWith("license:", StringComparison.Ordinal))?["license:".Length..];
            return new HuggingFaceRepository(entries, licence);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new SoftmodelException($"what {settings.HuggingFace.Host} says about {source.Place} is not understood; try again later, or fetch the file yourself and name its path", e);
        }
    }

    /// <summary>Fetches a file.</summary>
    /// <param name="settings">Where from.</param>
    /// <param name="source">The repository and revision.</param>
    /// <param name="entry">The file in it.</param>
    /// <param name="range">The bytes that are meant, or null for all.</param>
    /// <param name="target">The path of the file to write.</param>
    /// <param name="received">Is told how many bytes came so far, and how many there are if that is known.</param>
    /// <param name="cancellationToken">Stops between blocks.</param>
    public static async Task Fetch(StoreSettings settings, Source source, string entry, ByteRange? range, string target, Action<long, long?> received, CancellationToken cancellationToken)
    {
        var path = $"{source.Place}/resolve/{Escape(source.Version!)}/{string.Join('/', entry.Split('/').Select(Escape))}";
        using var response = await Get(settings, source, path, cancellationToken);
        var total = response.Content.Headers.ContentLength;
        try
        {
            await using var from = await response.Content.ReadAsStreamAsync(cancellationToken);
            await using var to = File.Create(target);
            var buffer = new byte[1 << 18];
            long position = 0;
            var (start, end) = range is { } r ? (r.Start, r.End) : (0, long.MaxValue);
            while (position < end && await Read(from, buffer, cancellationToken) is > 0 and var read)
            {
                var (first, last) = (Math.Clamp(start - position, 0, read), Math.Clamp(end - position, 0, read));
                await to.WriteAsync(buffer.AsMemory((int)first..(int)last), cancellationToken);
                position += read;
                received(position, total);
            }
            if (range is not null && position < end)
                throw new SoftmodelException($"'{entry}' has {position:N0} bytes; bytes up to {end:N0} were asked for");
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(settings, source, e);
        }
    }

    /// <summary>Reads what came; the network is the only thing that can fail here, the disk is not.</summary>
    static async Task<int> Read(Stream from, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await from.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException e)
        {
            throw new HttpRequestException(e.Message, e);
        }
    }

    static string Escape(string segment) => Uri.EscapeDataString(segment);

    static async Task<HttpResponseMessage> Get(StoreSettings settings, Source source, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(settings.HuggingFace, path));
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("softmodel", null));
        if (settings.HuggingFaceToken is { } token)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(settings, source, e);
        }
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
        {
            throw new SoftmodelException(response.StatusCode switch
            {
                HttpStatusCode.NotFound => $"{settings.HuggingFace.Host} has no such file or repository: {source}",
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => $"{settings.HuggingFace.Host} refuses {source}: there is no such repository, or it asks for an account that has accepted its terms; put that account's token in HF_TOKEN",
                HttpStatusCode.TooManyRequests => $"{settings.HuggingFace.Host} has answered too often: wait a while, or put an account's token in HF_TOKEN",
                var status => $"{settings.HuggingFace.Host} could not serve {source} (status {(int)status}): try again later",
            });
        }
    }

    static SoftmodelException Unreachable(StoreSettings settings, Source source, HttpRequestException e) =>
        new($"{source} can't be fetched, because {settings.HuggingFace.Host} can't be reached or broke off ({(e.GetBaseException() is SocketException s ? s.SocketErrorCode.ToString() : e.Message)}): check the network and HTTPS_PROXY, or name the path of a file that you have", e);
}
