using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Tests.Generated;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

/// <summary>What models name, leave out, or hold without reading it: beside ONNX Runtime.</summary>
public class OnnxImportTests
{
    /// <summary>Fails where the evaluator, or compiled code, gives something else than ONNX Runtime.</summary>
    static void Same(byte[] model, bool isCompiled, params (string Name, Tensor Value)[] inputs)
    {
        var (expected, why) = OnnxModels.Expected(model, inputs);
        Assert.True(expected is not null, why);
        Tensor[] values = [.. inputs.Select(i => i.Value)];
        OnnxModels.Imported(model, graph =>
        {
            Assert.Equal("", OnnxModels.Difference(expected, isCompiled ? Answers.Compiled(graph, values, 512, 1) : Evaluator.Run(graph, values)));
            return 0;
        });
    }

    static readonly string[] blank = ["", "?", "None", "-1", "*", "..."];

    static readonly string[] odd =
    [
        "批", "宽", "高さ", "é", "e", "a.b", "a_b", "a-b", "a/b", "a b", "1x", "n_1x", "n0", "n1", "n2", "max", "n_max", "broadcast", "floordiv", "row__0", "row__at", "turns0", "found0",
        "f", "n_f", "T", "int", "class", "this", "x0", "size", "Dim", "u6279", "_", "__", "😀1", "batch size", "N", "n", "var", "task",
    ];

    [Fact]
    public void Sizes_may_have_any_names()
    {
        foreach (var seed in Seeds.Of(60))
        {
            var random = new Random(seed);
            var model = new OnnxModels();
            var sizes = odd.ToDictionary(n => n, _ => (long)random.Next(1, 6));
            // The same names again and again, and some that only look alike.
            string[] few = [.. Enumerable.Range(0, 5).Select(_ => odd[random.Next(odd.Length)])];
            var (inputs, outputs) = (new List<(string, Tensor)>(), new List<(string, DataType)>());
            for (var i = 0; i < random.Next(1, 4); i++)
            {
                object[] dims = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(4) == 0 ? blank[random.Next(blank.Length)] : few[random.Next(few.Length)]).Distinct()];
                if (random.Next(3) == 0)
                    dims = [.. Enumerable.Repeat((object)blank[random.Next(blank.Length)], random.Next(1, 4)), 2];
                var x = model.Input($"x{i}", DataType.Float, dims);
                inputs.Add((x, Answers.Ramp([.. dims.Select(d => d is string name ? sizes.TryGetValue(name, out var size) ? size : random.Next(1, 6) : 2)])));
                outputs.Add((model.Node("Add", [x, model.Constant(Tensor.Scalar(0.5f))]), DataType.Float));
                outputs.Add((model.Node("Shape", [x]), DataType.Int64));
                outputs.Add((model.Node("ReduceSum", [x, model.Numbers(0)], ("keepdims", 0)), DataType.Float));
            }
            Same(model.File([.. outputs]), seed % 20 == 0, [.. inputs]);
        }
    }

    [Theory]
    [InlineData("d", "d", "d")]
    [InlineData("size", "size", "size")]
    public void A_name_that_every_axis_has_says_nothing(params string[] dims)
    {
        var model = new OnnxModels();
        model.Input("x", DataType.Float, [.. dims]);
        Same(model.File((model.Node("Transpose", ["x"]), DataType.Float)), true, ("x", Answers.Ramp(2, 3, 4)));
    }

    [Fact]
    public void A_name_that_stands_twice_in_the_only_input_need_not_mean_a_square()
    {
        var model = new OnnxModels();
        model.Input("x", DataType.Float, 1, 2, "s", "s");
        Same(model.File((model.Node("Relu", ["x"]), DataType.Float)), true, ("x", Answers.Ramp(1, 2, 3, 5)));
    }

    [Fact]
    public void A_name_that_other_inputs_have_means_one_size()
    {
        var model = new OnnxModels();
        model.Input("x", DataType.Float, "b", "s");
        model.Input("mask", DataType.Float, "b", 1, "s", "s");
        var file = model.File((model.Node("Add", ["x", "mask"]), DataType.Float));
        Assert.Equal(["b", "s"], OnnxModels.Imported(file, g => g.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Distinct().ToArray()));
    }

    [Fact]
    public void A_number_for_a_name_holds_wherever_it_stands()
    {
        var model = new OnnxModels();
        model.Input("x", DataType.Float, "批", "?");
        var file = model.File((model.Node("Relu", ["x"]), DataType.Float));
        Assert.Equal("[3,4]", OnnxModels.Imported(file, g => g.Inputs[0].Shape.ToString(), new Dictionary<string, long> { ["批"] = 3, ["?"] = 4 }));
    }

    [Fact]
    public void Initializers_may_have_any_names()
    {
        string[] names = ["w", "W", "w.1", "w_1", "w-1", "w/1", "f", "x0", "int", "class", "b_w", "批", "宽", "?", "N", "n0", "v0", "v1", "task", "lane", "weights", "1", "_", " ", "w\n", "it's \"so\"", "*/", "\\"];
        var model = new OnnxModels();
        var y = model.Input("x", DataType.Float, "N", 3);
        for (var i = 0; i < names.Length; i++)
            y = model.Node(i % 2 == 0 ? "Add" : "Mul", [y, model.Constant(Tensor.Of([0.5f + i % 3, 1.25f, i % 5 - 2f], 3), names[i] is "v0" or "v1" ? $"{names[i]}." : names[i])]);
        Same(model.File((y, DataType.Float)), true, ("x", Answers.Ramp(4, 3)));
    }

    // Every kind of value that a file may hold and the compiler does not compute with.
    static IEnumerable<TensorProto> Foreign()
    {
        var text = new TensorProto { Name = "text", DataType = (int)DataType.String, Dims = { 2 } };
        text.StringData.Add(Google.Protobuf.ByteString.CopyFromUtf8("one"));
        text.StringData.Add(Google.Protobuf.ByteString.CopyFromUtf8("two"));
        yield return text;
        yield return new TensorProto { Name = "complex", DataType = (int)DataType.Complex64, Dims = { 1 }, FloatData = { 1, 2 } };
        yield return new TensorProto { Name = "eighth", DataType = (int)DataType.Float8E4M3Fn, Dims = { 2 }, RawData = Google.Protobuf.ByteString.CopyFrom(1, 2) };
        yield return new TensorProto { Name = "half", DataType = (int)DataType.Int4, Dims = { 2 }, RawData = Google.Protobuf.ByteString.CopyFrom(0x21) };
    }

    [Fact]
    public void What_nothing_reads_need_not_be_known_here()
    {
        foreach (var foreign in Foreign())
        {
            foreach (var kind in (string[])["initializer", "constant", "chain", "body"])
            {
                var model = new OnnxModels { Opset = 21 };
                model.Input("x", DataType.Float, "N");
                var y = model.Node("Relu", ["x"]);
                switch (kind)
                {
                    case "initializer":
                        model.Graph.Initializer.Add(foreign);
                        break;
                    case "constant":
                        model.Node("Constant", [], ("value", foreign));
                        break;
                    case "chain":
                        model.Node("Identity", [model.Node("Constant", [], ("value", foreign))]);
                        break;
                    default:
                        GraphProto Branch(string name) => new()
                        {
                            Name = name,
                            Initializer = { foreign },
                            Node = { new NodeProto { OpType = "Neg", Input = { y }, Output = { $"{name}_y" } } },
                            Output = { new ValueInfoProto { Name = $"{name}_y", Type = new() { TensorType = new() { ElemType = (int)DataType.Float } } } },
                        };
                        var condition = model.Node("Greater", [model.Node("ReduceSum", ["x", model.Numbers(0)], ("keepdims", 0)), model.Constant(Tensor.Scalar(0f))]);
                        y = model.Node("If", [condition], ("then_branch", Branch("then")), ("else_branch", Branch("else")));
                        break;
                }
                // Not all of these are computed with by ONNX Runtime either.
                var results = OnnxModels.Imported(model.File((y, DataType.Float)), graph => Evaluator.Run(graph, [Tensor.Vector(-1f, 2f, 3f)]));
                Assert.Equal(kind == "body" ? [-0f, -2f, -3f] : [0f, 2f, 3f], results[0].Values<float>().ToArray());
            }
        }
    }

    [Fact]
    public void What_is_read_and_not_known_here_is_refused_by_its_name()
    {
        foreach (var foreign in Foreign())
        {
            var model = new OnnxModels { Opset = 21 };
            model.Input("x", DataType.Float, "N");
            model.Graph.Initializer.Add(foreign);
            var file = model.File((model.Node("Add", ["x", foreign.Name]), DataType.Float));
            var refusal = Assert.Throws<OnnxImportException>(() => OnnxModels.Imported(file, _ => 0));
            Assert.Contains($"'{foreign.Name}'", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void States_of_recurrent_layers_may_name_their_batch_as_they_like()
    {
        string[][] names = [["B", "B", "B"], ["B", "", "N"], ["", "", ""], ["B", "N", "M"], ["?", "?", "?"]];
        foreach (var seed in Seeds.Of(40))
        {
            var random = new Random(seed);
            var (op, gates) = (((string, int)[])[("LSTM", 4), ("GRU", 3), ("RNN", 1)])[random.Next(3)];
            var direction = ((string[])["forward", "reverse", "bidirectional"])[random.Next(3)];
            var (ways, hidden, width, batch, length) = (direction == "bidirectional" ? 2 : 1, random.Next(1, 4), random.Next(1, 4), random.Next(1, 4), random.Next(1, 5));
            var batchNames = names[random.Next(names.Length)];
            object Batch(int i) => random.Next(5) == 0 ? batch : batchNames[i];
            var model = new OnnxModels();
            Tensor Random(params long[] dims) => Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)(random.NextDouble() * 2 - 1))], dims);
            var inputs = new List<(string, Tensor)> { (model.Input("x", DataType.Float, random.Next(2) == 0 ? "T" : length, Batch(0), width), Random(length, batch, width)) };
            List<string> operands = ["x", model.Constant(Random(ways, gates * hidden, width)), model.Constant(Random(ways, gates * hidden, hidden)), random.Next(2) == 0 ? model.Constant(Random(ways, 2 * gates * hidden)) : ""];
            if (random.Next(2) == 0)
            {
                inputs.Add((model.Input("l", DataType.Int32, Batch(1)), Tensor.Vector<int>([.. Enumerable.Range(0, batch).Select(_ => random.Next(1, length + 1))])));
                operands.Add("l");
            }
            else
                operands.Add("");
            foreach (var state in op == "LSTM" ? (string[])["h", "c"] : ["h"])
            {
                var isGiven = random.Next(3) > 0;
                if (isGiven)
                    inputs.Add((model.Input(state, DataType.Float, random.Next(4) == 0 ? "" : ways, Batch(2), hidden), Random(ways, batch, hidden)));
                operands.Add(isGiven ? state : "");
            }
            var results = model.Nodes(op, [.. operands], op == "LSTM" ? 3 : 2, ("hidden_size", hidden), ("direction", direction));
            Same(model.File([.. results.Select(r => (r, DataType.Float))]), seed % 20 == 0, [.. inputs]);
        }
    }

    [Fact]
    public void Squeeze_without_axes_takes_what_is_1_or_says_that_it_must_be_known()
    {
        foreach (var seed in Seeds.Of(120))
        {
            var random = new Random(seed);
            object[] dims = [.. Enumerable.Range(0, random.Next(1, 5)).Select(i => (object)(random.Next(3) switch { 0 => 1, 1 => $"N{i}", _ => random.Next(1, 4) }))];
            long[] sizes = [.. dims.Select(d => d is string ? random.Next(2) == 0 ? 1 : (long)random.Next(0, 4) : Convert.ToInt64(d))];
            var model = new OnnxModels { Opset = random.Next(2) == 0 ? 11 : 18 };
            model.Input("x", DataType.Float, dims);
            var squeezed = model.Node("Squeeze", [random.Next(2) == 0 ? "x" : model.Node("Relu", ["x"])]);
            var file = model.File((random.Next(2) == 0 ? squeezed : model.Node("Neg", [squeezed]), DataType.Float), (model.Node("Shape", [squeezed]), DataType.Int64));
            Tensor[] inputs = [Answers.Ramp(sizes)];
            var (expected, why) = OnnxModels.Expected(file, ("x", inputs[0]));
            Assert.True(expected is not null, why);
            Tensor[] Run(Graph graph) => seed % 20 == 0 ? Answers.Compiled(graph, inputs, 512, 1) : Evaluator.Run(graph, inputs);
            Assert.Equal("", OnnxModels.Imported(file, g => OnnxModels.Difference(expected, Run(g)), shapes: new Dictionary<string, long[]> { ["x"] = sizes }));
            if (dims.Zip(sizes).Any(d => d.First is string && d.Second == 1))
            {
                var refusal = Assert.ThrowsAny<Exception>(() => OnnxModels.Imported(file, Run));
                Assert.Contains("Squeeze '", refusal.Message, StringComparison.Ordinal);
                Assert.Contains("--size", refusal.Message, StringComparison.Ordinal);
            }
            else
                Assert.Equal("", OnnxModels.Imported(file, g => OnnxModels.Difference(expected, Run(g))));
        }
    }

    [Fact]
    public void Squeeze_without_axes_takes_as_many_axes_as_what_follows_needs()
    {
        var model = new OnnxModels();
        model.Input("mask", DataType.Float, "batch", 1, "height", "width");
        var rows = model.Node("ReduceMean", [model.Node("Squeeze", ["mask"]), model.Numbers(1)], ("keepdims", 0));
        var found = model.Node("Transpose", [model.Node("NonZero", [rows])]);
        var places = model.Node("Range", [model.Number(0), model.Node("Squeeze", [model.Node("Shape", [rows])]), model.Number(1)]);
        var file = model.File((model.Node("GatherND", [places, found]), DataType.Int64));
        Same(file, true, ("mask", Answers.Ramp(1, 1, 5, 3)));
        Assert.Equal("[1,1,height,width]", OnnxModels.Imported(file, g => g.Inputs[0].Shape.ToString()));
    }

    [Fact]
    public void What_a_loop_carries_may_be_named_otherwise_than_what_it_meets()
    {
        var model = new OnnxModels();
        ValueInfoProto Float(string name) => new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)DataType.Float } } };
        ValueInfoProto Scalar(string name, DataType type) => new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)type, Shape = new() } } };
        model.Input("x", DataType.Float, "B", 3);
        model.Input("h", DataType.Float, "N", 3);
        model.Input("turns", DataType.Int64);
        var body = new GraphProto
        {
            Name = "body",
            Input = { Scalar("i", DataType.Int64), Scalar("go", DataType.Bool), Float("before") },
            Node =
            {
                new NodeProto { OpType = "Add", Name = "meet", Input = { "before", "x" }, Output = { "sum" } },
                new NodeProto { OpType = "Tanh", Input = { "sum" }, Output = { "after" } },
                new NodeProto { OpType = "Identity", Input = { "go" }, Output = { "on" } },
            },
            Output = { Scalar("on", DataType.Bool), Float("after") },
        };
        var file = model.File((model.Node("Loop", ["turns", "", "h"], ("body", body)), DataType.Float));
        Tensor[] Sizes(long batch, long states) => [Answers.Ramp(batch, 3), Answers.Ramp(states, 3), Tensor.Scalar(4L)];
        foreach (var (batch, states, isCompiled) in ((long, long, bool)[])[(2, 2, true), (1, 3, true), (5, 5, false)])
            Same(file, isCompiled, [.. ((string[])["x", "h", "turns"]).Zip(Sizes(batch, states))]);
        Assert.ThrowsAny<Exception>(() => OnnxModels.Imported(file, g => Answers.Compiled(g, Sizes(2, 3), 512, 1)));
        Assert.ThrowsAny<Exception>(() => OnnxModels.Imported(file, g => Evaluator.Run(g, Sizes(2, 3))));
    }

    [Fact]
    public void A_state_of_another_batch_is_refused()
    {
        var model = new OnnxModels();
        model.Input("x", DataType.Float, "T", "B", 2);
        model.Input("h", DataType.Float, 1, "N", 2);
        var results = model.Nodes("RNN", ["x", model.Constant(Answers.Ramp(1, 2, 2)), model.Constant(Answers.Ramp(1, 2, 2)), "", "", "h"], 2, ("hidden_size", 2));
        var file = model.File([.. results.Select(r => (r, DataType.Float))]);
        Tensor[] inputs = [Answers.Ramp(3, 4, 2), Answers.Ramp(1, 3, 2)];
        Assert.ThrowsAny<SoftmodelException>(() => OnnxModels.Imported(file, g => Evaluator.Run(g, inputs)));
    }
}
