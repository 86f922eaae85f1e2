using System.Text.Json;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Arrays;

/// <summary>Numbers written in JSON: one, or lists of lists. They have no type of their own until an input gives them one.</summary>
/// <param name="Dims">The sizes, outermost first; none for a single number.</param>
/// <param name="Values">The numbers in row-major order, each as whole as it was written.</param>
sealed record Numbers(long[] Dims, IReadOnlyList<JsonElement> Values)
{
    const int MostDepth = 16;

    /// <summary>Reads nested lists.</summary>
    /// <param name="json">A number, a truth value, or lists of equal length.</param>
    /// <param name="where">How errors call it.</param>
    /// <exception cref="SoftmodelException">It is something else, or its lists differ in length.</exception>
    public static Numbers Read(JsonElement json, string where)
    {
        var dims = new List<long>();
        for (var inner = json; inner.ValueKind == JsonValueKind.Array; inner = inner[0])
        {
            dims.Add(inner.GetArrayLength());
            if (dims.Count > MostDepth)
                throw new SoftmodelException($"{where} has lists nested more than {MostDepth} deep");
            if (inner.GetArrayLength() == 0)
                break;
        }
        var values = new List<JsonElement>();
        Add(json, 0);
        return new Numbers([.. dims], values);

        void Add(JsonElement element, int depth)
        {
            if (depth == dims.Count)
            {
                if (element.ValueKind is not (JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False))
                    throw new SoftmodelException($"{where} holds {(element.ValueKind == JsonValueKind.Array ? "lists of different depth" : $"'{element}', which is no number")}");
                values.Add(element);
                return;
            }
            if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() != dims[depth])
                throw new SoftmodelException($"{where} holds lists of different length: all of one depth must have {dims[depth]} elements");
            foreach (var item in element.EnumerateArray())
                Add(item, depth + 1);
        }
    }

    /// <summary>The numbers as a tensor.</summary>
    /// <param name="type">The type that they are to have.</param>
    /// <param name="rank">The number of axes; axes of size 1 are put in front where the lists have fewer.</param>
    /// <param name="where">How errors call it.</param>
    /// <exception cref="SoftmodelException">A number does not fit the type.</exception>
    public Tensor ToTensor(ElementType type, int rank, string where)
    {
        var bytes = new byte[Values.Count * type.Size()];
        for (var i = 0; i < Values.Count; i++)
        {
            var value = Values[i];
            if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
                Tensor.Store(type, bytes, i, value.GetBoolean() ? 1L : 0L);
            else if (type.IsFloat())
                Tensor.Store(type, bytes, i, value.GetDouble());
            else if (value.TryGetInt64(out var whole) && Holds(type, whole))
                Tensor.Store(type, bytes, i, whole);
            else if (type == ElementType.UInt64 && value.TryGetUInt64(out var unsigned))
                Tensor.Store(type, bytes, i, unchecked((long)unsigned));
            else
                throw new SoftmodelException($"{where} holds {value}, which is no {type.Name()}");
        }
        return new Tensor(type, [.. Enumerable.Repeat(1L, Math.Max(0, rank - Dims.Length)), .. Dims], bytes);
    }

    static bool Holds(ElementType type, long value) => type switch
    {
        ElementType.Int64 => true,
        ElementType.UInt64 => value >= 0,
        ElementType.Bool => value is 0 or 1,
        _ => type.IsSigned() ? value >= -(1L << (8 * type.Size() - 1)) && value < 1L << (8 * type.Size() - 1) : value >= 0 && value < 1L << (8 * type.Size()),
    };
}
