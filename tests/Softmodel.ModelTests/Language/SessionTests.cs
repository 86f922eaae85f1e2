using Microsoft.Extensions.AI;
using Softmodel.Bench.Sessions;
using Softmodel.Language;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Language;

/// <summary>Sessions of one model: each writes what it writes alone, whatever the others do.</summary>
public class SessionTests
{
    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    static string Path(string name) => System.IO.Path.Combine(Shared.Folder("lm"), name);

    static Task<LanguageModel> SmolLm() => LanguageModel.LoadAsync(Path("SmolLM2-135M-Instruct.Q4_1.gguf"));

    static Task<LanguageModel> Stories(int context = 0) => LanguageModel.LoadAsync(Path("stories260K.bin"), new() { ContextLength = context });

    static async Task<string> Text(IAsyncEnumerable<string> parts) => string.Concat(await parts.ToArrayAsync(Cancel));

    [Fact]
    public async Task Thirty_two_from_as_many_threads_write_what_they_write_one_after_the_other()
    {
        using var model = await SmolLm();
        var sessions = Enumerable.Range(0, 32).Select(_ => model.NewSession()).ToArray();
        var options = new GenerationOptions { MaxTokens = 16 };
        var alone = new List<string>();
        for (var i = 0; i < sessions.Length; i++)
            alone.Add(await Text(model.ChatAsync(SessionRun.Prompt(i), options)));
        var texts = new string[sessions.Length];
        var threads = Enumerable.Range(0, sessions.Length).Select(i => new Thread(() => texts[i] = Text(sessions[i].ChatAsync(SessionRun.Prompt(i), options)).GetAwaiter().GetResult())).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        Assert.Equal(alone, texts);
        Assert.All(sessions, s => Assert.Equal(16, s.Last.Tokens));
        foreach (var session in sessions)
            session.Dispose();
    }

    [Fact]
    public async Task More_than_a_decoder_holds_make_room_for_one_another()
    {
        using var model = await Stories();
        var sessions = Enumerable.Range(0, 2 * 63 + 1).Select(_ => model.NewSession()).ToArray();
        string Begin(int i) => $"Once there was {(i % 2 == 0 ? "a dog" : "a cat")} and {i} birds";
        var expected = await Task.WhenAll(sessions.Select((s, i) => Text(s.CompleteAsync(Begin(i), new() { MaxTokens = 6 }, Cancel))));
        // Those that have made room read again.
        var again = await Task.WhenAll(sessions.Select((s, i) => Text(s.CompleteAsync(Begin(i), new() { MaxTokens = 6 }, Cancel))));
        Assert.Equal(expected, again);
        for (var i = 0; i < 5; i++)
            Assert.Equal(expected[i], await Text(model.CompleteAsync(Begin(i), new() { MaxTokens = 6 }, Cancel)));
    }

    [Fact]
    public async Task A_fork_goes_on_from_what_was_read_and_leaves_the_other_as_it_was()
    {
        using var model = await SmolLm();
        using var first = model.NewSession();
        var logits = await first.ReadAsync("The capital of France is", Cancel);
        Assert.Equal(model.Tokenizer.Count, logits.Length);
        Assert.Equal(" Paris", model.Tokenizer.Decode([Array.IndexOf(logits, logits.Max())]));
        using var fork = first.Fork();
        Assert.Equal(first.Tokens, fork.Tokens);
        var germany = await first.ReadAsync(" Paris, and the capital of Germany is", Cancel);
        var italy = await fork.ReadAsync(" Paris, and the capital of Italy is", Cancel);
        Assert.Equal([" Berlin", " Rome"], new[] { germany, italy }.Select(l => model.Tokenizer.Decode([Array.IndexOf(l, l.Max())])));
        // As if it had been read anew.
        using var fresh = model.NewSession();
        var anew = await fresh.ReadAsync(fork.Tokens.ToArray(), all: true, Cancel);
        Assert.Equal(italy.Length * fork.Tokens.Count, anew.Length);
        Assert.True(italy.Zip(anew.AsSpan(anew.Length - italy.Length).ToArray(), (a, b) => Math.Abs(a - b)).Max() < 1e-3);
        first.Truncate(5);
        Assert.Equal(5, first.Tokens.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => first.Truncate(6));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => first.ReadAsync(new[] { -1 }, false, Cancel));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => first.ReadAsync(ReadOnlyMemory<int>.Empty, false, Cancel));
    }

    [Fact]
    public async Task A_text_within_a_text_is_an_error_in_one_session_and_no_hang_in_a_model()
    {
        using var model = await Stories();
        using var session = model.NewSession();
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (var _ in session.CompleteAsync("Once", new() { MaxTokens = 8 }, Cancel))
                await Text(session.CompleteAsync("There", new() { MaxTokens = 2 }, Cancel));
        });
        var alone = await Text(model.CompleteAsync("There", new() { MaxTokens = 4 }, Cancel));
        await foreach (var _ in model.CompleteAsync("Once", new() { MaxTokens = 8 }, Cancel))
            Assert.Equal(alone, await Text(model.CompleteAsync("There", new() { MaxTokens = 4 }, Cancel)));
    }

    [Fact]
    public async Task Chats_of_an_export_that_reads_one_sequence_take_turns()
    {
        await VoiceFolder.Of("minimind2-small");
        using var model = await LanguageModel.LoadAsync("minimind2-small", cancellationToken: Cancel);
        Task<string> Ask(string question) => Text(model.ChatAsync([new("user", question)], new() { MaxTokens = 8 }, Cancel));
        string[] questions = ["你好", "What is the capital of France?", "Tell me a story."];
        var alone = new List<string>();
        foreach (var question in questions)
            alone.Add(await Ask(question));
        Assert.Equal(alone, await Task.WhenAll(questions.Select(Ask)));
        await foreach (var _ in model.ChatAsync([new("user", questions[0])], new() { MaxTokens = 3 }, Cancel))
            Assert.Equal(alone[1], await Ask(questions[1]));
    }

    [Fact]
    public async Task What_is_disposed_of_is_refused()
    {
        var model = await Stories();
        var session = model.NewSession();
        var other = model.NewSession();
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(session.Fork);
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Text(other.CompleteAsync("Once", null, Cancel)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Text(model.CompleteAsync("Once", null, Cancel)));
        other.Dispose();
    }

    [Fact]
    public async Task Many_clients_share_a_model()
    {
        using var model = await SmolLm();
        // As scoped services of a web application do.
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            using var client = model.AsChatClient();
            return (await client.GetResponseAsync(i % 2 == 0 ? "What is 12 times 7?" : "The capital of France is?", new() { MaxOutputTokens = 4, Seed = 1 }, Cancel)).Text;
        }));
        Assert.Equal(2, answers.Distinct().Count());
    }

    [Fact]
    public async Task A_client_uses_what_it_is_asked_for_or_refuses_it_by_name()
    {
        using var model = await SmolLm();
        using var client = model.AsChatClient();
        async Task Refused(string name, ChatOptions options, params AIContent[] contents)
        {
            var e = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync([new(ChatRole.User, [new TextContent("Hello."), .. contents])], options, Cancel));
            Assert.Contains(name, e.Message, StringComparison.Ordinal);
        }
        await Refused("clock", new() { Tools = [AIFunctionFactory.Create(() => 1, "clock")] });
        await Refused("ToolMode", new() { ToolMode = ChatToolMode.RequireAny });
        await Refused("ModelId", new() { ModelId = "another" });
        await Refused("ConversationId", new() { ConversationId = "7" });
        await Refused("Reasoning", new() { Reasoning = new() { Effort = ReasoningEffort.High } });
        await Refused("logit_bias", new() { AdditionalProperties = new() { ["logit_bias"] = 1 } });
        await Refused("image/png", new(), new DataContent(new byte[] { 1, 2 }, "image/png"));
        await Refused("tool's call or result", new(), new FunctionResultContent("1", "noon"));
        var words = await client.GetResponseAsync("What is 12 times 7?", new() { MaxOutputTokens = 40, StopSequences = ["problem"], Tools = [AIFunctionFactory.Create(() => 1, "clock")], ToolMode = ChatToolMode.None }, Cancel);
        Assert.Equal("12 times 7 is a classic ", words.Text);
        Assert.Equal(ChatFinishReason.Stop, words.FinishReason);
        var usage = words.Usage!;
        Assert.True(usage.InputTokenCount > 0 && usage.OutputTokenCount > 0 && usage.TotalTokenCount == usage.InputTokenCount + usage.OutputTokenCount);
        // A penalty that is large enough changes the text.
        async Task<string> Story(float penalty) => (await client.GetResponseAsync("Tell me about the sea.", new() { MaxOutputTokens = 40, FrequencyPenalty = penalty, PresencePenalty = penalty }, Cancel)).Text;
        Assert.NotEqual(await Story(0), await Story(2));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Story(3));
        Assert.Equal("4", (await client.GetResponseAsync("What is 2+2?", new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(System.Text.Json.JsonDocument.Parse("""{"const": 4}""").RootElement), AdditionalProperties = new() { ["min_p"] = 0.1 } }, Cancel)).Text);
    }
}
