using Softmodel.Cli.Training;
using Softmodel.Graphs;
using Softmodel.Load;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Tests.Learn;

/// <summary>What a student is compared with, and on what.</summary>
public class DistillationTests
{
    static Graph Graph(string output, ElementType type = ElementType.Float32, params Dim[] shape)
    {
        var net = new Network("net");
        return net.Build((output, net.Input("x", type, shape.Length > 0 ? shape : [Dim.Symbol("n"), 4]) + 1));
    }

    [Fact]
    public void Outputs_are_compared_by_name_or_as_the_only_ones()
    {
        Assert.Equal(DistillationLoss.KullbackLeibler, Distillation.Match(Graph("logits"), Graph("logits"), null).Single().Loss);
        Assert.Equal(DistillationLoss.KullbackLeibler, Distillation.Match(Graph("class_logits"), Graph("y"), null).Single().Loss);
        Assert.Equal(DistillationLoss.L2, Distillation.Match(Graph("hidden"), Graph("hidden"), null).Single().Loss);
        Assert.Equal(DistillationLoss.Cosine, Distillation.Match(Graph("logits"), Graph("logits"), DistillationLoss.Cosine).Single().Loss);
    }

    static void Refused(string message, Graph teacher, Graph student) => Assert.Contains(message, Assert.Throws<SoftmodelException>(() => Distillation.Match(teacher, student, null)).Message, StringComparison.Ordinal);

    [Fact]
    public void What_does_not_match_is_named_with_its_shape()
    {
        Refused("the student takes 'x' as Float32[n,3], and its teacher as Float32[n,4]", Graph("y"), Graph("y", ElementType.Float32, Dim.Symbol("n"), 3));
        Refused("the student takes 'x' as Float64[n,4], and its teacher as Float32[n,4]", Graph("y"), Graph("y", ElementType.Float64, Dim.Symbol("n"), 4));
        Refused("the student takes 'x' as Float32[4], and its teacher as Float32[n,4]", Graph("y"), Graph("y", ElementType.Float32, 4));
        Refused("the student gives 'y' as Int64[n,4], and its teacher gives 'y' as Int64[n,4]", Graph("y", ElementType.Int64, Dim.Symbol("n"), 4), Graph("y", ElementType.Int64, Dim.Symbol("n"), 4));
        var net = new Network("two");
        var x = net.Input("x", ElementType.Float32, Dim.Symbol("n"), 4);
        Refused("the student gives 'z', Float32[n,4], and its teacher does not: it gives 'a', Float32[n,4], 'b', Float32[n,4]", net.Build(("a", x), ("b", x * 2)), Graph("z"));
        Refused("the teacher has states (x), which go from one run to the next", Graph("y") with { States = [new(0, 0)] }, Graph("y"));
    }

    [Fact]
    public void Texts_are_for_models_that_take_tokens()
    {
        var path = Path.GetTempFileName() + ".txt";
        try
        {
            File.WriteAllText(path, "Good morning.\n");
            using var model = Model.Load(Graph("y"));
            Assert.Contains("has texts, and the teacher takes x float32[n,4]", Assert.Throws<SoftmodelException>(() => DistillationData.Read(path, model, 0)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_teacher_that_gives_no_number_is_told_of_with_the_example()
    {
        var net = new Network("teacher");
        using var teacher = Model.Load(net.Build(("y", net.Input("x", ElementType.Float32, Dim.Symbol("n"), 2).Map(Functions.Log))));
        var student = new Network("student");
        var graph = student.Build(("y", student.Linear("out", student.Input("x", ElementType.Float32, Dim.Symbol("n"), 2), 2)));
        Softmodel.Arrays.InputSet[] examples = [.. Enumerable.Range(0, 6).Select(i => new Softmodel.Arrays.InputSet($"example {i}", new Dictionary<string, Tensor> { ["x"] = Tensor.Of<float>([1, i == 4 ? -1 : 2], 1, 2) }))];
        var fault = Assert.Throws<SoftmodelException>(() => Distillation.Run(teacher, graph, examples, new() { BatchSize = 1, Threads = 1 }, null, null, TestContext.Current.CancellationToken));
        Assert.Contains("example 4: the teacher gives NaN in 'y'", fault.Message, StringComparison.Ordinal);
        var learnt = Distillation.Run(teacher, graph, [.. examples.Where(e => e.Name != "example 4")], new() { BatchSize = 2, Threads = 1, Epochs = 200, Rate = 0.05, Validation = 0.4 }, null, null, TestContext.Current.CancellationToken);
        Assert.True(learnt.Outputs[0].After < learnt.Outputs[0].Before / 100, $"{learnt.Outputs[0]}");
    }
}
