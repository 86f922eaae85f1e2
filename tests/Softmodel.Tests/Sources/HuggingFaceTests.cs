using System.Net;
using System.Net.Sockets;
using System.Text;
using Softmodel.Sources;

namespace Softmodel.Tests.Sources;

/// <summary>The fetch from Hugging Face against a server of our own.</summary>
public sealed class HuggingFaceTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
    readonly HttpListener server = new();
    readonly Uri address;
    readonly List<string> asked = [];
    readonly Dictionary<string, string> pages = new()
    {
        ["/api/models/own/rep/revision/main"] = """{ "tags": ["onnx", "license:mit"], "siblings": [{ "rfilename": "README.md" }, { "rfilename": "onnx/m.onnx" }, { "rfilename": "onnx/m.onnx_data" }, { "rfilename": "../evil.onnx" }, { "rfilename": "big.bin" }] }""",
        ["/own/rep/resolve/main/README.md"] = "a card",
        ["/own/rep/resolve/main/onnx/m.onnx"] = "network",
        ["/own/rep/resolve/main/onnx/m.onnx_data"] = "weights",
    };

    public HuggingFaceTests()
    {
        var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        address = new Uri($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/");
        free.Stop();
        server.Prefixes.Add(address.ToString());
        server.Start();
        _ = Serve();
    }

    async Task Serve()
    {
        while (server.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await server.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            lock (asked)
                asked.Add(context.Request.RawUrl!);
            if (pages.TryGetValue(context.Request.RawUrl!, out var page))
                context.Response.OutputStream.Write(Encoding.UTF8.GetBytes(page));
            else
                context.Response.StatusCode = context.Request.RawUrl!.Contains("secret") ? 401 : 404;
            context.Response.Close();
        }
    }

    public void Dispose()
    {
        server.Close();
        Directory.Delete(root, recursive: true);
    }

    Task<ResolvedModel> Resolve(string source) =>
        new Store(new StoreSettings(Path.Combine(root, "cache"), null, "npm", address, null), []).Resolve(Source.Parse(source), null, TestContext.Current.CancellationToken);

    [Theory]
    [InlineData("hf:own/rep#onnx/m.onnx")]
    [InlineData("hf:own/rep/onnx/m.onnx")]
    [InlineData("hf:own/rep")]
    public async Task A_network_comes_with_its_weights_and_its_card(string source)
    {
        var model = await Resolve(source);
        Assert.Equal("network", File.ReadAllText(model.MainFile));
        Assert.Equal("weights", File.ReadAllText(Path.Combine(model.Folder, "m.onnx_data")));
        Assert.Equal("mit", model.Licence.Spdx);
        Assert.Equal("a card", File.ReadAllText(model.Licence.TextFile!));
        server.Stop();
        Assert.Equal(model.Files, (await Resolve(source)).Files);
        Assert.DoesNotContain(asked, a => a.Contains("big.bin"));
    }

    [Theory]
    [InlineData("hf:own/other#m.onnx", "no such file or repository")]
    [InlineData("hf:own/secret#m.onnx", "HF_TOKEN")]
    [InlineData("hf:own/rep#n.onnx", "no such file or repository")]
    public async Task A_refusal_says_what_to_do(string source, string says) =>
        Assert.Contains(says, (await Assert.ThrowsAsync<SoftmodelException>(() => Resolve(source))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task A_server_that_does_not_answer_is_an_error()
    {
        server.Close();
        Assert.Contains("check the network", (await Assert.ThrowsAsync<SoftmodelException>(() => Resolve("hf:own/rep"))).Message, StringComparison.Ordinal);
    }
}
