using System.CommandLine;
using System.Text;
using Softmodel.Cli.Workloads;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Report;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel show</c>: a model as text, as a picture, or as a page to walk about in.</summary>
static class ShowCommand
{
    // About as many phonemes as a sentence has.
    const int Sentence = 30;

    public static Command Create()
    {
        var choice = new ModelChoice();
        var format = new Option<string>("--format", "-f") { Description = "text, dot for Graphviz, html for an interactive page, or onnx for other runtimes.", DefaultValueFactory = _ => "text" };
        format.AcceptOnlyFromAmong("text", "dot", "html", "onnx");
        var stage = new Option<string>("--stage") { Description = "imported: the graph as imported; passes: the graph after the passes; schedule: steps, kernels, loop nests and the memory plan; kernels: the emitted kernels with their share of the FLOPs.", DefaultValueFactory = _ => "kernels" };
        stage.AcceptOnlyFromAmong("imported", "simplified", "schedule", "kernels");
        var output = new Option<string?>("--output", "-o") { Description = "The file to write; text and dot go to standard output without it, and a page to MODEL.html.", HelpName = "FILE" };
        var at = new Option<string[]>("--at") { Description = "A size to count FLOPs at, as T=100; by default a sentence for voices, and usual sizes for others.", HelpName = "NAME=N" };
        var bits = new Option<int>("--vector-bits") { Description = "SIMD width: 512, 256 or 128 bits; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var passes = new Option<bool>("--passes") { Description = "What each pass found, changed and saved, and how long it took." };
        var verb = new Verb("show", "Show a model as text, as a graph, or as a page with its kernels, their C# and their share of the FLOPs.",
            "show tts-en --format html -o tts-en.html", "show tts-en", "show tts-en --passes", "show model.onnx --stage simplified", "show smollm2 --stage schedule", "show model.onnx --format dot -o model.dot", "show model.onnx --format onnx -o simplified.onnx", "show tts-en --at text_length=200 --json")
        {
            format, stage, output, at, bits, passes,
        };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var given = ModelChoice.Pairs(parsed.GetValue(at), "--at", ModelChoice.Number);
            var width = parsed.GetValue(bits) is not 0 and var asked ? asked : InProcess.Width;
            if (width is not (128 or 256 or 512))
                throw new UsageException($"--vector-bits can be 128, 256 or 512, not {width}");
            var (kind, file) = (parsed.GetRequiredValue(format), parsed.GetValue(output));
            if (terminal.Json && file is null && kind == "dot")
                throw new UsageException("with --json, --format dot wants a file: write -o FILE");
            if (kind == "onnx" && file is null)
                throw new UsageException("--format onnx wants a file: write -o FILE");
            var isSchedule = parsed.GetRequiredValue(stage) == "schedule";
            if (isSchedule && (kind != "text" || given.Count > 0))
                throw new UsageException("--stage schedule is text: leave out --format and --at");
            // Kernels are no ONNX: what they are made of is.
            var step = isSchedule ? Stage.Kernels : Enum.Parse<Stage>(parsed.GetRequiredValue(stage), ignoreCase: true) is var chosen && kind == "onnx" && chosen == Stage.Kernels ? Stage.Simplified : chosen;
            if (file is not null)
                WholeFile.Check(file);
            if (parsed.GetValue(passes) && (file is not null || kind != "text" || given.Count > 0))
                throw new UsageException("--passes is a table, or with --json an object: leave out --format, --output and --at");
            using var model = await choice.Load(parsed, terminal, cancel);
            if (parsed.GetValue(passes))
            {
                ShowPasses(terminal, model, await terminal.Working(progress => Task.Run(() =>
                {
                    progress.Report("importing");
                    return model.Passes;
                }, cancel)));
                return CommandLine.Done;
            }
            if (isSchedule)
            {
                var schedule = await terminal.Working(progress => Task.Run(() =>
                {
                    progress.Report("importing");
                    return model.ScheduleOf(width);
                }, cancel));
                ShowSchedule(terminal, model.Name, schedule, file);
                return CommandLine.Done;
            }
            var shown = await terminal.Working(progress => Task.Run(() => Shown.Of(model, step, width, given, progress, cancel), cancel));
            file ??= kind == "html" ? $"{model.Name}.html" : null;
            if (file is not null && kind == "onnx")
                OnnxExport.Write(shown.Graph!, file);
            else if (file is not null)
                WriteText(file, writer => shown.Write(kind, writer));
            if (file is not null)
                SayFile(terminal, file);
            if (terminal.Json)
                terminal.Result(shown.Json(file), () => throw new InvalidOperationException());
            else if (file is null)
                shown.Write(kind, terminal.Output);
            return CommandLine.Done;
        }, Verb.Json());
    }

    static void WriteText(string file, Action<TextWriter> write) => WholeFile.Write(file, stream =>
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false));
        write(writer);
    });

    static void SayFile(Terminal terminal, string file) => terminal.Say($"{file} ({Text.Size(new FileInfo(file).Length)})");

    static void ShowSchedule(Terminal terminal, string model, Schedule schedule, string? file)
    {
        using var text = new StringWriter { NewLine = "\n" };
        ScheduleText.Write(schedule, text);
        if (file is not null)
        {
            WriteText(file, writer => writer.Write(text));
            SayFile(terminal, file);
        }
        var program = schedule.Program;
        if (terminal.Json)
        {
            terminal.Result(new
            {
                model,
                stage = "schedule",
                file = file is null ? null : Path.GetFullPath(file),
                vector_bits = schedule.Target.Width,
                usual = program.Usual.Named,
                steps = program.Runs().Count(),
                kernels = schedule.Kernels.Values.GroupBy(k => k.GetType().Name.ToLowerInvariant()).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count()),
                buffers = schedule.Buffers.Count,
                slots = schedule.Memory.Segments.Sum(s => s.Length),
                text = file is null ? text.ToString() : null,
            }, () => throw new InvalidOperationException());
        }
        else if (file is null)
            terminal.Output.Write(text);
    }

    static void ShowPasses(Terminal terminal, Model model, IReadOnlyList<PassRun> runs)
    {
        static string Change(string before, string after) => before == after ? before : $"{before} → {after}";
        string Found(PassRun run) => run switch
        {
            { IsAsked: false } => "not asked for",
            { IsRefused: true } => run.Refusal(model.Use),
            { Findings: [] } => Cost("", run.Loss),
            { Findings: var all } when all.Where(f => f.IsKept).ToArray() is { Length: > 0 } kept => $"{kept.Length} of {all.Count} replaced, at least {kept.Min(f => f.SnrDb):0.0} dB{Cost("; ", run.Loss)}",
            var refused => $"0 of {refused.Findings.Count} replaced, at most {refused.Findings.Max(f => f.SnrDb):0.0} dB",
        };
        static string Cost(string before, Loss? loss) => loss is null ? "" : $"{before}outputs {loss.SnrDb:0.0} dB";
        terminal.Result(new
        {
            model = model.Name,
            passes = runs.Select(r => new
            {
                pass = r.Pass.Name,
                does = r.Pass.Does,
                fidelity = r.Pass.Fidelity.ToString().ToLowerInvariant(),
                asked = r.IsAsked,
                nodes_before = r.NodesBefore,
                nodes_after = r.NodesAfter,
                bytes_before = r.BytesBefore,
                bytes_after = r.BytesAfter,
                refused = r.IsRefused,
                output_snr_db = r.Loss?.SnrDb,
                worst = r.Loss is { } loss ? new { output = loss.Output, inputs = loss.Inputs } : null,
                findings = r.Findings.Select(f => new { where = f.Where, replaced_by = f.ReplacedBy, snr_db = f.SnrDb, kept = f.IsKept }),
                ms = Math.Round(r.Milliseconds, 1),
            }),
        }, () => runs.Aggregate(Text.Table("pass", "fidelity", "nodes", "parameters", "findings", "took"), (table, r) => table.Row(r.Pass.Name, r.Pass.Fidelity.ToString().ToLowerInvariant(),
            Change($"{r.NodesBefore:N0}", $"{r.NodesAfter:N0}"), Change(Text.Size(r.BytesBefore), Text.Size(r.BytesAfter)), Found(r), $"{r.Milliseconds:N0} ms")));
    }

    /// <summary>What is shown of a model.</summary>
    /// <param name="Outline">Its parts.</param>
    /// <param name="Graph">The graph at its stage; null for kernels.</param>
    /// <param name="Counts">How many nodes there were on the way.</param>
    /// <param name="Sizes">The numbers for its symbols.</param>
    sealed record Shown(Outline Outline, Graph? Graph, (string What, int Count)[] Counts, Dictionary<string, double> Sizes)
    {
        public static Shown Of(Model model, Stage stage, int width, Dictionary<string, long> given, IProgress<string> progress, CancellationToken cancel)
        {
            progress.Report("importing");
            var counts = new List<(string, int)> { model.IsLanguageModel ? ("weights in the file", Parameters.Of(model.Imported).Count()) : ("nodes in the file", NodesIn(model.Path)), ("core operations as imported", model.Imported.AllNodes().Count()) };
            if (stage != Stage.Imported)
                counts.Add(("after the exact passes", model.Graph.AllNodes().Count()));
            cancel.ThrowIfCancellationRequested();
            if (stage != Stage.Kernels)
            {
                var graph = stage == Stage.Imported ? model.Imported : model.Graph;
                return new(Outline.Of(model.Name, stage, graph), graph, [.. counts], []);
            }
            progress.Report("writing C#");
            var program = model.Program;
            var outline = Outline.Of(model.Name, program, ProgramCode.Write(program, width));
            cancel.ThrowIfCancellationRequested();
            return new(outline, null, [.. counts], SizesOf(program, outline.Symbols, given, cancel));
        }

        static int NodesIn(string path)
        {
            using var file = OnnxFile.Open(path);
            return file.Model.Graph.AllNodes().Count();
        }

        static Dictionary<string, double> SizesOf(LoweredProgram program, IEnumerable<string> symbols, Dictionary<string, long> given, CancellationToken cancel)
        {
            var (graph, found) = (program.Graph, new Dictionary<string, long>());
            var names = graph.Inputs.Select(v => v.Name).ToArray();
            if (VoiceForm.Of(names) is { } voice && !given.Keys.Any(graph.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Contains))
                found = Report.Sizes.Of(graph, voice.Text(Sentence).For(names), cancel);
            var all = symbols.ToDictionary(s => s, s => (double)(given.TryGetValue(s, out var size) ? size : found.GetValueOrDefault(s, program.Usual.Of(s))), StringComparer.Ordinal);
            return given.Keys.FirstOrDefault(s => !all.ContainsKey(s)) is { } unknown
                ? throw new UsageException($"no work depends on a size '{unknown}'; the sizes are {string.Join(", ", all.Keys)}")
                : all;
        }

        public void Write(string format, TextWriter to)
        {
            if (format == "html")
                OutlinePage.Write(Outline, Counts, Sizes, to);
            else if (format == "dot")
                OutlineDot.Write(Outline, to);
            else if (Graph is not null)
                GraphText.Write(Graph, to);
            else
                OutlineText.Write(Outline, Counts, Sizes, to);
        }

        public object Json(string? file) => new
        {
            model = Outline.Name,
            stage = Outline.Stage.ToString().ToLowerInvariant(),
            file = file is null ? null : Path.GetFullPath(file),
            nodes = Counts[0].Count,
            core_nodes = Counts[^1].Count,
            computed_nodes = Outline.Sources,
            steps = Outline.Stage == Stage.Kernels ? Outline.Parts.Count(p => p.Kernel >= 0) : (int?)null,
            kernels = Outline.Stage == Stage.Kernels ? Outline.Kernels.Length : (int?)null,
            weights = Outline.Weights,
            operations = Outline.Parts.Sum(Operations),
            sizes = Sizes,
            parts = Outline.Parts.Select(p => new
            {
                title = p.Title,
                scope = string.Join('/', p.Scope),
                result = p.Result,
                kernel = p.Kernel < 0 ? null : Outline.Kernels[p.Kernel].Name,
                weights = p.Weights,
                operations = Operations(p),
                nodes = p.Sources,
                from = p.From,
            }),
        };

        double Operations(Outline.Part part) => part.Work.At(s => Sizes[s]);
    }
}
