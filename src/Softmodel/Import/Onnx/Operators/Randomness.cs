using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that draw random numbers.</summary>
static class Randomness
{
    [Operator("RandomNormal")]
    static Term RandomNormal(OnnxCall call, long[] shape, ElementType dtype = ElementType.Float32, float mean = 0, float scale = 1, float? seed = null) =>
        Normal(call, Shape.Of(shape), dtype, mean, scale);

    [Operator("RandomNormalLike")]
    static Term RandomNormalLike(OnnxCall call, Term x, ElementType? dtype = null, float mean = 0, float scale = 1, float? seed = null) =>
        Normal(call, x.Shape, dtype ?? x.Element, mean, scale);

    [Operator("RandomUniform")]
    static Term RandomUniform(OnnxCall call, long[] shape, ElementType dtype = ElementType.Float32, float low = 0, float high = 1, float? seed = null) =>
        Uniform(call, Shape.Of(shape), dtype, low, high);

    [Operator("RandomUniformLike")]
    static Term RandomUniformLike(OnnxCall call, Term x, ElementType? dtype = null, float low = 0, float high = 1, float? seed = null) =>
        Uniform(call, x.Shape, dtype ?? x.Element, low, high);

    // A seed in the file would fix the numbers for every run; the seed of the run decides instead.
    static Term Normal(OnnxCall call, Shape shape, ElementType type, float mean, float scale)
    {
        var x = call.Source(new Op.Random(Distribution.Normal, shape, call.Builder.FreshStream()));
        var scaled = scale == 1 ? x : x * scale;
        return Elementwise.To(mean == 0 ? scaled : scaled + mean, type);
    }

    static Term Uniform(OnnxCall call, Shape shape, ElementType type, float low, float high)
    {
        var x = call.Source(new Op.Random(Distribution.Uniform, shape, call.Builder.FreshStream()));
        var scaled = high - low == 1 ? x : x * (high - low);
        return Elementwise.To(low == 0 ? scaled : scaled + low, type);
    }

    static Term Uniform(OnnxCall call, Shape shape) => call.Source(new Op.Random(Distribution.Uniform, shape, call.Builder.FreshStream()));

    [Operator("Bernoulli", since: 15)]
    static Term Bernoulli(OnnxCall call, Term x, ElementType? dtype = null, float? seed = null) =>
        Elementwise.To(Uniform(call, x.Shape) < x.Cast(ElementType.Float32), dtype ?? x.Element);

    /// <summary>A class is drawn by adding to each logarithm of a probability noise of the Gumbel distribution, and taking the largest.</summary>
    [Operator("Multinomial", since: 7)]
    static Term Multinomial(OnnxCall call, Term x, ElementType dtype = ElementType.Int32, long sampleSize = 1, float? seed = null)
    {
        var uniform = Uniform(call, new(x.Shape[0], sampleSize, x.Shape[1]));
        var gumbel = -(-(1 - uniform).Map(Functions.Log)).Map(Functions.Log);
        return (x.Cast(ElementType.Float32).Unsqueeze(1) + gumbel).Apply(new Op.ArgReduce(true, 2, false)).Cast(dtype);
    }

    [Operator("Dropout")]
    static Term[] DropoutUnlessTest(Term x, float ratio = 0.5f, bool isTest = false, long[]? consumedInputs = null) => [x, x.Scalar(1).Broadcast(x.Shape)];

    // From here on only training, which no longer says so in the model, drops anything.
    [Operator("Dropout", since: 7)]
    static Term[] DropoutOfInference(Term x, float ratio = 0.5f) => [x, x.EqualTo(x)];

    [Operator("Dropout", since: 12)]
    static Term[] Dropout(OnnxCall call, Term x, Term? ratio, Term? trainingMode, long? seed = null)
    {
        var all = call.Constant(Tensor.Scalar(ElementType.Bool, 1)).Broadcast(x.Shape);
        if (trainingMode is not { } training || training.Known?.IsAll(0) == true)
            return [x, all];
        var rate = ratio is { } given ? given.Cast(x.Element) : x.Scalar(0.5);
        var kept = Uniform(call, x.Shape).Cast(x.Element) >= rate | !training;
        return [kept.Select(training.Select(x / (1 - rate), x), x.Scalar(0)), kept];
    }
}
