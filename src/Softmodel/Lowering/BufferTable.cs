using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>The buffers of a program, and which values they hold.</summary>
sealed class BufferTable
{
    readonly List<Buffer> all = [];
    readonly Dictionary<string, int> taken = new(StringComparer.Ordinal);
    // The same numbers are stored once, whatever they are called.
    readonly Dictionary<Tensor, Buffer> weights = new(Tensor.Same);
    // What states become, where that is the buffer in which they are kept.
    readonly Dictionary<Value, Buffer> updated = [];

    /// <summary>Every buffer.</summary>
    public IReadOnlyList<Buffer> All => all;

    /// <summary>The buffers of values that are stored so far.</summary>
    public Dictionary<Value, Buffer> Stored { get; } = [];

    /// <summary>The values that are elements of weights stored in blocks, decoded, and their formats.</summary>
    public Dictionary<Value, BlockFormat> Formats { get; } = [];

    /// <summary>Lets a buffer hold what its value becomes in place, unless another holds that.</summary>
    /// <param name="buffer">The buffer.</param>
    /// <param name="values">What its value becomes.</param>
    public void Update(Buffer buffer, IReadOnlyList<Value> values)
    {
        if (values.Any(updated.ContainsKey))
            return;
        foreach (var value in values)
            updated.Add(value, buffer);
    }

    /// <summary>A buffer for a value: that of which it is an update in place, or a new one.</summary>
    public Buffer Store(Value value, Storage storage = Storage.Arena) =>
        Stored[value] = updated.TryGetValue(value, out var there) ? there : New(value.Name, storage, value.Type.Element, value.Shape.Count);

    /// <summary>A new buffer, called after something.</summary>
    public Buffer New(string name, Storage storage, ElementType type, Dim count)
    {
        var clean = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')).Trim('_');
        if (clean.Length > 40)
            clean = clean[^40..].Trim('_');
        clean = clean.Length == 0 || char.IsAsciiDigit(clean[0]) ? $"b_{clean}" : $"b_{clean}";
        var number = taken[clean] = taken.GetValueOrDefault(clean) + 1;
        var buffer = new Buffer(number == 1 ? clean : $"{clean}__{number}", storage, type, count);
        all.Add(buffer);
        return buffer;
    }

    /// <summary>The buffer of a constant.</summary>
    /// <param name="tensor">Its elements.</param>
    /// <param name="type">Their type as kernels read them, to which they may be widened when a model is made.</param>
    /// <param name="name">What it is called after, where it is not there yet.</param>
    public Buffer Weight(Tensor tensor, ElementType type, string name)
    {
        if (weights.TryGetValue(tensor, out var there) && there.Type == type)
            return there;
        var made = New(name, Storage.Weight, type, tensor.Count);
        var buffer = new Buffer(made.Name, Storage.Weight, type, tensor.Count) { Constant = tensor };
        all[^1] = buffer;
        return weights[tensor] = buffer;
    }
}
