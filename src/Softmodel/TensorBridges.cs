using System.Numerics.Tensors;

namespace Softmodel.Runtime;

/// <summary>Between what models take and give, and the tensors of <c>System.Numerics.Tensors</c>.</summary>
public static class TensorBridges
{
    extension(TensorArgument)
    {
        /// <summary>An argument with the elements and the shape of a tensor, which are copied.</summary>
        /// <typeparam name="T">The element; see <see cref="ElementTypes.Of{T}"/>.</typeparam>
        /// <param name="tensor">The tensor.</param>
        public static TensorArgument Of<T>(ReadOnlyTensorSpan<T> tensor) where T : unmanaged
        {
            var data = new T[checked((int)tensor.FlattenedLength)];
            tensor.FlattenTo(data);
            var shape = new long[tensor.Rank];
            for (var axis = 0; axis < shape.Length; axis++)
                shape[axis] = tensor.Lengths[axis];
            return TensorArgument.Of(data, shape);
        }

        /// <inheritdoc cref="extension(TensorArgument).Of{T}(ReadOnlyTensorSpan{T})"/>
        public static TensorArgument Of<T>(Tensor<T> tensor) where T : unmanaged => TensorBridges.Of(tensor.AsReadOnlyTensorSpan());
    }

    extension(TensorView view)
    {
        /// <summary>The elements and the shape, where they lie: valid until the model runs again or is disposed of.</summary>
        /// <inheritdoc cref="TensorView.Span{T}"/>
        public ReadOnlyTensorSpan<T> AsTensorSpan<T>() where T : unmanaged
        {
            var lengths = new nint[view.Sizes.Length];
            for (var axis = 0; axis < lengths.Length; axis++)
                lengths[axis] = (nint)view.Sizes[axis];
            return new(view.Span<T>(), lengths);
        }
    }
}
