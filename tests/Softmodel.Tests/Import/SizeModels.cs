using Softmodel.Graphs;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

/// <summary>A model, and inputs for it: several, of different sizes.</summary>
sealed record SizeModel(int Seed, byte[] File, string Text, string[] Names, Tensor[][] Inputs);

/// <summary>
/// Random models that compute with the sizes of their inputs and with numbers that they are given, positive and negative, and
/// use what comes of it as positions, as sizes, as padding, and as results.
/// </summary>
static class SizeModels
{
    const int Axes = 2;

    public static SizeModel Make(int seed)
    {
        var random = new Random(seed);
        var model = new OnnxModels();
        var text = new List<string>();
        string[] symbols = ["S", "T", "U"];
        string Symbol() => symbols[random.Next(symbols.Length)];
        object[][] shapes = [[Symbol(), Symbol()], [Symbol(), random.Next(3) == 0 ? 4 : Symbol()]];
        string[] names = ["x", "y"];
        foreach (var (name, shape) in names.Zip(shapes))
            model.Input(name, DataType.Float, shape);
        var given = random.Next(3) == 0;
        if (given)
            model.Input("p", DataType.Int64, 2);
        text.Add($"x[{string.Join(",", shapes[0])}] y[{string.Join(",", shapes[1])}]{(given ? " p[2]" : "")}");

        // Integers, as vectors of one element.
        var numbers = new List<string>();
        string Say(string op, string[] inputs, params (string, object)[] attributes)
        {
            var result = model.Nodes(op, inputs, op is "TopK" or "Split" ? 2 : 1, attributes)[0];
            text.Add($"{result} = {op}({string.Join(", ", inputs)}){string.Concat(attributes.Select(a => $" {a.Item1}={(a.Item2 is long[] l ? string.Join(",", l) : a.Item2)}"))}");
            return result;
        }
        string Number(long value)
        {
            var name = model.Numbers(value);
            text.Add($"{name} = {value}");
            return name;
        }
        foreach (var name in names)
        {
            var shape = Say("Shape", [name]);
            for (var axis = 0; axis < Axes; axis++)
                numbers.Add(Say("Gather", [shape, Number(axis - (random.Next(2) == 0 ? Axes : 0))], ("axis", 0)));
        }
        if (given)
        {
            for (var i = 0; i < 2; i++)
                numbers.Add(Say("Slice", ["p", Number(i), Number(i + 1)]));
        }
        string Any() => random.Next(4) == 0 ? Number(random.Next(-5, 8)) : numbers[random.Next(numbers.Count)];
        string Several() => Say("Concat", [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Any())], ("axis", 0));
        for (var i = random.Next(1, 6); i > 0; i--)
        {
            numbers.Add(random.Next(17) switch
            {
                0 or 1 => Say("Add", [Any(), Any()]),
                2 or 3 => Say("Sub", [Any(), Any()]),
                4 => Say("Mul", [Any(), Number(random.Next(-2, 4))]),
                5 => Say("Div", [Any(), Number(random.Next(2) == 0 ? 2 : random.Next(1, 5) * (random.Next(4) == 0 ? -1 : 1))]),
                6 => Say("Div", [Any(), Say("Max", [Any(), Number(1)])]),
                7 => Say("Mod", [Any(), Number(random.Next(1, 5))]),
                8 => Say("Neg", [Any()]),
                9 => Say("Min", [Any(), Any()]),
                10 => Say("Max", [Any(), Any()]),
                11 => Say(((string[])["ReduceMin", "ReduceMax", "ReduceSum", "ReduceProd"])[random.Next(4)], [Several()], ("keepdims", 1)),
                12 => Say("Abs", [Any()]),
                13 => Say("Where", [Say(((string[])["Less", "Greater", "Equal", "LessOrEqual"])[random.Next(4)], [Any(), Any()]), Any(), Any()]),
                14 => Say("Cast", [Say(random.Next(2) == 0 ? "Floor" : "Ceil", [Say("Div", [Say("Cast", [Any()], ("to", (int)DataType.Float)), model.Constant(Tensor.Vector(2f))])])], ("to", (int)DataType.Int64)),
                15 => Say("Cast", [Say("Cast", [Any()], ("to", (int)DataType.Int32))], ("to", (int)DataType.Int64)),
                _ => Say("Squeeze", [Say("Unsqueeze", [Any(), Number(0)]), Number(0)]),
            });
        }
        string Within(string number, long low, long high) => Say("Min", [Say("Max", [number, Number(low)]), Number(high)]);
        string Result() => numbers[^random.Next(1, Math.Min(3, numbers.Count) + 1)];

        var outputs = new List<(string, DataType)>();
        for (var i = random.Next(1, 3); i > 0; i--)
        {
            var x = names[random.Next(2)];
            var axis = random.Next(Axes);
            string Size() => Say("Gather", [Say("Shape", [x]), Number(axis)], ("axis", 0));
            switch (random.Next(18))
            {
                case 0:
                    outputs.Add((Say("Identity", [Result()]), DataType.Int64));
                    break;
                case 1 or 2 or 3:
                    var step = random.Next(3) == 0 ? random.Next(-3, 4) is not 0 and var s ? s : -1 : 1;
                    outputs.Add((Say("Slice", [x, Result(), random.Next(3) == 0 ? Number(step > 0 ? int.MaxValue : int.MinValue) : Any(), Number(axis - (random.Next(2) == 0 ? Axes : 0)), Number(step)]), DataType.Float));
                    break;
                case 4:
                    outputs.Add((Say("Slice", [x, Number(random.Next(-3, 2)), Result(), Number(axis)]), DataType.Float));
                    break;
                case 5:
                    outputs.Add((Say("Slice", [x, Say("Concat", [Any(), Result()], ("axis", 0)), Say("Concat", [Result(), Any()], ("axis", 0))]), DataType.Float));
                    break;
                case 6 or 7:
                    string Side() => random.Next(3) == 0 ? Number(random.Next(0, 2)) : Within(Result(), random.Next(3) == 0 ? 0 : -1, 3);
                    // What is taken away is there.
                    var room = Say("Expand", [x, Say("Concat", [Number(1), Number(1)], ("axis", 0))]);
                    room = Say("Concat", [room, room], ("axis", 0));
                    room = Say("Concat", [room, room], ("axis", 1));
                    outputs.Add((Say("Pad", [room, Say("Concat", [Side(), Side(), Side(), Side()], ("axis", 0)), model.Constant(Tensor.Scalar(0.5f))], ("mode", random.Next(4) == 0 ? "edge" : "constant")), DataType.Float));
                    break;
                case 8:
                    outputs.Add((Say("Expand", [Say("Unsqueeze", [x, Number(0)]), Say("Concat", [Within(Result(), 1, 5), Number(1), Number(1)], ("axis", 0))]), DataType.Float));
                    break;
                case 9:
                    outputs.Add((Say("ConstantOfShape", [Say("Concat", [Within(Result(), 0, 6), Number(2)], ("axis", 0))]), DataType.Float));
                    break;
                case 10:
                    var start = Say("Squeeze", [Result(), Number(0)]);
                    outputs.Add((Say("Range", [start, Say("Squeeze", [Within(Any(), -9, 9), Number(0)]), model.Number(random.Next(3) == 0 ? -1 : random.Next(1, 3))]), DataType.Int64));
                    break;
                case 11:
                    outputs.Add((Say("Tile", [x, Say("Concat", [Within(Result(), 0, 3), Number(random.Next(1, 3))], ("axis", 0))]), DataType.Float));
                    break;
                case 12:
                    outputs.Add((Say("Trilu", [x, Say("Squeeze", [Result(), Number(0)])], ("upper", random.Next(2))), DataType.Float));
                    break;
                case 13:
                    var last = Say("Sub", [Size(), Number(1)]);
                    outputs.Add((Say("Gather", [x, Say("Max", [Say("Min", [Result(), last]), Say("Neg", [Size()])])], ("axis", axis)), DataType.Float));
                    break;
                case 14:
                    outputs.Add((Say("TopK", [x, Say("Min", [Say("Max", [Result(), Number(0)]), Size()])], ("axis", axis)), DataType.Float));
                    break;
                case 15:
                    var first = Say("Min", [Say("Max", [Result(), Number(0)]), Size()]);
                    outputs.Add((Say("Split", [x, Say("Concat", [first, Say("Sub", [Size(), first])], ("axis", 0))], ("axis", axis)), DataType.Float));
                    break;
                case 16:
                    outputs.Add((Say("CenterCropPad", [x, Say("Concat", [Within(Result(), 0, 9)], ("axis", 0))], ("axes", (long[])[axis])), DataType.Float));
                    break;
                default:
                    outputs.Add((Say("Reshape", [Say("Slice", [x, Result(), Any(), Number(axis)]), Number(-1)]), DataType.Float));
                    break;
            }
        }
        var file = model.File([.. outputs]);
        var sets = new Tensor[3][];
        for (var set = 0; set < sets.Length; set++)
        {
            // The last has empty axes.
            var sizes = symbols.ToDictionary(n => n, _ => (long)random.Next(set == 2 ? 0 : 1, 8));
            sets[set] = [.. shapes.Select((shape, i) => Generated.Answers.Ramp([.. shape.Select(d => d is string name ? sizes[name] : Convert.ToInt64(d))])),
                .. given ? [Tensor.Vector<long>(random.Next(-6, 7), random.Next(-6, 7))] : (Tensor[])[]];
        }
        return new(seed, file, string.Join("\n", text), given ? [.. names, "p"] : names, sets);
    }
}
