using Microsoft.Extensions.AI;
using Softmodel.Language;

namespace Softmodel.ModelTests.Language;

/// <summary>Text from SmolLM2: the same however it is come by.</summary>
public class LanguageModelTests
{
    static readonly ChatTurn[] question = [new("user", "What is 12 times 7?")];

    static readonly string[] beginnings = ["The capital of France is", "Once upon a time", "def add(a, b):", "1, 2, 3,"];

    static async Task<LanguageModel> Load(int threads = 2, int context = 0, bool shift = false)
    {
        var folder = Shared.Folder("lm");
        return await LanguageModel.LoadAsync(Path.Combine(folder, "SmolLM2-135M-Instruct.Q4_1.gguf"), new() { ContextLength = context, ContextShift = shift, Compile = new() { Threads = threads } });
    }

    static async Task<string> Text(IAsyncEnumerable<string> parts)
    {
        var text = "";
        await foreach (var part in parts)
            text += part;
        return text;
    }

    static GenerationOptions Tokens(int count) => new() { MaxTokens = count };

    [Fact]
    public async Task Text_is_the_same_for_every_number_of_threads_and_after_another_text()
    {
        using var one = await Load(1);
        using var two = await Load(2);
        var fresh = await Text(one.ChatAsync(question, Tokens(48)));
        Assert.StartsWith("12 times 7 is a classic", fresh, StringComparison.Ordinal);
        Assert.Equal(fresh, await Text(two.ChatAsync(question, Tokens(48))));
        // The first part of the chat is read already, and then all of it.
        await Text(two.ChatAsync([new("user", "What is 12 times 9?")], Tokens(5)));
        Assert.Equal(fresh, await Text(two.ChatAsync(question, Tokens(48))));
        Assert.Equal(fresh, await Text(two.ChatAsync(question, Tokens(48))));
    }

    [Fact]
    public async Task Several_sequences_are_written_as_one_by_one()
    {
        using var model = await Load();
        int[][] prompts = [.. beginnings.Select(p => model.Tokenizer.Encode(p, parsesSpecial: false))];
        var decoder = model.Decoder;
        int[] Alone(int[] prompt)
        {
            var (sequence, tokens) = (decoder.Begin(), new List<int>());
            for (var next = Sampler.Largest(decoder.Run(new SequenceTokens(sequence, prompt))); tokens.Count < 24; next = Sampler.Largest(decoder.Run(new SequenceTokens(sequence, new[] { next }))))
                tokens.Add(next);
            decoder.End(sequence);
            return [.. tokens];
        }
        var expected = prompts.Select(Alone).ToArray();
        var sequences = prompts.Select(_ => decoder.Begin()).ToArray();
        var written = prompts.Select(_ => new List<int>()).ToArray();
        var logits = decoder.Run([.. prompts.Select((p, i) => new SequenceTokens(sequences[i], p))]);
        while (true)
        {
            for (var i = 0; i < prompts.Length; i++)
                written[i].Add(Sampler.Largest(logits.Slice(i * decoder.Vocabulary, decoder.Vocabulary)));
            if (written[0].Count == 24)
                break;
            logits = decoder.Run([.. written.Select((w, i) => new SequenceTokens(sequences[i], new[] { w[^1] }))]);
        }
        Assert.Equal(expected, written.Select(w => w.ToArray()));
    }

    [Fact]
    public async Task A_full_context_is_refused_or_forgotten_and_nothing_is_lost()
    {
        using var refusing = await Load(context: 48);
        var e = await Assert.ThrowsAsync<SoftmodelException>(() => Text(refusing.ChatAsync(question, Tokens(48))));
        Assert.Contains("make the context larger", e.Message, StringComparison.Ordinal);
        Assert.StartsWith("12 times", await Text(refusing.ChatAsync(question, Tokens(5))), StringComparison.Ordinal);
        using var forgetting = await Load(context: 48, shift: true);
        Assert.NotEmpty(await Text(forgetting.ChatAsync(question, Tokens(60))));
    }

    [Fact]
    public async Task A_stop_text_ends_what_is_written_and_a_seed_repeats_it()
    {
        using var model = await Load();
        var stopped = await Text(model.ChatAsync(question, new() { MaxTokens = 48, Stop = ["problem"] }));
        Assert.Equal("12 times 7 is a classic ", stopped);
        Assert.Equal(FinishReason.Stop, model.Last.FinishReason);
        var drawn = new GenerationOptions { MaxTokens = 20, Sampling = new() { Temperature = 1, TopP = 0.9, Seed = 5 } };
        Assert.Equal(await Text(model.ChatAsync(question, drawn)), await Text(model.ChatAsync(question, drawn)));
    }

    [Fact]
    public async Task Cancellation_ends_a_text_and_the_model_can_be_used_on()
    {
        using var model = await Load();
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in model.ChatAsync(question, Tokens(48), stop.Token))
                stop.Cancel();
        });
        Assert.StartsWith("12 times 7 is", await Text(model.ChatAsync(question, Tokens(8))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chat_client_streams_and_says_why_it_ended()
    {
        using var model = await Load();
        using var client = model.AsChatClient();
        var response = await client.GetResponseAsync("What is 12 times 7?", new() { MaxOutputTokens = 6 }, TestContext.Current.CancellationToken);
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.StartsWith("12 times 7", response.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_prompt_and_odd_options_are_refused_by_name()
    {
        using var model = await Load();
        Assert.Contains("Temperature", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Text(model.ChatAsync(question, new() { Sampling = new() { Temperature = -1 } })))).Message, StringComparison.Ordinal);
        // This model has a token with which a text begins.
        Assert.NotNull(await Text(model.CompleteAsync("", Tokens(2))));
    }
}
