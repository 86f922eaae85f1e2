namespace Softmodel.Runtime;

/// <summary>Rearranges matrices so that a kernel reads its operand from one end to the other.</summary>
public static class Panels
{
    /// <summary>The number of elements that <see cref="Pack"/> writes.</summary>
    public static long Length(long rows, long columns, int height) => (rows + height - 1) / height * height * columns;

    /// <summary>
    /// Packs a matrix <c>[rows][columns]</c> into panels <c>[rows/height][columns][height]</c>: each panel holds
    /// <paramref name="height"/> rows, column after column. Rows missing in the last panel are zero.
    /// </summary>
    /// <param name="matrix">The first element.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="rowStride">Elements from one row to the next; <paramref name="columns"/> for a dense matrix, 1 for a transposed one.</param>
    /// <param name="columnStride">Elements from one column to the next; 1 for a dense matrix.</param>
    /// <param name="height">Rows in a panel.</param>
    /// <param name="packed">Room for <see cref="Length"/> elements; must not overlap the matrix.</param>
    public static unsafe void Pack<T>(T* matrix, long rows, long columns, long rowStride, long columnStride, int height, T* packed)
        where T : unmanaged
    {
        for (var top = 0L; top < rows; top += height)
        {
            var present = (int)Math.Min(height, rows - top);
            for (var column = 0L; column < columns; column++, packed += height)
            {
                var from = matrix + top * rowStride + column * columnStride;
                for (var row = 0; row < present; row++)
                    packed[row] = from[row * rowStride];
                for (var row = present; row < height; row++)
                    packed[row] = default;
            }
        }
    }
}
