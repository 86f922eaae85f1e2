using Softmodel.Bench.Coverage;
using Softmodel.Bench.Readme;
using Softmodel.Tests.Common;

namespace Softmodel.ModelTests.Bench;

public class FiguresTests
{
    const string Page = "Before.\n\n<!-- figures: written by bench/readme -->\nold\n<!-- end of figures -->\n\nAfter.\n";

    const string Suites = """{ "suites": [ { "name": "node", "total": 1765, "passed": 1508 }, { "name": "zoo", "total": 51, "passed": 51 } ] }""";

    const string Verified = """{ "oracle": "x", "models": [ { "model": "tts-en", "min_snr_db": 63.4 } ] }""";

    const string Timed = """
        {
          "against": "onnxruntime",
          "summary": [ { "model": "tts-en", "threads": 1, "speedup": 2.26 }, { "model": "tts-en", "threads": 2, "speedup": 3 } ],
          "machine": { "processor": "Z80", "cores": 2, "vector_bits": 8, "dotnet": "10.0.1", "onnxruntime": "1.31.1" }
        }
        """;

    [Fact]
    public void Reports_become_rows_in_an_order_of_their_own()
    {
        var page = Figures.Fill(Page, [Suites, Timed, Verified]);
        Assert.Equal("""
            Before.

            <!-- figures: written by bench/readme -->
            | what | measured | by |
            | --- | --- | --- |
            | tts-en: speedup over ONNX Runtime | 2.3× with 1 thread; 3.0× with 2 threads | `softmodel bench tts-en` |
            | tts-en: lowest SNR against ONNX Runtime | 63 dB | `softmodel verify tts-en` |
            | ONNX backend tests that pass, suite node | 1,508 of 1,765 | `softmodel conformance ../shared/onnx` |
            | networks of the zoo that compile and agree | 51 of 51 | `softmodel conformance ../shared/zoo` |

            Measured on Z80, 2 cores, 8-bit vectors; .NET 10.0.1, ONNX Runtime 1.31.1.
            <!-- end of figures -->

            After.

            """.ReplaceLineEndings("\n"), page);
        Assert.Equal(page, Figures.Fill(page, [Timed, Verified, Suites]));
    }

    [Fact]
    public void Starts_and_lengths_have_rows_of_their_own()
    {
        const string Cold = """{ "against": "onnxruntime", "summary": [ { "model": "v", "threads": 1, "speedup": 2, "cold_speedup": 30 } ], "rows": [ { "model": "v", "threads": 1, "cold_ms": 31.4, "peer_cold_ms": 2500, "peak_bytes": 30000000, "peer_peak_bytes": 400000000 } ] }""";
        const string Lengths = """{ "against": null, "summary": [ { "model": "v", "threads": 2, "ms_per_audio_second": 9.87, "r_squared": 0.99991 } ] }""";
        var page = Figures.Fill(Page, [Lengths, Cold]);
        Assert.Contains("| 31 ms (2.5 s) with 1 thread | `softmodel bench v --cold` |\n", page, StringComparison.Ordinal);
        Assert.Contains("| 30.0 MB (400 MB) with 1 thread | `softmodel bench v --cold` |\n", page, StringComparison.Ordinal);
        Assert.Contains("| 9.9 ms (R² 0.9999) with 2 threads | `softmodel bench v --lengths` |\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Language_models_have_rows_of_their_own()
    {
        const string Text = """{ "against": "llama.cpp", "summary": [ { "model": "m", "threads": 1, "decode": 1.26, "prefill": 2.3 } ], "rows": [] }""";
        const string Sentences = """{ "against": "onnxruntime", "summary": [ { "model": "e", "threads": 2, "speedup": 1.64, "min_cosine": 0.999955 } ] }""";
        const string Cold = """{ "against": "llama.cpp", "rows": [ { "model": "m", "threads": 1, "cold_ms": 91, "peer_cold_ms": 376, "file_bytes": 98400000, "peak_bytes": 121000000, "peer_peak_bytes": 220000000 } ] }""";
        const string Answers = """{ "prompts": 200, "valid": 200, "tokens": 10403, "fastForwardTokens": 2606 }""";
        var page = Figures.Fill(Page, [Answers, Cold, Sentences, Text]);
        Assert.Contains("| 1.3× and 2.3× with 1 thread | `softmodel bench m` |\n", page, StringComparison.Ordinal);
        Assert.Contains("| 1.6×, 0.99996 with 2 threads | `softmodel bench e --quantize int16` |\n", page, StringComparison.Ordinal);
        Assert.Contains("| 91 ms (376 ms) | `softmodel bench m --cold` |\n", page, StringComparison.Ordinal);
        Assert.Contains("| 200 of 200; 2,606 of 10,403 | `bench/answers` |\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Figures_of_which_there_is_no_report_stay_where_that_is_asked_for()
    {
        const string Exported = """{ "against": "onnxruntime", "summary": [ { "model": "m", "threads": 1, "decode": 1.2, "prefill": 0.6 } ], "rows": [] }""";
        var page = Figures.Fill(Page, [Suites, Timed, Verified]);
        Assert.Equal(page, Figures.Fill(page, [Timed], keepsOthers: true));
        var more = Figures.Fill(page, [Timed.Replace("2.26", "2.4", StringComparison.Ordinal), Exported], keepsOthers: true).Split('\n');
        Assert.Equal(page.Split('\n').Length + 1, more.Length);
        Assert.Contains("| tts-en: speedup over ONNX Runtime | 2.4× with 1 thread; 3.0× with 2 threads | `softmodel bench tts-en` |", more);
        Assert.Contains("| m: decode and prefill speedup over ONNX Runtime | 1.2× and 0.6× with 1 thread | `softmodel bench m` |", more);
        Assert.Contains("| tts-en: lowest SNR against ONNX Runtime | 63 dB | `softmodel verify tts-en` |", more);
        // A report that says nothing of a machine leaves what is there.
        Assert.Equal(page, Figures.Fill(page, [Verified], keepsOthers: true));
        Assert.Contains("measured elsewhere", Assert.Throws<SoftmodelException>(() => Figures.Fill(page, [Timed.Replace("Z80", "6502", StringComparison.Ordinal)], keepsOthers: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_README_shows_figures_of_the_page()
    {
        var (readme, page) = (File.ReadAllText(Repository.File("README.md")), File.ReadAllText(Repository.File("docs/figures.md")));
        Assert.Equal(readme, Figures.Summarise(readme, page));
        var row = page.Split('\n').Single(l => l.StartsWith("| tts-en: speedup over ONNX Runtime |", StringComparison.Ordinal));
        Assert.Contains(row, readme, StringComparison.Ordinal);
        var other = page.Replace(row, row.Replace("×", "0×", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("0×", Figures.Summarise(readme, other), StringComparison.Ordinal);
        Assert.Contains("no figure 'tts-en: speedup over ONNX Runtime'", Assert.Throws<SoftmodelException>(() => Figures.Summarise(readme, page.Replace(row, "", StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_report_and_what_is_no_page_is_said()
    {
        Assert.Contains("surprise", Assert.Throws<SoftmodelException>(() => Figures.Fill(Page, ["""{ "surprise": 1 }"""])).Message);
        Assert.Contains("no place", Assert.Throws<SoftmodelException>(() => Figures.Fill("A page.", [])).Message);
    }

    [Fact]
    public void A_line_that_any_run_reached_counts_once()
    {
        var folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
        string Report(string name, int first, int second)
        {
            var path = Path.Combine(folder, name);
            File.WriteAllText(path, $"""
                <coverage><sources><source>/x/src/</source></sources><packages><package><classes>
                <class filename="Softmodel/Graphs/Dim.cs"><methods /><lines><line number="3" hits="{first}" /><line number="4" hits="{second}" /><line number="5" hits="0" /></lines></class>
                <class filename="Softmodel/obj/Onnx.cs"><methods /><lines><line number="3" hits="0" /></lines></class>
                <class filename="Softmodel/Model.cs"><methods /><lines><line number="9" hits="0" /></lines></class>
                </classes></package></packages></coverage>
                """);
            return path;
        }
        var rooms = LineCoverage.Of([Report("a.xml", 1, 0), Report("b.xml", 0, 7)]);
        Assert.Equal([new("Softmodel", 1, 0), new("Softmodel/Graphs", 3, 2), new("src", 4, 2)], rooms);
        Assert.Equal(0.5, rooms[^1].Share);
        Directory.Delete(folder, recursive: true);
    }
}
