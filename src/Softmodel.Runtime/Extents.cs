using System.ComponentModel;
using System.Runtime.CompilerServices;

namespace Softmodel.Runtime;

/// <summary>The sizes of up to <see cref="MaxRank"/> axes, held in place.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
[InlineArray(MaxRank)]
public struct Extents
{
    /// <summary>The largest number of axes that a tensor can have.</summary>
    public const int MaxRank = 8;

    long size;
}
