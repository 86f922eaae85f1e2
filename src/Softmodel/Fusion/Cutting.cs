using System.Diagnostics;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Passes;
using Softmodel.Runtime.Fusion;
using Softmodel.Trace;

namespace Softmodel.Fusion;

/// <summary>How much is cut out of a fused model.</summary>
sealed record CuttingOptions
{
    /// <summary>By what part the perplexity of ordinary text may grow.</summary>
    public double Budget { get; init; } = 0.01;

    /// <summary>How many tokens of text parts are scored by, at most.</summary>
    public int ScoredTokens { get; init; } = 12_000;

    /// <summary>How many the budget is held to.</summary>
    public int BudgetTokens { get; init; } = 12_000;

    /// <summary>How many the perplexity that is reported is of.</summary>
    public int ReportedTokens { get; init; } = 24_000;

    /// <summary>How many small sums of each kind parts are scored by.</summary>
    public int ScoredSums { get; init; } = 30;

    /// <summary>How many of each kind are asked before and after.</summary>
    public int AskedSums { get; init; } = 60;

    /// <summary>How many random cuts of the same size are measured beside.</summary>
    public int Draws { get; init; } = 2;

    /// <summary>Whether what lies below the trigger is cut, too, so that what it reads changes.</summary>
    public bool Everywhere { get; init; }

    /// <summary>How many cuts are tried on the way to the largest.</summary>
    public int Trials { get; init; } = 4;

    /// <summary>What sums and random parts are drawn by.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The number of threads; results do not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>What a model with a cut comes to.</summary>
/// <param name="Perplexity">The perplexity of ordinary text.</param>
/// <param name="Sums">By the kind of small sums the share that the model itself does right, and the mean logarithm of the probability of the right digits.</param>
/// <param name="Fused">The share that the program does right where the trigger fires; null where it was not asked, as what is cut above the trigger's layer changes nothing of it.</param>
sealed record CutFigures(double Perplexity, IReadOnlyDictionary<string, (double Right, double LogProbability)> Sums, double? Fused);

/// <summary>What cutting came to.</summary>
/// <param name="List">What was cut.</param>
/// <param name="Bytes">The bytes of weights before and after.</param>
/// <param name="Neurons">How many neurons there were and are.</param>
/// <param name="Groups">How many groups of heads there were and are.</param>
/// <param name="HeadsOfGroup">How many heads a group has.</param>
/// <param name="Before">The whole model.</param>
/// <param name="After">The model without what was cut.</param>
/// <param name="Random">With as many random parts cut out of each layer.</param>
/// <param name="Milliseconds">How long a token takes, when text is written.</param>
/// <param name="Tried">The cuts that were tried on the way: of how many parts, and by what the perplexity of the budget's text grew.</param>
/// <param name="Tokens">How many tokens parts were scored by, the budget was held to, and the report is of.</param>
sealed record CutReport(CutList List, (long Before, long After) Bytes, (int Before, int After) Neurons, (int Before, int After) Groups, int HeadsOfGroup, CutFigures Before, CutFigures After, IReadOnlyList<CutFigures> Random,
    (double Before, double After) Milliseconds, IReadOnlyList<(int Parts, double Grew)> Tried, (int Scored, int Budget, int Reported) Tokens);

/// <summary>Parts that are cut together, and what that costs.</summary>
/// <param name="Layer">The number of their layer.</param>
/// <param name="Role">What they are.</param>
/// <param name="Parts">Their numbers.</param>
/// <param name="Bytes">The bytes of their weights.</param>
/// <param name="Text">What cutting them costs a token of ordinary text, in nats.</param>
/// <param name="Sums">What it costs the digits of a small sum.</param>
readonly record struct ScoredCut(int Layer, Role Role, int[] Parts, double Bytes, double Text, double Sums);

/// <summary>Finds what a fused model no longer needs, and cuts it out of its weights.</summary>
/// <param name="decoder">The model, as imported.</param>
/// <param name="trigger">Its trigger.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="options">How much.</param>
/// <param name="progress">Is told what is being done.</param>
/// <param name="cancellationToken">Stops it.</param>
sealed class Cutting(Graph decoder, FusedTrigger trigger, Tokenizer tokenizer, CuttingOptions options, IProgress<string>? progress, CancellationToken cancellationToken)
{
    // A trial aims a little below the budget, and is so many times larger than the last at most.
    const double Margin = 0.05, MostGrowth = 4;

    /// <summary>Cuts as much as the budget allows.</summary>
    /// <param name="text">Ordinary text: parts of it are scored by, held to, and reported.</param>
    /// <exception cref="SoftmodelException">The text is too short, or nothing can be cut.</exception>
    public CutReport Run(string text)
    {
        var (scored, budget, reported) = Parted(MeasuredText.Windows(text, tokenizer));
        var random = new Random(options.Seed);
        var (sums, asked) = (SmallSums.All.SelectMany(s => s.Drawn(options.ScoredSums, tokenizer, random)).Select(s => s.Text).ToArray(), SmallSums.All.ToDictionary(s => s.Name, s => s.Drawn(options.AskedSums, tokenizer, random)));
        var parts = Pruning.Parts(decoder).Where(p => options.Everywhere || p.Layer > trigger.Layer).ToArray();
        if (parts.Length == 0)
            throw new SoftmodelException($"{decoder.Name} has no neurons or heads that can be cut above the trigger's layer");
        var ranked = Ranked(parts, scored, sums);
        var (best, tried) = Largest(ranked, budget);
        var pruned = Applied(best);
        int Count(Graph graph, Role role) => Pruning.Parts(graph).Where(p => p.Role == role).Sum(p => p.Count);
        var heads = decoder.Nodes.LastOrDefault(n => n.Origin.Role == Role.Heads)?.Output.Shape[2].Value ?? 1;
        return new(new(trigger.Base, best), (Bytes(decoder), Bytes(pruned)), (Count(decoder, Role.MlpHidden), Count(pruned, Role.MlpHidden)), (Count(decoder, Role.Heads), Count(pruned, Role.Heads)), (int)heads,
            Figures(decoder, reported, asked, "the whole model", isFused: true), Figures(pruned, reported, asked, "the cut model", isFused: true),
            [.. Enumerable.Range(0, options.Draws).Select(i => Figures(Applied(Drawn(best, parts, random)), reported, asked, $"random cut {i + 1}", isFused: options.Everywhere))],
            Milliseconds(pruned), tried, (scored.Sum(t => t.Count), budget.Sum(t => t.Count), reported.Sum(t => t.Count)));
    }

    /// <summary>The largest of some cuts that the budget allows, and all that were tried.</summary>
    (LayerCut[] Best, List<(int Parts, double Grew)> Tried) Largest(ScoredCut[] ranked, MeasuredText[] budget)
    {
        progress?.Report("measuring the whole model");
        var whole = Surprise(decoder, budget);
        var (best, tried, least, most, next) = (Array.Empty<LayerCut>(), new List<(int, double)>(), 0, ranked.Length, AsScored(ranked));
        for (var trial = 0; trial < options.Trials && least + 1 < most; trial++)
        {
            var cut = Cut(ranked.Take(next));
            progress?.Report($"cutting {cut.Sum(c => c.Neurons.Count):N0} neurons and {cut.Sum(c => c.Groups.Count)} groups of heads");
            var grew = Math.Exp(Surprise(Applied(cut), budget) - whole) - 1;
            tried.Add((cut.Sum(c => c.Neurons.Count + c.Groups.Count), grew));
            if (grew <= options.Budget)
                (least, best) = (next, cut);
            else
                most = next;
            // What it costs grows about as the cut does.
            next = (int)Math.Clamp(next * (1 - Margin) * options.Budget / Math.Max(grew, options.Budget / MostGrowth), least + 1, Math.Max(least + 1, most - 1));
        }
        return (best, tried);
    }

    /// <summary>How many of the first parts cost what the budget allows, if their scores add up: they do where little is cut.</summary>
    int AsScored(ScoredCut[] ranked)
    {
        var (count, sum) = (0, 0.0);
        while (count < ranked.Length - 1 && (sum += ranked[count].Text) < Math.Log(1 + options.Budget))
            count++;
        return Math.Max(1, count);
    }

    static long Bytes(Graph graph) => Parameters.Of(graph).Sum(p => (long)p.Value.Bytes.Length);

    /// <summary>The first part of the windows scores, the second is the budget's, and the last is reported.</summary>
    (MeasuredText[] Scored, MeasuredText[] Budget, MeasuredText[] Reported) Parted(MeasuredText[] windows)
    {
        if (windows.Length < 8)
            throw new SoftmodelException($"the text has {windows.Sum(w => w.Count)} tokens in whole windows of {(windows.Length > 0 ? windows[0].Tokens.Length : 0)}: at least 8 of these are needed, and 48,000 tokens are read");
        var share = Math.Min(1, windows.Sum(w => w.Count) / (double)(options.ScoredTokens + options.BudgetTokens + options.ReportedTokens)) / windows[0].Count;
        var (scored, budget, reported) = ((int)(options.ScoredTokens * share), (int)(options.BudgetTokens * share), (int)(options.ReportedTokens * share));
        return (windows[..scored], windows[scored..(scored + budget)], windows[(scored + budget)..(scored + budget + reported)]);
    }

    Graph Applied(LayerCut[] cut) => cut.Length == 0 ? decoder : new CutList(trigger.Base, cut).Applied(decoder);

    /// <summary>The mean surprise of a token, in nats.</summary>
    double Surprise(Graph graph, MeasuredText[] texts)
    {
        using var tracer = new Tracer(MeasuredText.Subject(graph), [], options.Threads, null, cancellationToken);
        return Surprise(tracer, texts);
    }

    static double Surprise(Tracer tracer, MeasuredText[] texts) => -tracer.Run(MeasuredText.Set("the text", texts), All(texts.Length)).Measures.Sum(m => (double)m) / texts.Sum(t => t.Count);

    static int[] All(int count) => [.. Enumerable.Range(0, count)];

    CutFigures Figures(Graph graph, MeasuredText[] reported, IReadOnlyDictionary<string, (MeasuredText Text, string Question, string Answer)[]> asked, string what, bool isFused)
    {
        progress?.Report($"measuring {what}");
        using var tracer = new Tracer(MeasuredText.Subject(graph), [], options.Threads, null, cancellationToken);
        var sums = asked.ToDictionary(a => a.Key, a =>
        {
            var outcome = tracer.Run(MeasuredText.Set("the sums", [.. a.Value.Select(s => s.Text)]), All(a.Value.Length));
            return (outcome.Accuracy, outcome.Measures.Sum(m => (double)m) / a.Value.Sum(s => s.Text.Count));
        }, StringComparer.Ordinal);
        return new(Math.Exp(Surprise(tracer, reported)), sums, isFused ? Fused(graph, [.. asked.Values.SelectMany(a => a)]) : null);
    }

    /// <summary>How long a token takes, the median of runs in turns.</summary>
    (double Before, double After) Milliseconds(Graph pruned)
    {
        const int Runs = 5, Written = 48;
        progress?.Report("timing tokens");
        Decoder Compiled(Graph graph) => Decoder.Of(Model.Load(graph, graph.Name).Compile(new() { Threads = options.Threads, UseCache = false }, null, cancellationToken), 2 * Written);
        using var before = Compiled(decoder);
        using var after = Compiled(pruned);
        var times = new List<(double Before, double After)>();
        double Time(Decoder model)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (sequence, next) = (model.Begin(), tokenizer.Encode("The", parsesSpecial: false)[0]);
            var clock = Stopwatch.StartNew();
            for (var i = 0; i < Written; i++)
                next = Sampler.Largest(model.Run(new SequenceTokens(sequence, new[] { next })));
            var took = clock.Elapsed.TotalMilliseconds / Written;
            model.End(sequence);
            return took;
        }
        // The first run allocates.
        for (var run = -1; run < Runs; run++)
        {
            var both = (Time(before), Time(after));
            if (run >= 0)
                times.Add(both);
        }
        return (times.Select(t => t.Before).Order().ElementAt(Runs / 2), times.Select(t => t.After).Order().ElementAt(Runs / 2));
    }

    /// <summary>The share of sums that the program does right where the trigger fires.</summary>
    double Fused(Graph graph, (MeasuredText Text, string Question, string Answer)[] sums)
    {
        using var reader = new TriggerReader(trigger, graph, tokenizer, options.Threads, cancellationToken);
        var fires = reader.Fires([.. sums.Select(s => s.Text.Tokens[..s.Text.First])], isAtEnd: true, cancellationToken);
        return fires.Zip(sums).Count(p => p.First is [var fire] && FusedPrograms.Known(fire.Program).Run(fire.Operands) is { Failure: ProgramFailure.None } result && result.Text == p.Second.Answer) / (double)sums.Length;
    }

    /// <summary>
    /// All parts, as many together as fill a block of weights, in the order in which they go: those that cost ordinary text least for the
    /// bytes that they save, where what sums need more than text does counts as cheaper by as much.
    /// </summary>
    ScoredCut[] Ranked(PrunableParts[] parts, MeasuredText[] scored, MeasuredText[] sums)
    {
        progress?.Report("compiling the model with gradients");
        var subject = MeasuredText.Subject(decoder);
        Site[] sites = [.. parts.Select(p => Site.Of(subject.Graph, p.Role).Single(s => s.Layer == p.Layer))];
        using var tracer = new Tracer(subject, sites, options.Threads, progress, cancellationToken);
        var (text, ofSums) = (Costs(tracer, parts, scored, "ordinary text"), Costs(tracer, parts, sums, "sums"));
        var scale = text.Sum(t => t.Sum()) / ofSums.Sum(t => t.Sum());
        double Key(double ofText, double ofSums) => ofText * ofText / (ofText + ofSums * scale);
        ScoredCut Together(int i, int[] numbers) => new(parts[i].Layer, parts[i].Role, numbers, numbers.Length * parts[i].Bytes, numbers.Sum(n => text[i][n]), numbers.Sum(n => ofSums[i][n]));
        return [.. from i in Enumerable.Range(0, parts.Length)
                   let numbers = Enumerable.Range(0, parts[i].Count)
                   // The last ones are kept: a layer without any would be another layer.
                   from together in (parts[i].IsWhole ? numbers : numbers.OrderBy(n => Key(text[i][n], ofSums[i][n]))).Chunk(parts[i].Block).Select(c => Together(i, c)).OrderBy(c => Key(c.Text, c.Sums)).SkipLast(1)
                   orderby Key(together.Text, together.Sums) / together.Bytes
                   select together];
    }

    /// <summary>
    /// What cutting each part costs, by site, in nats for each token that is asked: half of the square of its gradient at each position, which
    /// on the average over what a model expects is half of the second derivative, the first one being 0 (Fisher information).
    /// </summary>
    /// <remarks>Theis et al.: Faster gaze prediction with dense networks and Fisher pruning (2018), section 2.</remarks>
    double[][] Costs(Tracer tracer, PrunableParts[] parts, MeasuredText[] texts, string what)
    {
        var costs = parts.Select(p => new double[p.Count]).ToArray();
        var (done, tokens) = (0, texts.Sum(t => t.Count));
        tracer.Differentiate(MeasuredText.Set(what, texts), All(texts.Length), (_, _, _, _) => { }, (site, places, gradients) =>
        {
            // Heads of a group are cut together.
            var of = tracer.Sites[site].Parts / parts[site].Count;
            for (var position = 0; position < places.Count; position++)
            {
                for (var part = 0; part < parts[site].Count; part++)
                {
                    var sum = 0.0;
                    foreach (var gradient in gradients.Slice((position * parts[site].Count + part) * of, of))
                        sum += gradient;
                    costs[site][part] += sum * sum / 2 / tokens;
                }
            }
            if (site == 0)
                progress?.Report($"scoring by {what}: {done += places.Count:N0} of {texts.Sum(t => t.Tokens.Length):N0} tokens");
        });
        return costs;
    }

    static LayerCut[] Cut(IEnumerable<ScoredCut> first) =>
    [
        .. from cut in first
           group cut by cut.Layer into layer
           orderby layer.Key
           let ofRole = layer.ToLookup(c => c.Role)
           let numbers = (Func<Role, int[]>)(role => [.. ofRole[role].SelectMany(c => c.Parts).Order()])
           select new LayerCut(layer.Key, numbers(Role.MlpHidden), numbers(Role.Heads)),
    ];

    static LayerCut[] Drawn(LayerCut[] cut, PrunableParts[] parts, Random random)
    {
        int[] As(EquatableArray<int> those, int layer, Role role)
        {
            if (those.Count == 0)
                return [];
            var part = parts.Single(p => p.Layer == layer && p.Role == role);
            var all = Enumerable.Range(0, part.Count).Chunk(part.IsWhole ? part.Block : 1).ToArray();
            random.Shuffle(all);
            return [.. all.SelectMany(p => p).Take(those.Count).Order()];
        }
        return [.. cut.Select(c => new LayerCut(c.Layer, As(c.Neurons, c.Layer, Role.MlpHidden), As(c.Groups, c.Layer, Role.Heads)))];
    }
}
