using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Interpret;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

/// <summary>Two programs, each called as C#, as a method and as a C function: this file is all that they need.</summary>
public unsafe class ExactProgramTests
{
    // Before any test compiles: what is registered is part of the key of the cache.
    [ModuleInitializer]
    internal static void Register()
    {
        foreach (var (kind, add, above) in ((string, Callee, Callee)[])[
            ("code", new Callee.Code(AddCode), new Callee.Code(AboveCode, AboveDeclarations)),
            ("method", new Callee.Method(Add), new Callee.Method(Above)),
            ("function", new Callee.Function(AddAddress), new Callee.Function(AboveAddress))])
        {
            ExactPrograms.Register(new($"test_add_{kind}")
            {
                Types = (x, _, _) => x[0] == x[1] && x.Count == 2 ? [x[0]] : throw new SoftmodelException("it adds two vectors of one type"),
                Reference = (x, _) => [Tensor.Vector<long>([.. Enumerable.Range(0, (int)x[0].Count).Select(i => x[0].Integer(i) + x[1].Integer(i))])],
                Callee = add,
            });
            ExactPrograms.Register(new($"test_above_{kind}")
            {
                FoundSizes = 1,
                Types = (x, _, sizes) => [new(ElementType.Int64, new(sizes[0])), new(ElementType.Float32, new(2, sizes[0]))],
                Reference = (x, arguments) =>
                {
                    var at = Enumerable.Range(0, (int)x[0].Count).Where(i => x[0].Integer(i) > arguments[0]).Select(i => (long)i).ToArray();
                    return [Tensor.Vector<long>([.. at.Select(i => x[0].Integer(i))]), Tensor.Of<float>([.. at.Select(i => (float)i), .. at.Select(i => -(float)i)], 2, at.Length)];
                },
                Callee = above,
            });
        }
        ExactPrograms.Register(new("test_fails") { Types = (x, _, _) => [x[0]], Reference = (_, _) => throw new InvalidOperationException("the table is empty"), Callee = new Callee.Method(_ => throw new InvalidOperationException("the table is empty")) });
        ExactPrograms.Register(new("test_fails_in_c") { Types = (x, _, _) => [x[0]], Reference = (x, _) => [Tensor.Vector<float>(1)], Callee = new Callee.Function((nint)(delegate* unmanaged<NativeTensor*, NativeTensor*, long*, long*, int>)&Fail) });
        ExactPrograms.Register(new("test_negative") { FoundSizes = 1, Types = (x, _, sizes) => [x[0] with { Shape = new(sizes[0]) }], Reference = (x, _) => [x[0], x[0]], Callee = new Callee.Method(c => c.Sizes[0] = -1) });
        ExactPrograms.Register(new("test_other_type") { Types = (x, _, _) => [x[0]], Reference = (x, _) => [x[0]], Callee = new Callee.Method(c => c.Input<int>(0).CopyTo(c.Output<int>(0))) });
        ExactPrograms.Register(new("test_halves") { FoundSizes = 1, Types = (x, _, sizes) => [x[0] with { Shape = new(sizes[0] * 2) }], Reference = (x, _) => [x[0]], Callee = new Callee.Method(_ => { }) });
    }

    static (string?, string) AddCode(CallCode c) => (null, $"for (long i = 0; i < {c.Inputs[0].Count}; i++) {c.Outputs[0].Pointer}[i] = {c.Inputs[0].Pointer}[i] + {c.Inputs[1].Pointer}[i];");

    static void Add(ExactCall call)
    {
        var a = call.Input<long>(0);
        var b = call.Input<long>(1);
        var sum = call.Output<long>(0);
        for (var i = 0; i < sum.Length; i++)
            sum[i] = a[i] + b[i];
    }

    static nint AddAddress => (nint)(delegate* unmanaged<NativeTensor*, NativeTensor*, long*, long*, int>)&AddNative;

    [UnmanagedCallersOnly]
    static int AddNative(NativeTensor* inputs, NativeTensor* outputs, long* arguments, long* sizes)
    {
        for (var i = 0; i < outputs[0].Sizes[0]; i++)
            ((long*)outputs[0].Data)[i] = ((long*)inputs[0].Data)[i] + ((long*)inputs[1].Data)[i];
        return sizes is null ? 0 : 1;
    }

    const string AboveDeclarations = """
        static unsafe class Above
        {
            public static long Of(long* x, long count, long bar, long* above, float* at, long found)
            {
                var n = 0L;
                for (long i = 0; i < count; i++)
                {
                    if (x[i] <= bar)
                        continue;
                    if (above != null)
                        (above[n], at[n], at[n + found]) = (x[i], i, -i);
                    n++;
                }
                return n;
            }
        }
        """;

    static (string?, string) AboveCode(CallCode c)
    {
        var given = $"{c.Inputs[0].Pointer}, {c.Inputs[0].Count}, {c.Arguments[0]}";
        return ($"{c.Sizes[0]} = Above.Of({given}, null, null, 0);", $"Above.Of({given}, {c.Outputs[0].Pointer}, {c.Outputs[1].Pointer}, {c.Outputs[1].Sizes[1]});");
    }

    static void Above(ExactCall call)
    {
        var x = call.Input<long>(0);
        var found = 0;
        for (var i = 0; i < call.InputSizes(0)[0]; i++)
        {
            if (x[i] <= call.Arguments[0])
                continue;
            if (!call.FindsSizes)
                (call.Output<long>(0)[found], call.Output<float>(1)[found], call.Output<float>(1)[found + (int)call.OutputSizes(1)[1]]) = (x[i], i, -i);
            found++;
        }
        if (call.FindsSizes)
            call.Sizes[0] = found;
    }

    static nint AboveAddress => (nint)(delegate* unmanaged<NativeTensor*, NativeTensor*, long*, long*, int>)&AboveNative;

    [UnmanagedCallersOnly]
    static int AboveNative(NativeTensor* inputs, NativeTensor* outputs, long* arguments, long* sizes)
    {
        var (n, count) = (0L, inputs[0].Sizes[0]);
        for (var i = 0; i < count; i++)
        {
            var x = ((long*)inputs[0].Data)[i];
            if (x <= arguments[0])
                continue;
            if (outputs is not null)
            {
                var at = (float*)outputs[1].Data;
                (((long*)outputs[0].Data)[n], at[n], at[n + outputs[1].Sizes[1]]) = (x, i, -i);
            }
            n++;
        }
        if (sizes is not null)
            *sizes = n;
        return 0;
    }

    [UnmanagedCallersOnly]
    static int Fail(NativeTensor* inputs, NativeTensor* outputs, long* arguments, long* sizes) => 42;

    // What follows a call has the sizes that it finds, and a call in a loop finds others each time.
    static Graph Graph(string kind)
    {
        var builder = new GraphBuilder("g", Evaluator.Fold);
        var (a, b) = (builder.Input("a", new(ElementType.Int64, new(Dim.Symbol("T")))), builder.Input("b", new(ElementType.Int64, new(Dim.Symbol("T")))));
        var sum = builder.Call($"test_add_{kind}", [], a, b)[0];
        var above = builder.Call($"test_above_{kind}", [4], builder.Apply(new Op.Map(Functions.Negate), builder.Apply(new Op.Map(Functions.Negate), sum)));
        var body = builder.Body("body");
        var i = body.Input("i", new(ElementType.Int64, Shape.Scalar));
        var rest = body.Input("rest", sum.Type);
        var less = body.Call($"test_above_{kind}", [4], body.Apply(new Op.Map(Functions.Subtract), rest, i));
        var step = body.Build([body.Constant(Tensor.Scalar(true)), body.Apply(new Op.Reduce(Reduction.Sum, [0]), less[0])], ["go", "sum"]);
        var sums = builder.Apply(new Op.Loop(step, 0, 5), builder.Constant(Tensor.Scalar(5L)), builder.Constant(Tensor.Scalar(true)), sum);
        var twice = new Term(builder, above[1]) * 2;
        return builder.Build([sum, above[0], twice.Value, sums], ["sum", "above", "at", "sums"]);
    }

    static readonly Tensor[] inputs = [Tensor.Vector<long>(1, 5, -3, 9, 2, 7, 4), Tensor.Vector<long>(2, 1, 40, -9, 1, 2, 0)];

    [Theory]
    [InlineData("code")]
    [InlineData("method")]
    [InlineData("function")]
    public void A_program_runs_everywhere(string kind)
    {
        var graph = Graph(kind);
        graph.Validate();
        Assert.Equal(GraphText.Write(graph), GraphText.Write(GraphText.Read(GraphText.Write(graph))));
        var expected = Evaluator.Run(graph, inputs);
        Assert.Equal([3, 6, 37, 0, 3, 9, 4], expected[0].Values<long>().ToArray());
        Assert.Equal([6, 37, 9], expected[1].Values<long>().ToArray());
        Assert.Equal([2, 4, 10, -2, -4, -10], expected[2].Values<float>().ToArray());
        Assert.Equal([52, 5 + 36 + 8, 35 + 7, 34 + 6, 33 + 5], expected[3].Values<long>().ToArray());
        Assert.All(expected.Zip(Evaluator.Run(DoublePrecision.Of(graph), inputs)), p => Assert.True(DoublePrecision.Of(p.First).SameAs(p.Second)));
        var program = Lower.Program(graph);
        Assert.All(expected.Zip(Interpreter.Run(Schedule.Of(program, 256), inputs)), p => Assert.True(p.First.SameAs(p.Second)));
        using var model = InProcess.Compile(program, InProcess.Width);
        // Twice, since no run may depend on what the one before it found; then with nothing to find.
        foreach (var given in (Tensor[][])[inputs, [inputs[0], inputs[0]], inputs, [Tensor.Vector<long>(), Tensor.Vector<long>()]])
            Assert.All(Evaluator.Run(graph, given).Zip(Answers.Run(model, given, 1, 2)), p => Assert.True(p.First.SameAs(p.Second)));
    }

    [Fact]
    public void A_program_is_called_by_its_name_where_a_model_is_shown()
    {
        var graph = Graph("method");
        Assert.Contains("call(a, b) program=test_add_method", GraphText.Write(graph), StringComparison.Ordinal);
        using var text = new StringWriter();
        ScheduleText.Write(Schedule.Of(Lower.Program(graph), 256), text);
        Assert.Contains("program=test_add_method", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_library_has_programs_that_are_written_into_it_and_no_others()
    {
        RoutineCode.RefuseMethods(Lower.Program(Graph("code")));
        foreach (var kind in (string[])["method", "function"])
            Assert.Contains($"the exact program 'test_add_{kind}' is a {kind} of this process, which a native library cannot call", Assert.Throws<SoftmodelException>(() => RoutineCode.RefuseMethods(Lower.Program(Graph(kind)))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kept_program_finds_its_methods_and_is_another_where_others_are_registered()
    {
        Assert.Contains("test_add_method Method ", ExactPrograms.Key, StringComparison.Ordinal);
        Assert.DoesNotContain("NonZero", ExactPrograms.Key, StringComparison.Ordinal);
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var graph = Graph("method");
            var made = 0;
            for (var time = 0; time < 2; time++)
            {
                using var model = new CompileCache(folder.FullName).Get("key", "g", folder.FullName, 128, () =>
                {
                    made++;
                    var code = ProgramCode.Write(Lower.Program(graph), 128);
                    return new(InProcess.Assemble(code.Source), code.Weights, []);
                }, default);
                Assert.Equal([6, 37, 9], model.Run(inputs)[1].Values<long>().ToArray());
            }
            Assert.Equal(1, made);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static Graph One(string program) => GraphText.Read($"""
        graph g
          input x: Float32[T]
          y: Float32[{(program == "test_negative" ? "n" : "T")}] = call(x) program={program}{(program == "test_negative" ? " sizes=[n]" : "")}   # Call model/table
          output y = y
        end
        """);

    static readonly Tensor[] numbers = [Tensor.Vector<float>(1, 2)];

    [Theory]
    [InlineData("test_fails", "Call model/table: the exact program 'test_fails': the table is empty", "call Call model/table: the exact program 'test_fails': the table is empty")]
    [InlineData("test_fails_in_c", "its reference gives Float32[1] where it should give Float32[2]", "the exact program 'test_fails_in_c': it returned the error 42")]
    [InlineData("test_negative", "its reference gives Float32[2], Float32[2] where it should give Float32[n]", "the exact program 'test_negative': it is to make an axis of -1 elements")]
    [InlineData("test_other_type", null, "the exact program 'test_other_type': operand 0 holds float32, not int32")]
    public void A_program_that_fails_is_named_with_its_node(string program, string? evaluated, string compiled)
    {
        if (evaluated is not null)
            Assert.Contains(evaluated, Assert.Throws<ModelException>(() => Evaluator.Run(One(program), numbers)).Message, StringComparison.Ordinal);
        using var model = Answers.Compile(One(program), 128);
        var failed = Assert.Throws<ModelException>(() => model.Run(numbers));
        Assert.Contains(compiled, failed.Message, StringComparison.Ordinal);
        Assert.Contains("model/table", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_no_program_takes_is_refused()
    {
        string Refused(string call) => Assert.Throws<SoftmodelException>(() => GraphText.Read($"graph g\n  input x: Int64[T]\n  input z: Int64[3]\n  y: Int64[T] = call({call}\n  output y = y\nend")).Message;
        Assert.Contains("there is no exact program 'test_none'", Refused("x) program=test_none"), StringComparison.Ordinal);
        Assert.Contains("'test_add_code' does not take (Int64[T], Int64[3]): it adds two vectors of one type", Refused("x, z) program=test_add_code"), StringComparison.Ordinal);
        Assert.Contains("'test_add_code' does not take (Int64[T]): ", Refused("x) program=test_add_code"), StringComparison.Ordinal);
        Assert.Contains("'test_above_code' finds 1 sizes, but 0 are named", Refused("x) program=test_above_code arguments=[1]"), StringComparison.Ordinal);
        Assert.Contains("none of them part of a sum or product", Refused("x) program=test_halves sizes=[n]"), StringComparison.Ordinal);
        var taken = new ExactProgram("NonZero") { Types = (x, _, _) => [x[0]], Reference = (x, _) => [x[0]], Callee = new Callee.Code(_ => (null, "")) };
        Assert.Contains("registered already", Assert.Throws<ArgumentException>(() => ExactPrograms.Register(taken)).Message, StringComparison.Ordinal);
        Assert.Contains("is no name", Assert.Throws<ArgumentException>(() => ExactPrograms.Register(taken with { Name = "a b" })).Message, StringComparison.Ordinal);
        Assert.Contains("cannot find 9 sizes", Assert.Throws<ArgumentException>(() => ExactPrograms.Register(taken with { Name = "nine", FoundSizes = 9 })).Message, StringComparison.Ordinal);
        Assert.Contains("not registered in this process", Assert.Throws<ModelException>(() => ExactMethods.Named("test_none")).Message, StringComparison.Ordinal);
    }
}
