using System.Text;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Fusion;

/// <summary>
/// A decoder with a trigger in its residual stream. A run reads its tokens with the layers up to the trigger's, which keep the stream in the
/// cells of the KV cache. An exact program (<see cref="Runtime.Fusion.FusedStep"/>) then says of which sequences a result is written; the
/// layers above run for the tokens of all others, and for those of before that they have not read yet.
/// </summary>
static class FusedDecoder
{
    const string Name = "trigger";

    /// <summary>The decoder with a trigger.</summary>
    /// <param name="decoder">A decoder of one of our architectures, as imported.</param>
    /// <param name="trigger">The trigger.</param>
    /// <param name="tokenizer">The decoder's tokenizer.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="isOnly">Whether the layers above the trigger are left out: what programs write is all that comes out.</param>
    /// <exception cref="SoftmodelException">The decoder keeps something else than keys and values, or has no such layer.</exception>
    public static Graph Apply(Graph decoder, FusedTrigger trigger, Tokenizer tokenizer, ConstantFolding folding, bool isOnly = false)
    {
        if (decoder.Inputs.FirstOrDefault(v => v.Name == SequenceInputs.HasInitialState) is not null || decoder.Inputs.All(v => v.Name != SequenceInputs.Cells))
            throw new SoftmodelException($"{decoder.Name} can't be fused: of what it has read it keeps something else than keys and values in a KV cache");
        var stream = decoder.Nodes.LastOrDefault(n => n.Origin.Role == Role.Residual && n.Origin.Layer == trigger.Layer)?.Output
            ?? throw new SoftmodelException($"{decoder.Name} has no residual stream after layer {trigger.Layer}, which the trigger reads");
        var builder = new GraphBuilder(decoder.Name, folding);
        builder.RequirePositive(decoder.Positive);
        Term Input(string name, TensorType type) => new(builder, builder.Input(name, type));
        Term Integers(string name, string size) => Input(name, new(ElementType.Int64, new(Dim.Symbol(size))));
        Term[] given = [.. decoder.Inputs.Select(v => Input(v.Name, v.Type))];
        Term Given(string name) => given[decoder.Inputs.ToList().FindIndex(v => v.Name == name)];
        var (tokens, positions, sequences, cells) = (Given(SequenceInputs.Tokens), Given(SequenceInputs.Positions), Given(SequenceInputs.Sequences), Given(SequenceInputs.Cells));
        var (asked, cellPositions, cellSequences) = (Given(SequenceInputs.LogitsIndices), Given(SequenceInputs.CellPositions), Given(SequenceInputs.CellSequences));
        Term Pending(string name) => isOnly ? new(builder, builder.Constant(Tensor.Vector<long>())) : Integers(name, "pending");
        var (pendingCells, pendingPositions, pendingSequences) = (Pending(SequenceInputs.PendingCells), Pending(SequenceInputs.PendingPositions), Pending(SequenceInputs.PendingSequences));
        var mayFire = Integers(SequenceInputs.MayFire, asked.Shape[0].SymbolName!);
        var states = new List<(Term Before, string Name, Term After)>();
        Term Kept(string name, Term x)
        {
            var before = Input($"{Name}.{name}", new(x.Element, new([cellPositions.Shape[0], .. x.Shape.Dims.Skip(1)])));
            var after = before.Apply(new Op.ScatterND(Combination.Replace), cells.Unsqueeze(1), x);
            states.Add((before, $"{Name}.{name}.after", after));
            return after;
        }

        Term? residual = null;
        var lower = Rewriting.Append(builder, decoder, [.. given.Select(t => t.Value)], [], (value, now) => value == stream ? (residual = now).Value : now);
        var kept = Kept("residual", residual!.Value);

        var (programs, read, keys) = Trigger(trigger.Network, new(builder, Name, trigger.Parameters.ToDictionary(p => p.Key, p => Stored(p.Key, p.Value), StringComparer.Ordinal)), residual.Value, asked, positions, sequences, cellPositions, cellSequences, Kept);
        builder.Origin = new(Name) { Layer = trigger.Layer };
        var text = Kept("tokens", tokens);
        var (bytes, begins, sorted) = Vocabulary(tokenizer);
        Term[] Part(string name) => [.. ((string[])["weight", "bias"]).Select(w => new Term(builder, builder.Parameter($"{Name}.{name}.{w}", trigger.Parameters[$"{name}.{w}"])))];
        Term Constant(Tensor tensor) => new(builder, builder.Constant(tensor));
        var (longest, rows, logits) = (builder.FreshSymbol("longest"), builder.FreshSymbol("upper"), builder.FreshSymbol("n_logits"));
        var step = builder.ApplyAll(new Op.Call(FusedCall.Program.Name, [trigger.Network.Slots], [longest.SymbolName!, rows.SymbolName!, logits.SymbolName!]),
            [.. ((Term[])[programs, read, .. Part(TriggerNetwork.Lead), .. Part(TriggerNetwork.Queries), keys, Constant(Tensor.Vector<double>(trigger.Threshold)), mayFire, asked, positions, sequences, pendingSequences, cellPositions, cellSequences, text,
                Constant(bytes), Constant(begins), Constant(sorted), Constant(Tensor.Vector<byte>(Encoding.UTF8.GetBytes(string.Join('\n', trigger.Programs))))]).Select(t => t.Value)]);
        Term Result(int i) => new(builder, step[i]);

        // The layers above: the same graph, of other tokens.
        Term Upper(Term pending, Term now) => pending.Concat(0, now).Gather(Result(3), 0);
        var upperCells = Upper(pendingCells, cells);
        Term GivenAbove(Value input, Term own) => input.Name switch
        {
            SequenceInputs.Tokens => text.Gather(upperCells, 0),
            SequenceInputs.Positions => Upper(pendingPositions, positions),
            SequenceInputs.Sequences => Upper(pendingSequences, sequences),
            SequenceInputs.Cells => upperCells,
            SequenceInputs.LogitsIndices => Result(4),
            _ => own,
        };
        var upper = isOnly ? [] : Rewriting.Append(builder, decoder, [.. decoder.Inputs.Zip(given, (v, own) => GivenAbove(v, own).Value)], [], (value, now) => value == stream ? kept.Gather(upperCells, 0) : now);

        var below = Below(decoder, stream);
        var (inputs, outputs) = (decoder.Inputs.Select((_, i) => given[i].Value).ToList(), new List<(string Name, Value Value)>());
        foreach (var (i, name) in decoder.OutputNames.Index())
        {
            var isLower = decoder.States.Any(s => s.Output == i && below.Contains(decoder.Inputs[s.Input]));
            if (isLower || !isOnly)
                outputs.Add((name, isLower ? lower[i] : upper[i]));
        }
        var first = outputs.Count;
        outputs.AddRange([(SequenceInputs.Fired, step[0]), (SequenceInputs.FiredOperands, step[1]), (SequenceInputs.FiredTokens, step[2])]);
        outputs.AddRange(states.Select(s => (s.Name, s.After.Value)));
        var graph = builder.Build(outputs.Select(o => o.Value), outputs.Select(o => o.Name));
        // What only the layers above read is no input any more.
        var used = graph.Nodes.SelectMany(n => n.Inputs).ToHashSet();
        graph = graph with { Inputs = graph.Inputs.Where(v => !isOnly || used.Contains(v)).ToEquatable() };
        int At(Term input) => graph.Inputs.ToList().IndexOf(input.Value);
        graph = graph with
        {
            States = [.. decoder.States.Select(s => new State(At(given[s.Input]), outputs.FindIndex(o => o.Name == decoder.OutputNames[s.Output]))).Where(s => s.Output >= 0), .. states.Select((s, i) => new State(At(s.Before), first + 3 + i))],
        };
        graph.Validate();
        return graph;
    }

    /// <summary>A weight as it ships: matrices as Q8_0, since a token's time is that of reading them.</summary>
    static Op.Parameter Stored(string name, Tensor weight) =>
        weight.Rank < 2 ? new(name, weight) : BlockFormat.Q8_0.Stored(name, weight.Values<float>().ToArray(), (int)weight.Dims[0], (int)(weight.Count / weight.Dims[0]));

    /// <summary>The trigger on the tokens of a run, with what it keeps of those before: logits of programs and what it read where they are asked for, and keys of operands.</summary>
    static (Term Programs, Term Read, Term Keys) Trigger(TriggerNetwork network, Network net, Term residual, Term asked, Term positions, Term sequences, Term cellPositions, Term cellSequences, Func<string, Term, Term> kept)
    {
        var (own, all) = (positions.Unsqueeze(1), cellPositions.Unsqueeze(0));
        var isVisible = cellSequences.Unsqueeze(0).Map(Functions.ShiftRight, sequences.Unsqueeze(1)).Map(Functions.BitAnd, sequences.Scalar(1)).EqualTo(1) & (all <= own);
        var read = network.Read(net, residual, (name, x) => TriggerNetwork.Attend(net.Block(name), x, (which, now) => kept($"{name}.{which}", now), own - all, isVisible));
        var keys = kept("operands", TriggerNetwork.Keys(net, read));
        var at = read.Gather(asked, 0);
        return (network.Programs(net, at), at, keys);
    }

    /// <summary>The programs that a decoder is fused with; null where it isn't.</summary>
    public static FusedWith? FusedOf(Graph graph)
    {
        if (graph.Nodes.FirstOrDefault(n => n.Op is Op.Call call && call.Program == FusedCall.Program.Name) is not { } step)
            return null;
        var names = graph.Nodes.First(n => n.Outputs.Contains(step.Inputs[^1])).Op.Stored!;
        return new(Encoding.UTF8.GetString(names.Bytes.Span).Split('\n'), step.Origin.Layer!.Value + 1, graph.Nodes.Max(n => n.Origin.Layer ?? 0) + 1);
    }

    /// <summary>What a value is computed from, itself included.</summary>
    static HashSet<Value> Below(Graph graph, Value value)
    {
        var below = new HashSet<Value> { value };
        foreach (var node in graph.Nodes.Reverse())
        {
            if (node.Outputs.Any(below.Contains))
                below.UnionWith(node.Inputs);
        }
        return below;
    }

    /// <summary>The bytes of all tokens, where each begins, and those that are text in the order of their bytes.</summary>
    public static (Tensor Bytes, Tensor Begins, Tensor Sorted) Vocabulary(Tokenizer tokenizer)
    {
        var (bytes, begins) = (new List<byte>(), new int[tokenizer.Count + 1]);
        for (var token = 0; token < tokenizer.Count; token++)
        {
            bytes.AddRange(tokenizer.BytesOf(token));
            begins[token + 1] = bytes.Count;
        }
        // Of several tokens with the same bytes the first is what texts are made of.
        var text = Enumerable.Range(0, tokenizer.Count).Where(t => tokenizer.IsText(t) && tokenizer.BytesOf(t).Length > 0).ToList();
        text.Sort((a, b) => tokenizer.BytesOf(a).SequenceCompareTo(tokenizer.BytesOf(b)) is not 0 and var order ? order : a.CompareTo(b));
        var sorted = text.Where((t, i) => i == 0 || !tokenizer.BytesOf(t).SequenceEqual(tokenizer.BytesOf(text[i - 1]))).ToArray();
        return (Tensor.Vector<byte>([.. bytes]), Tensor.Vector<int>(begins), Tensor.Vector<int>(sorted));
    }
}
