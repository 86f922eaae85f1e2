using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Cli.Conformance;

namespace Softmodel.ModelTests.Conformance;

public class ConformanceTests
{
    static Task<SuiteResult[]> Run(string folder, string filter = "", int every = 1) =>
        ConformanceRun.Run(new([Shared.Folder(folder)], filter, Environment.ProcessorCount, TimeSpan.FromSeconds(60), every), null, TestContext.Current.CancellationToken);

    [Fact]
    public async Task Cases_of_simple_operators_pass()
    {
        var suite = Assert.Single(await Run("onnx/node", "test_add"));
        Assert.True(suite.Cases.Length >= 8);
        Assert.All(suite.Cases, c => Assert.True(c.Verdict == Verdict.Passed, $"{c.Name}: {c.Reason}"));
    }

    [Fact]
    public async Task The_command_names_what_failed_and_what_is_not_supported()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(["conformance", Shared.Folder("onnx/node"), "--filter", "test_sequence", "--json"], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, error.ToString());
        var json = JsonDocument.Parse(output.ToString()).RootElement;
        var suite = Assert.Single(json.GetProperty("suites").EnumerateArray());
        Assert.Equal("node", suite.GetProperty("name").GetString());
        string[] Names(string key) => [.. suite.GetProperty(key).EnumerateArray().Select(n => n.GetString()!)];
        Assert.Contains("test_sequence_insert_at_back", Names("unsupported"));
        Assert.Empty(Names("failed"));
        Assert.Equal(suite.GetProperty("total").GetInt32(), suite.GetProperty("passed").GetInt32() + Names("failed").Length + Names("unsupported").Length);
        Assert.True(json.GetProperty("machine").GetProperty("cores").GetInt32() > 0);
    }

    [Fact]
    public async Task Every_model_of_the_zoo_passes()
    {
        var suite = Assert.Single(await Run("zoo"));
        Assert.Equal(51, suite.Cases.Length);
        Assert.All(suite.Cases, c => Assert.True(c.Verdict == Verdict.Passed, $"{c.Name}: {c.Reason}"));
    }

    [Theory]
    [InlineData("01-transposed-operand-does-not-compile")]
    [InlineData("03-slice-from-negative-size")]
    [InlineData("04-slice-start-at-run-time-negative")]
    [InlineData("05-reducemin-of-sizes-is-zero")]
    [InlineData("08-dim-names")]
    [InlineData("09-squeeze-without-axes")]
    [InlineData("10-recurrent-state-of-another-symbol")]
    [InlineData("12-unused-text-refuses-model")]
    public async Task What_was_found_from_outside_stays_mended(string fault)
    {
        var suite = Assert.Single(await Run($"faults/{fault}"));
        Assert.All(suite.Cases, c => Assert.True(c.Verdict == Verdict.Passed, $"{c.Name}: {c.Reason}"));
    }

    [Fact]
    public async Task No_case_of_the_standard_gives_a_wrong_result()
    {
        // All of them take minutes: .ci/run has them run.
        var isWhole = Shared.AreAllCases;
        var suite = Assert.Single(await Run("onnx/node", every: isWhole ? 1 : 10));
        Assert.Equal(isWhole ? 1765 : 177, suite.Cases.Length);
        Assert.DoesNotContain(suite.Cases, c => c.Verdict == Verdict.Failed);
        Assert.InRange(suite.Cases.Count(c => c.Verdict == Verdict.Passed), isWhole ? 1508 : 150, suite.Cases.Length);
    }

    [Fact]
    public async Task What_is_not_supported_says_so()
    {
        var suite = Assert.Single(await Run("onnx/node", "test_sequence_insert_at_back"));
        Assert.Contains("Sequence", Assert.Single(suite.Cases).Reason);
        Assert.Equal(Verdict.Unsupported, suite.Cases[0].Verdict);
    }

    [Fact]
    public async Task A_wrong_expectation_is_found()
    {
        var suite = Assert.Single(Suites.Find(Shared.Folder("onnx/node")), s => s.Name == "node");
        var add = Assert.Single(suite.Cases, c => c.Name == "test_add");
        var wrong = add with { Data = [new(add.Data[0].Inputs, [add.Data[0].Inputs[0]])] };
        using var worker = new Worker();
        var result = await worker.Run(wrong, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.Equal((Verdict.Failed, "compare"), (result.Verdict, result.Stage));
        Assert.Equal(Verdict.Passed, (await worker.Run(add, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken)).Verdict);
    }

    [Fact]
    public async Task A_case_that_takes_too_long_is_given_up_and_the_next_one_runs()
    {
        var add = Suites.Find(Shared.Folder("onnx/node"))[0].Cases.Single(c => c.Name == "test_add");
        using var worker = new Worker();
        var late = await worker.Run(add, TimeSpan.FromMilliseconds(1), TestContext.Current.CancellationToken);
        Assert.Equal(Verdict.Failed, late.Verdict);
        Assert.Contains("not done", late.Reason);
        Assert.Equal(Verdict.Passed, (await worker.Run(add, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken)).Verdict);
    }
}
