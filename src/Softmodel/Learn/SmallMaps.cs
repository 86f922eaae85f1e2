using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>
/// Convolutions over maps too small to fill a vector, written as a product with what their windows hold (im2col): its columns are
/// the places of a map, for all pictures of a batch.
/// </summary>
static class SmallMaps
{
    // Places of a map, and of all pictures together; and terms of a sum that are worth the copy.
    const long MostPlaces = 16, LeastColumns = 32, LeastTerms = 256;

    /// <summary>The product that stands for such a convolution; null for other operations.</summary>
    public static Term? Rule(GraphBuilder builder, Op op, Term[] inputs)
    {
        if (op is not Op.Convolve { Groups: 1 } convolve || inputs is not [var x, { Known: null } w] || x.Shape[0].Value is not { } batch || !w.Shape.IsKnown)
            return null;
        var y = Inference.Types(op, [x.Type, w.Type])[0].Shape;
        var terms = Dim.Product(w.Shape.Dims.Skip(1));
        if (Dim.Product(y.Dims.Skip(2)).Value is not { } places || places > MostPlaces || batch * places < LeastColumns || terms.Value < LeastTerms)
            return null;
        var spatial = convolve.Strides.Count;
        // With pictures side by side, windows of all of them are copied in vectors.
        var windows = x.Pad([0, 0, .. convolve.Low.Select(p => (Dim)p)], [0, 0, .. convolve.High.Select(p => (Dim)p)]).Transpose([.. Enumerable.Range(1, spatial + 1), 0]);
        for (var i = 0; i < spatial; i++)
            windows = windows.Apply(new Op.Unfold(i + 1, (int)w.Shape[i + 2].Value!.Value, convolve.Strides[i], convolve.Dilations[i]));
        var columns = windows.Transpose([0, .. Enumerable.Range(2 + spatial, spatial), .. Enumerable.Range(1, spatial + 1)]).Reshape(new(terms, batch * places));
        var product = columns.Contract("pq,mp->mq", w.Reshape(new(w.Shape[0], terms)));
        return product.Reshape(new([w.Shape[0], .. y.Dims.Skip(2), x.Shape[0]])).Transpose([spatial + 1, .. Enumerable.Range(0, spatial + 1)]);
    }
}
