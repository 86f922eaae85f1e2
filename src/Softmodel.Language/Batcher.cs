using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Softmodel.Language;

/// <summary>
/// Batches the sessions of a decoder: what they ask for at the same time is one run. Where there are more sessions than the decoder
/// holds, the least recently used are evicted, and prefilled again when it is their turn.
/// </summary>
/// <param name="decoder">The decoder, which it takes over.</param>
sealed class Batcher(Decoder decoder) : IDisposable
{
    /// <summary>The most tokens of one session that are read in a run: it bounds the memory of a run, and how long a cancellation waits.</summary>
    public const int MostAtOnce = 512;

    // Sessions that ran together ask again at nearly the same time. To wait for them costs less than a run without them.
    const double Patience = 0.2;
    static readonly TimeSpan mostPatience = TimeSpan.FromMilliseconds(2);

    // Where there is room for one session, another one makes it read anew: a consumer that is not slow goes on before that.
    static readonly TimeSpan turn = TimeSpan.FromMilliseconds(5);

    /// <summary>What a session asks for.</summary>
    sealed record Request(Context Context, ReadOnlyMemory<int> Tokens, bool AllLogits, Firing Firing)
    {
        public readonly TaskCompletionSource Done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    readonly Lock gate = new();
    readonly Lock running = new();
    readonly List<Request> pending = [];
    readonly List<Context> resident = [];
    Context[] last = [];
    TimeSpan took;
    bool leads, disposed;

    /// <summary>The decoder.</summary>
    public Decoder Decoder => decoder;

    /// <summary>Reads tokens, and leaves what comes after them in <see cref="Context.Logits"/>.</summary>
    /// <param name="context">What has been read before; it asks for one thing at a time.</param>
    /// <param name="tokens">The tokens, 1 to <see cref="MostAtOnce"/>.</param>
    /// <param name="allLogits">Whether the logits after every one are computed, rather than after the last.</param>
    /// <param name="firing">Whether a program may write what comes next: it is then in <see cref="Context.Fired"/>, and there are no logits.</param>
    public Task Read(Context context, ReadOnlyMemory<int> tokens, bool allLogits = false, Firing firing = Firing.No)
    {
        var request = new Request(context, tokens, allLogits, firing);
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, typeof(LanguageModel));
            pending.Add(request);
            if (!leads)
            {
                leads = true;
                // Runs one after the other, until nothing is asked for.
                Task.Run(Lead);
            }
        }
        return request.Done.Task;
    }

    void Lead()
    {
        while (Next() is { Count: > 0 } batch)
            Run(batch);
    }

    /// <summary>What is read in the next run; nothing where nobody asks for more.</summary>
    List<Request> Next()
    {
        var patience = decoder.MostSequences == 1 ? turn : TimeSpan.FromTicks(Math.Min((long)(took.Ticks * Patience), mostPatience.Ticks));
        for (var since = Stopwatch.GetTimestamp(); ;)
        {
            lock (gate)
            {
                var isComplete = last.All(c => pending.Exists(r => r.Context == c));
                if (isComplete || Stopwatch.GetElapsedTime(since) > patience)
                {
                    if (pending.Count == 0)
                    {
                        (leads, last) = (false, []);
                        return [];
                    }
                    List<Request> batch = decoder.MostSequences == 1 ? [pending.Find(r => last.Contains(r.Context)) ?? pending[0]] : Together();
                    pending.RemoveAll(batch.Contains);
                    last = [.. batch.Select(r => r.Context)];
                    return batch;
                }
            }
            Thread.Yield();
        }
    }

    /// <summary>What is read in one run, in the order in which it was asked for: as many tokens as one session alone may ask for.</summary>
    List<Request> Together()
    {
        var (batch, tokens) = (new List<Request>(), 0);
        foreach (var request in pending)
        {
            tokens += request.Tokens.Length;
            if (batch.Count == decoder.MostSequences || (batch.Count > 0 && tokens > MostAtOnce))
                break;
            batch.Add(request);
        }
        return batch;
    }

    void Run(List<Request> batch)
    {
        lock (running)
        {
            for (var i = batch.Count - 1; i >= 0; i--)
            {
                try
                {
                    ObjectDisposedException.ThrowIf(disposed, typeof(LanguageModel));
                    Settle(batch[i].Context, batch);
                    decoder.Reserve(batch[i].Context.Sequence, batch[i].Tokens.Length);
                }
                catch (Exception e)
                {
                    batch[i].Done.SetException(e);
                    batch.RemoveAt(i);
                }
            }
            if (batch.Count == 0)
                return;
            try
            {
                var since = Stopwatch.GetTimestamp();
                var logits = decoder.Run([.. batch.Select(r => new SequenceTokens(r.Context.Sequence, r.Tokens, r.AllLogits, r.Firing))]);
                foreach (var (i, (context, tokens, all, _)) in batch.Index())
                {
                    var fired = decoder.IsFused ? decoder.Fires[i] : null;
                    var count = fired is null ? (all ? tokens.Length : 1) * decoder.Vocabulary : 0;
                    context.Accept(tokens.Span, logits[..count], fired);
                    logits = logits[count..];
                }
                took = Stopwatch.GetElapsedTime(since);
            }
            catch (Exception e)
            {
                foreach (var request in batch)
                    request.Done.SetException(e);
                return;
            }
        }
        foreach (var request in batch)
            request.Done.SetResult();
    }

    /// <summary>Brings a context into the decoder: what was read before is read again where it has made room for others.</summary>
    void Settle(Context context, List<Request> batch)
    {
        resident.Remove(context);
        resident.Add(context);
        if (context.Sequence >= 0)
            return;
        MakeRoom(c => batch.Exists(r => r.Context == c));
        context.Sequence = decoder.Begin();
        try
        {
            // Where a run's tokens are quantised together, those that were read together are read together again.
            foreach (var run in context.Runs(decoder.QuantisesPerRun, MostAtOnce))
                decoder.Run(new SequenceTokens(context.Sequence, run));
        }
        catch
        {
            // Half of it is nothing to go on from.
            Leave(context);
            throw;
        }
    }

    void MakeRoom(Func<Context, bool> isNeeded)
    {
        while (resident.Count(c => c.Sequence >= 0) >= decoder.MostSequences)
            Leave(resident.First(c => c.Sequence >= 0 && !isNeeded(c)));
    }

    void Leave(Context context)
    {
        decoder.End(context.Sequence);
        context.Sequence = -1;
    }

    /// <summary>A context that begins with the first tokens of another.</summary>
    public Context Fork(Context context, int length)
    {
        lock (running)
        {
            ObjectDisposedException.ThrowIf(disposed, typeof(LanguageModel));
            var fork = context.Copy(length);
            if (context.Sequence < 0 || !decoder.CanTruncate || decoder.MostSequences == 1)
                return fork;
            resident.Remove(context);
            resident.Add(context);
            MakeRoom(c => c == context);
            fork.Sequence = decoder.Fork(context.Sequence, length);
            resident.Add(fork);
            return fork;
        }
    }

    /// <summary>Takes a context back to its first tokens.</summary>
    public void Truncate(Context context, int length)
    {
        lock (running)
        {
            if (length == context.Tokens.Count)
                return;
            if (context.Sequence >= 0 && decoder.CanTruncate && length > 0)
                decoder.Truncate(context.Sequence, length);
            else if (context.Sequence >= 0)
                Leave(context);
            context.Truncate(length);
        }
    }

    /// <summary>Ends a context.</summary>
    public void End(Context context)
    {
        lock (running)
        {
            resident.Remove(context);
            if (context.Sequence >= 0 && !disposed)
                Leave(context);
        }
    }

    /// <summary>Frees the model; what is asked for afterwards is refused.</summary>
    public void Dispose()
    {
        lock (gate)
            disposed = true;
        lock (running)
            decoder.Dispose();
    }
}

/// <summary>What has been read in a session, whether or not it lies in the KV cache now.</summary>
sealed class Context
{
    readonly List<int> tokens = [], runs = [];
    float[] logits = [];
    int count;

    /// <summary>The tokens.</summary>
    public IReadOnlyList<int> Tokens => tokens;

    /// <summary>Its sequence in the decoder; -1 where it has none.</summary>
    public int Sequence { get; set; } = -1;

    /// <summary>The logits of the latest run.</summary>
    public ReadOnlySpan<float> Logits => logits.AsSpan(0, count);

    /// <summary>What a program has written after the latest run; null for nothing.</summary>
    public Fired? Fired { get; private set; }

    /// <summary>Notes what a run has read and given.</summary>
    public void Accept(ReadOnlySpan<int> read, ReadOnlySpan<float> given, Fired? fired)
    {
        Fired = fired;
        tokens.AddRange(read);
        runs.Add(read.Length);
        if (logits.Length < given.Length)
            logits = new float[given.Length];
        given.CopyTo(logits);
        count = given.Length;
    }

    /// <summary>The tokens in pieces, as they are read again.</summary>
    /// <param name="asBefore">Whether in those of the first time.</param>
    /// <param name="most">The most in a piece otherwise.</param>
    public IEnumerable<int[]> Runs(bool asBefore, int most)
    {
        var all = tokens.ToArray();
        if (!asBefore)
            return all.Chunk(most);
        var at = 0;
        return [.. runs.Select(length => all[at..(at += length)])];
    }

    /// <summary>A context that has read the first tokens.</summary>
    public Context Copy(int length)
    {
        var copy = new Context();
        copy.tokens.AddRange(tokens);
        copy.runs.AddRange(runs);
        copy.Truncate(length);
        return copy;
    }

    /// <summary>Drops all but the first tokens.</summary>
    public void Truncate(int length)
    {
        // The runs hold as many tokens as there are.
        for (var over = tokens.Count - length; over > 0;)
        {
            var dropped = Math.Min(over, runs[^1]);
            over -= dropped;
            if ((runs[^1] -= dropped) == 0)
                runs.RemoveAt(runs.Count - 1);
        }
        tokens.RemoveRange(length, tokens.Count - length);
        count = 0;
    }

    /// <summary>How many tokens it has in common with the beginning of a prompt.</summary>
    public int CommonPrefix(ReadOnlySpan<int> prompt) => CollectionsMarshal.AsSpan(tokens).CommonPrefixLength(prompt);
}
