using Softmodel.Graphs;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators with graphs of their own.</summary>
static class ControlRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("If", d =>
        {
            d.Since(11, 13, 16, 21);
            var type = d.One(F32, F32, I64, I32);
            var dims = d.Shape(d.Within(0, 3));
            var x = d.Data(type, dims);
            var outside = d.Node("Add", [x, d.Weight(type, d.Stretching(dims))], type);
            Draft Branch(string name)
            {
                var body = d.Body();
                body.Gives(body.Node(name, [outside, d.Chance(0.5) ? x : body.Constant(d.Tensor(type, []))], type), type);
                body.Gives(d.Chance(0.5) ? x : body.Node("Neg", [x], type), type);
                return body;
            }
            d.Node("If", [d.Data(Bool, d.Chance(0.5) ? [] : [1])], [type, type], ("then_branch", Branch("Add")), ("else_branch", Branch("Mul")));
        }),
        new("Loop", d =>
        {
            d.Since(11, 13, 16, 21);
            var type = d.One(F32, F32, I64);
            var dims = d.Shape(d.Within(0, 2));
            var (x, y) = (d.Data(type, dims), d.Weight(type, dims));
            var body = d.Body();
            var (time, _, state) = (body.Parameter(I64, 0), body.Parameter(Bool, 0), body.Parameter(type, dims.Length));
            var ends = d.Chance(0.4);
            body.Gives(ends ? body.Node("Less", [time, body.Constant(Tensor.Scalar((long)d.Within(0, 3)))], Bool) : body.Constant(Tensor.Scalar(true)), Bool);
            var next = body.Node("Add", [state, d.Chance(0.5) ? y : body.Node("Mul", [y, body.Node("Cast", [time], type, ("to", type))], type)], type);
            body.Gives(next, type);
            body.Gives(body.Node("Sub", [next, x], type), type);
            d.Node("Loop", [d.Chance(0.9) || !ends ? d.Chance(0.6) ? d.Constant(Tensor.Scalar((long)d.Within(0, 4))) : d.Input(Tensor.Scalar((long)d.Within(0, 4))) : null, d.Chance(0.4) ? d.Data(Bool, []) : null, x], [type, type], ("body", body));
        }),
        new("Scan", d => Scan(d, d.Since(9, 11, 16))),
        new("Scan of version 8", d =>
        {
            d.Since(8);
            var (sequences, length, size) = (d.Within(1, 2), d.Within(1, 4), d.Size(1));
            var body = d.Body();
            var (state, x) = (body.Parameter(F32, 1), body.Parameter(F32, 1));
            var sum = body.Node("Add", [state, x], F32);
            body.Gives(sum, F32);
            body.Gives(body.Node("Mul", [sum, x], F32), F32);
            d.Node("Scan", [null, d.Data(F32, [sequences, size], known: true), d.Data(F32, [sequences, length, size], known: true)], [F32, F32], ("body", body), ("num_scan_inputs", 1), ("directions", d.Maybe(new long[] { d.Within(0, 1) })));
        }),
    ];

    static void Scan(Draft d, int version)
    {
        var (length, size) = (d.Within(1, 5), d.Size(1));
        var (axis, reverse, back, place) = (d.Chance(0.3) ? 1 : 0, d.Chance(0.3) ? 1 : 0, d.Chance(0.3) ? 1 : 0, d.Chance(0.3) ? 1 : 0);
        var outside = d.Data(F32, [1]);
        var body = d.Body();
        var (state, x) = (body.Parameter(F32, 1), body.Parameter(F32, 1));
        var sum = body.Node("Add", [state, body.Node("Mul", [x, outside], F32)], F32);
        body.Gives(sum, F32);
        body.Gives(body.Node("Sub", [sum, x], F32), F32);
        d.Node("Scan", [d.Data(F32, [size]), d.Data(F32, axis == 0 ? [length, size] : [size, length])], [F32, F32], ("body", body), ("num_scan_inputs", 1), ("scan_input_axes", axis == 0 ? d.Maybe(new long[] { 0 }) : new long[] { version < 11 || d.Chance(0.5) ? 1 : -1 }),
            ("scan_input_directions", reverse == 0 ? null : new long[] { 1 }), ("scan_output_axes", place == 0 ? null : new long[] { 1 }), ("scan_output_directions", back == 0 ? null : new long[] { 1 }));
    }
}
