using System.Globalization;
using System.Text.Json;
using Softmodel.Report;

namespace Softmodel.Bench.Readme;

/// <summary>A figure of the documentation.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Measured">What came out.</param>
/// <param name="Command">What measured it.</param>
sealed record Figure(string What, string Measured, string Command);

/// <summary>Makes figures of what the measuring commands print with <c>--json</c>, and puts them between the markers of a page: all of them into one, some into the README.</summary>
static class Figures
{
    const string Begin = "<!-- figures: written by bench/readme -->", End = "<!-- end of figures -->", Measured = "Measured on ";

    /// <summary>The figures of the README, by what was measured.</summary>
    static readonly string[] summary =
    [
        "tts-en: speedup over ONNX Runtime",
        "tts-en: cold start to the first samples of five words (ONNX Runtime)",
        "tts-en: size of the program (ONNX Runtime and the model)",
        "smollm2: decode and prefill speedup over llama.cpp",
        "minilm, int16: speedup over ONNX Runtime; lowest cosine similarity of the two embeddings",
    ];

    // Where it loses is said beside them.
    const string Lost = "minimind2-small: decode and prefill speedup over ONNX Runtime", LostOn = "the prefill of int8 ONNX exports";

    /// <summary>A command's report, by what is in it, and its rows.</summary>
    static readonly (string[] Keys, Func<JsonElement, IEnumerable<Figure>> Rows)[] reports =
    [
        (["voice", "ours", "peer"], Demo),
        (["against", "summary"], Bench),
        (["against", "rows"], Starts),
        (["prompts", "valid"], Answers),
        (["oracle", "models"], Verify),
        (["library", "bytes"], Build),
        (["stage", "parts"], Show),
        (["suites"], Conformance),
        (["rooms", "covered"], Coverage),
    ];

    /// <summary>The page with its figures replaced.</summary>
    /// <param name="page">The page.</param>
    /// <param name="json">Reports, in any order.</param>
    /// <param name="keepsOthers">Whether figures without a report stay; they have to be of the same machine.</param>
    /// <exception cref="SoftmodelException">A report is of no command that is known here, the page has no place for figures, or what stays was measured elsewhere.</exception>
    public static string Fill(string page, IReadOnlyList<string> json, bool keepsOthers = false)
    {
        var there = Between(page, out _, out _).Split('\n');
        var roots = json.Select(j => JsonDocument.Parse(j).RootElement).ToArray();
        var rows = roots.Select(root => (Kind: Kind(root), Root: root)).OrderBy(r => r.Kind).SelectMany(r => reports[r.Kind].Rows(r.Root)).ToArray();
        if (keepsOthers)
            rows = Merged(Rows(there), rows);
        var machine = roots.Where(r => r.TryGetProperty("machine", out _)).Select(r => Machine(r.GetProperty("machine"))).FirstOrDefault();
        if (keepsOthers && machine is not null && !there.Contains($"{Measured}{machine}."))
            throw new SoftmodelException($"the figures that are there were measured elsewhere, and not on {machine}: make all of them anew");
        return Filled(page, rows, machine is not null ? $"{Measured}{machine}." : keepsOthers ? MachineOf(there) : null);
    }

    /// <summary>The README with its figures replaced by some of those of a page.</summary>
    /// <param name="readme">The README.</param>
    /// <param name="page">The page with all figures.</param>
    /// <exception cref="SoftmodelException">The README has no place for figures, or the page lacks one of them.</exception>
    public static string Summarise(string readme, string page)
    {
        var lines = Between(page, out _, out _).Split('\n');
        var rows = Rows(lines);
        Figure Of(string what) => rows.FirstOrDefault(r => r.What == what) ?? throw new SoftmodelException($"the page has no figure '{what}', which the README shows: make it");
        var lost = Of(Lost);
        return Filled(readme, summary.Select(Of), $"It loses on {LostOn} ({lost.What}: {lost.Measured}; `{lost.Command}`).", MachineOf(lines));
    }

    static Figure[] Rows(string[] lines) => [.. lines.Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(2).Select(Row)];

    static string? MachineOf(string[] lines) => lines.FirstOrDefault(l => l.StartsWith(Measured, StringComparison.Ordinal));

    static string Filled(string page, IEnumerable<Figure> rows, params string?[] below)
    {
        _ = Between(page, out var begin, out var end);
        string[] lines = [Begin, "| what | measured | by |", "| --- | --- | --- |", .. rows.Select(r => $"| {r.What} | {r.Measured} | `{r.Command}` |"), .. below.OfType<string>().SelectMany(l => new[] { "", l })];
        return $"{page[..begin]}{string.Join("\n", lines)}\n{page[end..]}";
    }

    static string Between(string page, out int begin, out int end)
    {
        (begin, end) = (page.IndexOf(Begin, StringComparison.Ordinal), page.IndexOf(End, StringComparison.Ordinal));
        return begin < 0 || end < begin ? throw new SoftmodelException($"the page has no place for figures: lines '{Begin}' and '{End}'") : page[begin..end];
    }

    static Figure Row(string line) => line.Trim('|', ' ').Split(" | ") is [var what, var measured, var command] ? new(what, measured, command.Trim('`')) : throw new SoftmodelException($"'{line}' is no row of figures");

    /// <summary>Rows, those of which there are newer ones in their place; what is new stands behind the last of its command or at the end.</summary>
    static Figure[] Merged(Figure[] old, Figure[] made)
    {
        var all = old.ToList();
        foreach (var figure in made)
        {
            var (same, near) = (all.FindIndex(f => f.What == figure.What), all.FindLastIndex(f => f.Command.Split(' ').Take(2).SequenceEqual(figure.Command.Split(' ').Take(2))));
            if (same >= 0)
                all[same] = figure;
            else
                all.Insert(near >= 0 ? near + 1 : all.Count, figure);
        }
        return [.. all];
    }

    static int Kind(JsonElement root) => Array.FindIndex(reports, r => r.Keys.All(k => root.TryGetProperty(k, out _))) is >= 0 and var kind ? kind
        : throw new SoftmodelException($"a report with {string.Join(", ", root.EnumerateObject().Select(p => p.Name).Take(6))} is of no command that has figures");

    static string Machine(JsonElement m) =>
        $"{Text(m, "processor")}, {Number(m, "cores"):0} cores, {Number(m, "vector_bits"):0}-bit vectors; .NET {Text(m, "dotnet")}, ONNX Runtime {Text(m, "onnxruntime")}";

    static IEnumerable<Figure> Demo(JsonElement root)
    {
        const string Command = "softmodel demo";
        var (voice, ours, peer) = (Text(root, "voice"), root.GetProperty("ours"), root.GetProperty("peer"));
        if (Has(ours, "total_bytes"))
            yield return new($"{voice}: size of the program (ONNX Runtime and the model)", $"{Bytes(ours, "total_bytes")} ({Bytes(peer, "total_bytes")})", Command);
        yield return new($"{voice}: time to the first sound of a scene (ONNX Runtime)", $"{Milliseconds(ours, "first_sound_ms")} ({Milliseconds(peer, "first_sound_ms")})", Command);
        yield return new($"{voice}: real-time factor (ONNX Runtime)", Invariant($"{Number(ours, "real_time_factor"):0.000} ({Number(peer, "real_time_factor"):0.000})"), Command);
        yield return new($"{voice}: peak memory (ONNX Runtime)", $"{Bytes(ours, "peak_bytes")} ({Bytes(peer, "peak_bytes")})", Command);
    }

    static IEnumerable<Figure> Bench(JsonElement root)
    {
        foreach (var model in root.GetProperty("summary").EnumerateArray().GroupBy(s => Text(s, "model")))
        {
            string Each(Func<JsonElement, string> figure) => string.Join("; ", model.Select(s => Invariant($"{figure(s)} with {Number(s, "threads"):0} {(Number(s, "threads") == 1 ? "thread" : "threads")}")));
            if (model.Any(s => Has(s, "ms_per_audio_second")))
            {
                yield return new($"{model.Key}: time for a second of audio, fitted from half a second to five minutes",
                    Each(s => Invariant($"{Number(s, "ms_per_audio_second"):0.0} ms (R² {Number(s, "r_squared"):0.0000})")), $"softmodel bench {model.Key} --lengths");
                continue;
            }
            if (model.Any(s => Has(s, "decode")))
            {
                yield return new($"{model.Key}: decode and prefill speedup over {(Text(root, "against") == "onnxruntime" ? "ONNX Runtime" : Text(root, "against"))}", Each(s => Invariant($"{Number(s, "decode"):0.0}× and {Number(s, "prefill"):0.0}×")), $"softmodel bench {model.Key}");
                continue;
            }
            // As bench/readme measures it, and as 'softmodel embed' computes.
            if (model.Any(s => Has(s, "min_cosine")))
            {
                yield return new($"{model.Key}, int16: speedup over ONNX Runtime; lowest cosine similarity of the two embeddings",
                    Each(s => Invariant($"{Number(s, "speedup"):0.0}×, {Number(s, "min_cosine"):0.00000}")), $"softmodel bench {model.Key} --quantize int16");
                continue;
            }
            if (!model.Any(s => Has(s, "cold_speedup")))
            {
                yield return new($"{model.Key}: speedup over ONNX Runtime", Each(s => Invariant($"{Number(s, "speedup"):0.0}×")), $"softmodel bench {model.Key}");
                continue;
            }
            var rows = root.GetProperty("rows").EnumerateArray().Where(r => Text(r, "model") == model.Key).ToArray();
            JsonElement Row(JsonElement summary) => rows.First(r => Number(r, "threads") == Number(summary, "threads"));
            yield return new($"{model.Key}: cold start to the first samples of five words (ONNX Runtime)",
                Each(s => $"{Milliseconds(Row(s), "cold_ms")} ({Milliseconds(Row(s), "peer_cold_ms")})"), $"softmodel bench {model.Key} --cold");
            yield return new($"{model.Key}: peak memory of a cold start (ONNX Runtime)", Each(s => $"{Bytes(Row(s), "peak_bytes")} ({Bytes(Row(s), "peer_peak_bytes")})"), $"softmodel bench {model.Key} --cold");
        }
    }

    static IEnumerable<Figure> Starts(JsonElement root) => root.GetProperty("rows").EnumerateArray().SelectMany(r => new[]
    {
        new Figure(Invariant($"{Text(r, "model")}, {Number(r, "threads"):0} {(Number(r, "threads") == 1 ? "thread" : "threads")}: cold start to the first token (llama.cpp in Node.js)"),
            $"{Milliseconds(r, "cold_ms")} ({Milliseconds(r, "peer_cold_ms")})", $"softmodel bench {Text(r, "model")} --cold"),
        new Figure(Invariant($"{Text(r, "model")}, {Number(r, "threads"):0} {(Number(r, "threads") == 1 ? "thread" : "threads")}: peak memory (llama.cpp in Node.js); the file has {Bytes(r, "file_bytes")}"),
            $"{Bytes(r, "peak_bytes")} ({Bytes(r, "peer_peak_bytes")})", $"softmodel bench {Text(r, "model")} --cold"),
    });

    static IEnumerable<Figure> Answers(JsonElement root) =>
        [new("smollm2: answers valid under their JSON schema; tokens fast-forwarded without inference", Invariant($"{Number(root, "valid"):0} of {Number(root, "prompts"):0}; {Number(root, "fastForwardTokens"):N0} of {Number(root, "tokens"):N0}"), "bench/answers")];

    static IEnumerable<Figure> Verify(JsonElement root) => root.GetProperty("models").EnumerateArray().Select(m => new Figure(
        $"{Text(m, "model")}: lowest SNR against ONNX Runtime", Invariant($"{Number(m, "min_snr_db"):0} dB"), $"softmodel verify {Text(m, "model")}"));

    static IEnumerable<Figure> Build(JsonElement root) =>
        [new($"{Text(root, "model")}: native library, code and weights", $"{Bytes(root.GetProperty("bytes"), "code")} and {Bytes(root.GetProperty("bytes"), "weights")}", $"softmodel build {Text(root, "model")} -o out")];

    static IEnumerable<Figure> Show(JsonElement root) => Has(root, "kernels")
        ? [new($"{Text(root, "model")}: nodes in the file, steps, distinct kernels", Invariant($"{Number(root, "nodes"):N0}, {Number(root, "steps"):N0}, {Number(root, "kernels"):N0}"), $"softmodel show {Text(root, "model")}")]
        : [];

    static IEnumerable<Figure> Conformance(JsonElement root) => root.GetProperty("suites").EnumerateArray().Select(s => new Figure(
        Text(s, "name") is "zoo" ? "networks of the zoo that compile and agree" : $"ONNX backend tests that pass, suite {Text(s, "name")}",
        Invariant($"{Number(s, "passed"):N0} of {Number(s, "total"):N0}"), $"softmodel conformance ../shared/{(Text(s, "name") is "zoo" ? "zoo" : "onnx")}"));

    static IEnumerable<Figure> Coverage(JsonElement root) =>
        [new("line coverage of `src/`", Invariant($"{Number(root, "share"):0.0%}"), "bench/coverage")];

    static bool Has(JsonElement e, string key) => e.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null;

    static string Text(JsonElement e, string key) => e.GetProperty(key).GetString()!;

    static double Number(JsonElement e, string key) => e.GetProperty(key).GetDouble();

    static string Bytes(JsonElement e, string key) => Amount.Of(Number(e, key), "B");

    static string Milliseconds(JsonElement e, string key) => Milliseconds(Number(e, key));

    static string Milliseconds(double ms) => ms < 1000 ? Invariant($"{ms:0} ms") : Invariant($"{ms / 1000:0.0} s");

    static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
