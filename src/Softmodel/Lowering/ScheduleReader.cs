using System.Globalization;
using Softmodel.Graphs;
using Softmodel.Runtime;
using static Softmodel.Graphs.Names;

namespace Softmodel.Lowering;

/// <summary>Reads the text form of a schedule; see <see cref="ScheduleText"/>.</summary>
sealed class ScheduleReader(string text, Func<string, Tensor?> weight)
{
    readonly string[] lines = text.ReplaceLineEndings("\n").Split('\n');
    readonly Dictionary<string, Buffer> buffers = new(StringComparer.Ordinal);
    // What is written of the kernel of each nest, and in which line.
    readonly Dictionary<Step.Nest, Written> written = new(ReferenceEqualityComparer.Instance);
    int at;

    sealed record Written(string Words, Dictionary<string, string> Attributes, int Line);

    public Schedule Read()
    {
        try
        {
            return Whole();
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or SoftmodelException)
        {
            throw new SoftmodelException($"line {Math.Min(at + 1, lines.Length)} of the text of a schedule: {e.Message}", e);
        }
    }

    string Line()
    {
        while (at < lines.Length && lines[at].AsSpan().Trim().Length == 0)
            at++;
        return at < lines.Length ? lines[at].Trim() : throw new FormatException("'end' is missing");
    }

    Schedule Whole()
    {
        var (title, width) = After(Line(), "schedule ") is { } head && Halves(head, " width=") is var (name, bits) && bits is "128" or "256" or "512" ? (Names.Read(name), Number(bits))
            : throw new FormatException("a schedule begins with 'schedule', its name and 'width=', which is 128, 256 or 512");
        at++;
        var (positive, arguments, inputs, all) = (new List<string>(), new List<Value>(), new List<Buffer>(), new List<Buffer>());
        var (usual, segments, segmentOf) = (new Dictionary<string, long>(StringComparer.Ordinal), new List<List<MemoryPlan.Slot>>(), new Dictionary<string, int>(StringComparer.Ordinal));
        for (; ; at++)
        {
            var line = Line();
            if (After(line, "usual ") is { } sizes)
            {
                foreach (var size in Items(sizes, ','))
                    usual.Add(Pair(size, "=", "symbol=size") is var (symbol, number) ? symbol : "", Number(number));
            }
            else if (After(line, "positive ") is { } symbols)
                positive.AddRange(Items(symbols, ','));
            else if (line == "segment" || After(line, "segment ") is not null)
            {
                foreach (var symbol in Items(line["segment".Length..], ','))
                    segmentOf.Add(symbol, segments.Count);
                segments.Add([]);
            }
            else if (After(line, "slot ") is { } slot)
                (segments.LastOrDefault() ?? throw new FormatException("there is no segment before this slot")).Add(Halves(slot, " at ") is var (alone, begin)
                    ? new([.. Items(alone, ',').Select(Known)]) { At = Number(begin) } : new([.. Items(slot, ',').Select(Known)]));
            else if (Declared(line) is var (storage, declaration))
            {
                var buffer = New(declaration, storage, inputs, arguments);
                all.Add(buffer);
            }
            else
                break;
        }
        var steps = Steps();
        var (outputs, results, names) = (new List<(Buffer, Shape)>(), new List<Value>(), new List<string>());
        for (; After(Line(), "output ") is { } output; at++)
        {
            var (value, buffer) = Pair(output, " = ", "output name: type = buffer");
            var (result, type) = Pair(value, ": ", "output name: type = buffer");
            results.Add(new(Names.Read(result), OpForms.Type(type)));
            names.Add(Names.Read(result));
            outputs.Add((Known(buffer), results[^1].Shape));
        }
        if (Line() != "end")
            throw new FormatException($"'{Line()}' is no step, and no output");
        at++;
        if (lines.Skip(at).Any(l => l.AsSpan().Trim().Length > 0))
            throw new FormatException("there is more after the schedule's end");
        var graph = new Graph(title, arguments.ToEquatable(), results.ToEquatable(), names.ToEquatable(), []) { Positive = positive.ToEquatable() };
        var program = new LoweredProgram(title, graph, [.. inputs], [.. outputs], [.. all], steps, new(usual));
        return Scheduled(program, new((int)width, program.Usual), new([.. segments.Select(s => s.ToArray())], segmentOf));
    }

    static (Storage Storage, string Declaration)? Declared(string line)
    {
        foreach (var storage in Enum.GetValues<Storage>())
        {
            if (After(line, $"{ScheduleText.Word(storage)} ") is { } rest)
                return (storage, rest);
        }
        return null;
    }

    Buffer New(string declaration, Storage storage, List<Buffer> inputs, List<Value> arguments)
    {
        var (own, from) = Halves(declaration, " = ") ?? (declaration, "");
        var (name, type) = Pair(own, ": ", "buffer name: type[count]");
        var stored = OpForms.Type(type);
        if (stored.Shape.Rank != 1)
            throw new FormatException($"a buffer has one number of elements, not {stored.Shape}");
        Tensor? constant = null;
        if (storage == Storage.Weight)
        {
            var (elements, contents) = Pair(from, " ", "weight name: type[count] = type elements");
            constant = GraphText.Tensor(OpForms.Type(elements), contents, weight) ?? throw new FormatException($"there is no constant {contents} for {name}");
            if (stored.Shape[0].Value != constant.Count)
                throw new FormatException($"{name} has {stored.Shape[0]} elements, but its constant {constant.Count}");
        }
        var buffer = new Buffer(name, storage, stored.Element, stored.Shape[0]) { Constant = constant };
        if (!buffers.TryAdd(name, buffer))
            throw new FormatException($"there is a buffer {name} already");
        if (storage == Storage.Input)
        {
            var (argument, given) = Pair(from, ": ", "input buffer: type[count] = name: type");
            inputs.Add(buffer);
            arguments.Add(new(Names.Read(argument), OpForms.Type(given)));
        }
        return buffer;
    }

    Buffer Known(string name) => buffers.GetValueOrDefault(name) ?? throw new FormatException($"there is no buffer {name}");

    static (string, string) Pair(string text, string separator, string form) => Halves(text, separator) ?? throw new FormatException($"'{text}' is not written as '{form}'");

    static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>Steps as far as there are some.</summary>
    Step[] Steps()
    {
        var steps = new List<Step>();
        while (Line() is var line && line is not ("end" or "else") && After(line, "output ") is null && After(line, "stack ") is null && After(line, "carry ") is null)
            steps.Add(One(line));
        return [.. steps];
    }

    Step One(string line)
    {
        var comment = EndOfValue(line, 0, '#');
        var (what, source) = (line[..comment].Trim(), comment < line.Length ? line[(comment + 1)..].Trim() : "");
        if (After(what, "rows ") is { } rows)
            return Fused(rows);
        if (After(what, "demand ") is not null)
            return Demanded();
        if (After(what, "if ") is { } condition)
            return If(Known(condition));
        if (After(what, "loop ") is { } loop)
            return Loop(loop);
        if (After(what, "sizes ") is { } sizes)
        {
            var (symbols, from) = Pair(sizes, " = ", "sizes symbols = buffer");
            at++;
            return new Step.Bind(Known(from), Items(symbols, ',').ToEquatable(), source);
        }
        var (to, how) = Pair(what, " = ", "buffer = kernel");
        if (After(how, "copy ") is { } copied)
        {
            at++;
            return new Step.Copy(Known(copied), Known(to));
        }
        return After(how, "call ") is { } call ? Routine(to, call, source) : Nest(to, how, source, []);
    }

    Step.Routine Routine(string to, string call, string source)
    {
        var open = call.IndexOf('(');
        var close = open < 0 ? -1 : EndOfValue(call, open + 1, ')');
        if (open < 0 || close >= call.Length)
            throw new FormatException("a call is written as 'call name(buffers) key=value ...'");
        Storeds Shaped(string text) => new([.. Items(text, ',').Select(b => Pair(b, " ", "buffer [sizes]") is var (name, shape) ? (Known(name), OpForms.Type($"Float32{shape}").Shape) : default)]);
        var op = OpForms.Read(call[..open], Attributes(call[(close + 1)..]), []);
        at++;
        return new(op, source, Shaped(call[(open + 1)..close]), Shaped(to));
    }

    Step.Demanded Demanded()
    {
        var conditions = new List<(Condition, string)>();
        for (var word = "demand "; After(Line(), word) is { } demand; word = "and ", at++)
        {
            var comment = EndOfValue(demand, 0, '#');
            var (call, text) = Pair(demand[..comment].Trim(), " ", "demand name(sizes) text");
            if (call.IndexOf('(') is not (> 0 and var open) || !call.EndsWith(')') || !Enum.TryParse<Demand>(call[..open], ignoreCase: true, out var kind))
                throw new FormatException($"'{call}' demands nothing; demanded can be {string.Join(", ", Enum.GetNames<Demand>()).ToLowerInvariant()}");
            conditions.Add((new(kind, Items(call[(open + 1)..^1], ',').Select(Dim.Parse).ToEquatable(), Names.Read(text)), comment < demand.Length ? demand[(comment + 1)..].Trim() : ""));
        }
        return new([.. conditions]);
    }

    Step.If If(Buffer condition)
    {
        at++;
        var then = Steps();
        End("else");
        var other = Steps();
        End("end");
        return new(condition, then, other);
    }

    void End(string word)
    {
        if (Line() != word)
            throw new FormatException($"'{word}' is missing before this line");
        at++;
    }

    Step.Loop Loop(string head)
    {
        if (head.Split(' ') is not [var iteration, "<", var trips, "from", var begin, "while", var goOn, .. var counts] || counts is not ([] or ["counts", _]))
            throw new FormatException("a loop is written as 'loop iteration < trips from begin while go_on counts symbol'");
        at++;
        var body = Steps();
        var (stacks, carry) = (Moves("stack "), Moves("carry "));
        End("end");
        return new(Known(trips), Known(begin), Known(iteration), Known(goOn), body, carry, stacks, counts.LastOrDefault());
    }

    (Buffer From, Buffer To)[] Moves(string word)
    {
        var moves = new List<(Buffer, Buffer)>();
        for (; After(Line(), word) is { } move; at++)
            moves.Add(Pair(move, " = ", "to = from") is var (to, from) ? (Known(from), Known(to)) : default);
        return [.. moves];
    }

    static Axis[] Axes(string text, Axis[] shared) =>
        [.. Items(text, ',').Select(a => Pair(a, "=", "loop=size") is var (name, size) && Dim.Parse(size) is var extent && shared.FirstOrDefault(s => s.Name == name) is { } there
            ? there.Extent.Equals(extent) ? there : throw new FormatException($"the rows {name} are {there.Extent} and not {extent}") : new Axis(name, extent))];

    /// <summary>What stands before brackets, in them, and after them.</summary>
    static (string Before, string Within, string After) Bracketed(string text)
    {
        var open = EndOfValue(text, 0, '[');
        var close = open < text.Length ? EndOfValue(text, open + 1, ']') : text.Length;
        return close < text.Length ? (text[..open].Trim(), text[(open + 1)..close], text[(close + 1)..].Trim()) : throw new FormatException($"loops are missing in '{text}'");
    }

    Step.Fused Fused(string head)
    {
        var (before, loops, rest) = Bracketed(head);
        if (before.Length > 0)
            throw new FormatException("rows are written as 'rows [loops] private buffer[size]'");
        var rows = Axes(loops, []);
        var own = Items(After(rest, "private ") ?? "", ',').Select(Bracketed).Select(p => (Known(p.Before), Dim.Parse(p.Within))).ToArray();
        var members = new List<Step.Nest>();
        for (at++; Line() is var line && line != "end";)
        {
            var comment = EndOfValue(line, 0, '#');
            var (to, how) = Pair(line[..comment].Trim(), " = ", "buffer = kernel");
            members.Add(Nest(to, how, line[Math.Min(line.Length, comment + 1)..].Trim(), rows));
            if (rows.Any(r => !members[^1].Axes.Contains(r)))
                throw new FormatException("not all rows are loops of this nest");
        }
        End("end");
        return new(rows, [.. members], own);
    }

    Step.Nest Nest(string to, string how, string source, Axis[] shared)
    {
        var line = at;
        var (words, loops, rest) = Bracketed(how);
        var axes = Axes(loops, shared);
        var kind = Kinds.FirstOrDefault(k => After(rest, $"{k.Text} [") is not null);
        Axis[] folded = [];
        if (kind.Text is not null)
        {
            (_, var inner, rest) = Bracketed(rest);
            folded = Axes(inner, shared);
        }
        var attributes = Attributes(rest);
        var target = Known(to);
        var expressions = new ExprText.Reader(Known, axes.Concat(folded));
        Fold? fold = null;
        for (at++; ; at++)
        {
            var text = Line();
            if (kind.Text is not null && fold is null && After(text, $"{kind.Text} ") is { } reduction)
            {
                var (type, term) = After(reduction, "of ") is { } only ? (null, expressions.Read(only)) : Pair(reduction, " of ", $"{kind.Text} type of term") is var (said, what) ? ((ElementType?)Enum.Parse<ElementType>(said), expressions.Read(what)) : default;
                var result = new Expr.Accumulated(type ?? ScheduleText.TypeOf(term, kind.Arg), axes);
                fold = new(kind.Kind, folded, term, result, kind.Arg);
                expressions.Name(ScheduleText.Result(fold), result);
                continue;
            }
            if (fold is not null && After(text, "unpadded ") is { } unpadded)
            {
                fold = fold with { Unpadded = expressions.Read(unpadded) };
                continue;
            }
            var (left, right) = Pair(text, " = ", "name = expression");
            if (After(left, $"{to}[") is not [.. var place, ']'])
            {
                expressions.Name(left, expressions.Read(right));
                continue;
            }
            if (kind.Text is not null && fold is null)
                throw new FormatException($"the line with '{kind.Text} of' is missing before this one");
            var nest = new Step.Nest(source, axes, target, expressions.Place(place), expressions.Read(right), fold);
            if (nest.Value.Type != target.Type)
                throw new FormatException($"{to} has elements of {target.Type}, but these are {nest.Value.Type}");
            at++;
            written.Add(nest, new(words, attributes, line));
            return nest;
        }
    }

    static readonly (string Text, Reduction Kind, bool? Arg)[] Kinds = [.. from kind in Enum.GetValues<Reduction>()
                                                                          from arg in (bool?[])[null, false, true]
                                                                          let fold = new Fold(kind, [], new Expr.Number(ElementType.Int64, 0, 0), new(ElementType.Int64, []), arg)
                                                                          select (ScheduleText.Kind(fold), kind, arg)];

    /// <summary>The program with the kernels that are written of its nests.</summary>
    Schedule Scheduled(LoweredProgram program, Target target, MemoryPlan memory)
    {
        var (kernels, operands, tied, rows) = (new Dictionary<Step.Nest, NestKernel>(ReferenceEqualityComparer.Instance), new Dictionary<Step.Nest, Operand>(ReferenceEqualityComparer.Instance),
            new Dictionary<Step.Nest, Picking>(ReferenceEqualityComparer.Instance), new Dictionary<Step.Fused, FusedRows>(ReferenceEqualityComparer.Instance));
        var fused = program.AllSteps().OfType<Step.Fused>().ToArray();
        var within = fused.SelectMany(f => f.Members).ToHashSet<Step>(ReferenceEqualityComparer.Instance);
        var nests = program.AllSteps().OfType<Step.Nest>().Where(n => !within.Contains(n)).ToArray();
        // Products first: others may read their panels.
        foreach (var nest in nests.Where(n => !IsTaken(n) && !written[n].Attributes.ContainsKey(ScheduleText.Picks)))
            kernels.Add(nest, Kernel(nest, nest));
        foreach (var nest in written.Keys.Where(n => written[n].Attributes.ContainsKey(ScheduleText.Picks)))
            tied.Add(nest, Picking(nest));
        foreach (var nest in nests.Where(n => tied.ContainsKey(n)))
            kernels.Add(nest, Kernel(nest, tied[nest].Nest));
        foreach (var nest in nests.Where(IsTaken))
        {
            at = written[nest].Line;
            if (Following(program.Steps, nest) is not { } next || KernelChoice.TakenBy(next, kernels.GetValueOrDefault(next), nest) is not { } operand || (operand.Part is null) != written[nest].Words.EndsWith(ScheduleText.LeftOut, StringComparison.Ordinal))
                throw new FormatException($"what follows is not '{written[nest].Words}'");
            operands.Add(next, operand.Part is { } part ? operand with { Part = part with { Loops = KernelText.Along(part.Loops, written[nest].Attributes) } } : operand);
        }
        foreach (var together in fused)
            rows.Add(together, Rows(together, tied, target));
        var readers = KernelChoice.Readers(program);
        foreach (var weight in tied.Values.SelectMany(t => t.Weights))
            readers[weight] = 1;
        foreach (var (nest, kernel) in kernels)
        {
            at = written[nest].Line;
            if (kernel is NestKernel.Tiled { IsPacked: true, Tile.Packable: { } packed } && readers[packed] > 1)
                throw new FormatException($"{packed.Name} can't be packed: others read it, too");
        }
        var schedule = Schedule.LaidOut(program, target, kernels, operands, tied, rows, memory);
        return ScheduleCheck.Faults(schedule) is [var fault, ..] ? throw new FormatException(fault) : schedule;

        bool IsTaken(Step.Nest nest) => written[nest].Words is $"loops {ScheduleText.Taken}" or $"loops {ScheduleText.LeftOut}";

        NestKernel Kernel(Step.Nest nest, Step.Nest read)
        {
            var (words, attributes, line) = written[nest];
            at = line;
            return KernelText.Read(words, attributes.Where(a => a.Key != ScheduleText.Picks).ToDictionary(), read, target);
        }

        Picking Picking(Step.Nest nest)
        {
            at = written[nest].Line;
            var (picks, text) = (nest, written[nest].Attributes[ScheduleText.Picks]);
            Buffer[] weights = [.. Items(Bracketed(text).Within, ',').Select(Known)];
            foreach (var weight in weights)
            {
                picks = kernels.Values.OfType<NestKernel.Panelled>().Select(k => k.Panel).FirstOrDefault(p => p.Constants.Contains(weight)) is { } panel && TiedWeights.InPanels(picks, weight, panel) is { } read ? read
                    : throw new FormatException($"what follows can't pick rows of {weight.Name} from the panels of a product");
            }
            return new(picks, weights);
        }
    }

    FusedRows Rows(Step.Fused fused, Dictionary<Step.Nest, Picking> tied, Target target)
    {
        var parts = new List<RowsPart>();
        foreach (var member in fused.Members)
        {
            var (words, attributes, line) = written[member];
            at = line;
            var nest = RowsPart.Restricted(tied.GetValueOrDefault(member)?.Nest ?? member, fused.Rows);
            if (words == ScheduleText.OnTheWay)
            {
                if (parts is not [.., { Loops: { } before, Then: null } last] || !FusedRows.IsOnTheWay(before, nest))
                    throw new FormatException("what follows is not computed on the way of the nest before it");
                parts[^1] = last with { Then = KernelText.Along(Loops.Of(nest), attributes) };
            }
            else if (words == "loops")
                parts.Add(new(nest, KernelText.Along(Loops.Of(nest), attributes), null, null));
            else
                parts.Add(new(nest, null, null, KernelText.TileOf(words, attributes, nest, target)));
        }
        return new(fused with { Members = [.. fused.Members.Select(m => tied.GetValueOrDefault(m)?.Nest ?? m)] }, parts);
    }

    /// <summary>The nest after another; null where something else, or nothing, is there.</summary>
    static Step.Nest? Following(Step[] steps, Step.Nest nest)
    {
        for (var i = 0; i < steps.Length; i++)
        {
            if (ReferenceEquals(steps[i], nest))
                return i + 1 < steps.Length ? steps[i + 1] as Step.Nest : null;
            var inner = steps[i] switch
            {
                Step.If branch => Following(branch.Then, nest) ?? Following(branch.Else, nest),
                Step.Loop loop => Following(loop.Body, nest),
                _ => null,
            };
            if (inner is not null)
                return inner;
        }
        return null;
    }
}
