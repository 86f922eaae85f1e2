using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>
/// A value of a graph whose parts are measured and cut: the heads of a layer, its neurons, or all that its attention gives. Seen
/// from outside it has three axes: positions (examples and tokens), parts, and the elements of a part.
/// </summary>
/// <param name="Value">The value.</param>
/// <param name="Layer">The number of its layer.</param>
/// <param name="Role">What it is there.</param>
/// <param name="PartAxes">The axes that number its parts; none where it is one.</param>
/// <param name="InnerAxes">The axes of the elements of a part.</param>
sealed record Site(Value Value, int Layer, Role Role, EquatableArray<int> PartAxes, EquatableArray<int> InnerAxes)
{
    /// <summary>The roles that can be traced, the largest parts first.</summary>
    public static IReadOnlyList<Role> Roles { get; } = [Role.AttentionOutput, Role.MlpOutput, Role.MixerOutput, Role.Heads, Role.MlpHidden];

    /// <summary>How many parts it has.</summary>
    public int Parts { get; } = Count(Value, PartAxes);

    /// <summary>How many elements a part has at a position.</summary>
    public int Inner { get; } = Count(Value, InnerAxes);

    int[] PositionAxes => [.. Enumerable.Range(0, Value.Rank).Where(i => !PartAxes.Contains(i) && !InnerAxes.Contains(i))];

    /// <summary>The sizes of the axes that number positions: those of examples first.</summary>
    public IEnumerable<Dim> PositionSizes => PositionAxes.Select(a => Value.Shape[a]);

    int[] Order => [.. PositionAxes, .. PartAxes, .. InnerAxes];

    static int Count(Value value, EquatableArray<int> axes) => (int)(Dim.Product(axes.Select(a => value.Shape[a])).Value
        ?? throw new SoftmodelException($"'{value}' can't be traced: how many parts it has is not known before it is computed"));

    /// <summary>The sites of a role, one for each layer that has it.</summary>
    /// <param name="graph">A graph in which roles are known.</param>
    /// <param name="role">One of <see cref="Roles"/>.</param>
    public static IEnumerable<Site> Of(Graph graph, Role role) =>
        from node in graph.Nodes
        where node.Origin.Role == role && node.Op.Stored is null && node.Origin.Layer is not null
        group node by node.Origin.Layer!.Value into layer
        orderby layer.Key
        select Of(graph, layer.Last().Output, layer.Key, role);

    static Site Of(Graph graph, Value value, int layer, Role role) => role switch
    {
        Role.Heads => new(value, layer, role, HeadAxes(graph, value), [value.Rank - 1]),
        Role.MlpHidden => new(value, layer, role, [value.Rank - 1], []),
        _ => new(value, layer, role, [], [value.Rank - 1]),
    };

    /// <summary>The axes that number heads: those that are merged with the last one before the next product.</summary>
    static EquatableArray<int> HeadAxes(Graph graph, Value heads)
    {
        var (value, order) = (heads, Enumerable.Range(0, heads.Rank).ToArray());
        while (graph.Nodes.FirstOrDefault(n => n.Inputs.Contains(value)) is { } reader)
        {
            if (reader.Op is Op.Transpose transpose)
                (value, order) = (reader.Output, [.. transpose.Order.Select(axis => order[axis])]);
            else if (reader.Op is Op.Reshape { Shape: { Rank: > 0 } shape })
            {
                for (var merged = 1; merged <= order.Length; merged++)
                {
                    var axes = order[^merged..];
                    if (axes[^1] == heads.Rank - 1 && Dim.Product(axes.Select(a => heads.Shape[a])).Equals(shape[shape.Rank - 1]))
                        return axes[..^1];
                }
                break;
            }
            else
                break;
        }
        throw new SoftmodelException($"the heads '{heads}' can't be told apart: they are not merged into one axis");
    }

    /// <summary>A tensor of this value's type as [positions..., parts, elements of a part].</summary>
    public Term Arranged(Term x) => x.Transpose(Order);

    /// <summary>A vector of numbers, one for each position and part, or for each element, with the axes of the value: 1 along the inner ones in the first case.</summary>
    /// <param name="numbers">The numbers: of positions, of parts, of elements.</param>
    /// <param name="ofElements">Whether there is one for each element.</param>
    public Term Spread(Term numbers, bool ofElements)
    {
        var order = Order;
        var arranged = numbers.Reshape(new(order.Select(a => !ofElements && InnerAxes.Contains(a) ? Dim.One : Value.Shape[a]).ToEquatable()));
        return arranged.Transpose([.. Enumerable.Range(0, order.Length).Select(i => Array.IndexOf(order, i))]);
    }
}

/// <summary>A part of a model that has a name.</summary>
/// <param name="Layer">The number of its layer.</param>
/// <param name="Role">What it is of: heads, neurons, or all that attention or the MLP gives.</param>
/// <param name="Index">Which head or neuron; 0 where there is one.</param>
/// <param name="Position">The only position that is meant, a <see cref="Place.Position"/>; null for all.</param>
readonly record struct Part(int Layer, Role Role, int Index, int? Position = null);
