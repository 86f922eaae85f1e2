using System.Collections.Concurrent;

namespace Softmodel.Runtime;

/// <summary>An exact program as a method: writes all elements of its results, or, where the call finds sizes, the sizes alone.</summary>
/// <param name="call">Its operands, and where its results go; void once it returns.</param>
public delegate void ExactMethod(ExactCall call);

/// <summary>What an exact program is given while a compiled model runs.</summary>
public readonly ref struct ExactCall
{
    readonly ReadOnlySpan<NativeTensor> inputs, outputs;

    internal ExactCall(ReadOnlySpan<NativeTensor> inputs, ReadOnlySpan<NativeTensor> outputs, ReadOnlySpan<long> arguments, Span<long> sizes)
    {
        this.inputs = inputs;
        this.outputs = outputs;
        Arguments = arguments;
        Sizes = sizes;
    }

    /// <summary>Whether <see cref="Sizes"/> are to be set, and nothing else: there are no results yet. A program that finds sizes is called so first.</summary>
    public bool FindsSizes => Sizes.Length > 0;

    /// <summary>The sizes that the operands' elements decide, none negative; empty where they are known.</summary>
    public Span<long> Sizes { get; }

    /// <summary>The numbers that the node of the graph calls it with.</summary>
    public ReadOnlySpan<long> Arguments { get; }

    /// <summary>The elements of an operand in row-major order.</summary>
    /// <typeparam name="T">The element; see <see cref="ElementTypes.Of{T}"/>. Sixteen-bit floats may be read as <c>ushort</c>.</typeparam>
    /// <param name="index">Which operand.</param>
    /// <exception cref="ModelException">The elements are of another type, or are more than a span can hold.</exception>
    public ReadOnlySpan<T> Input<T>(int index) where T : unmanaged => Elements<T>(inputs[index], "operand", index);

    /// <summary>The sizes of the axes of an operand, outermost first.</summary>
    /// <param name="index">Which operand.</param>
    public ReadOnlySpan<long> InputSizes(int index) => SizesOf(in inputs[index]);

    /// <summary>The elements of a result in row-major order: what is there before they are written is nothing in particular.</summary>
    /// <typeparam name="T">The element; see <see cref="ElementTypes.Of{T}"/>. Sixteen-bit floats may be written as <c>ushort</c>.</typeparam>
    /// <param name="index">Which result.</param>
    /// <exception cref="ModelException">The elements are of another type, or are more than a span can hold.</exception>
    public Span<T> Output<T>(int index) where T : unmanaged => Elements<T>(outputs[index], "result", index);

    /// <summary>The sizes of the axes of a result, outermost first.</summary>
    /// <param name="index">Which result.</param>
    public ReadOnlySpan<long> OutputSizes(int index) => SizesOf(in outputs[index]);

    static ReadOnlySpan<long> SizesOf(ref readonly NativeTensor tensor) => ((ReadOnlySpan<long>)tensor.Sizes)[..tensor.Rank];

    static unsafe Span<T> Elements<T>(in NativeTensor tensor, string what, int index) where T : unmanaged
    {
        var type = (ElementType)tensor.Type;
        if (ElementTypes.Of<T>() is var asked && asked != type && !(asked is ElementType.UInt16 && type is ElementType.Float16 or ElementType.BFloat16))
            throw new ModelException(ModelError.Program, $"{what} {index} holds {type.Name()}, not {asked.Name()}");
        var count = Check.Count(((ReadOnlySpan<long>)tensor.Sizes)[..tensor.Rank], what);
        return count <= int.MaxValue ? new(tensor.Data, (int)count)
            : throw new ModelException(ModelError.Program, $"{what} {index} has {count} elements, more than a span holds");
    }

    /// <summary>Calls a C function that computes what a method would; see <see cref="ExactMethods.Of"/>.</summary>
    internal unsafe void Call(delegate* unmanaged<NativeTensor*, NativeTensor*, long*, long*, int> function)
    {
        fixed (NativeTensor* given = inputs, made = outputs)
        fixed (long* arguments = Arguments, sizes = Sizes)
        {
            if (function(given, made, arguments, sizes) is not 0 and var error)
                throw new ModelException(ModelError.Program, $"it returned the error {error}");
        }
    }
}

/// <summary>
/// The methods that compiled models call as exact programs, by name. A program that compiles has them registered with what the
/// compiler knows of them; one that only runs a compiled model registers the method alone.
/// </summary>
public static class ExactMethods
{
    static readonly ConcurrentDictionary<string, ExactMethod> methods = new(StringComparer.Ordinal);

    /// <summary>Gives a method a name.</summary>
    /// <param name="name">The name of the exact program.</param>
    /// <param name="method">Called by every model that is loaded from now on, each on the thread that runs it.</param>
    /// <exception cref="ArgumentException">There is a method of that name.</exception>
    public static void Register(string name, ExactMethod method)
    {
        if (!methods.TryAdd(name, method))
            throw new ArgumentException($"an exact program '{name}' is registered already", nameof(name));
    }

    /// <summary>
    /// A C function as a method: <c>int32_t f(const tensor *inputs, tensor *outputs, const int64_t *arguments, int64_t *sizes)</c>,
    /// where a tensor is <see cref="NativeTensor"/>. <c>sizes</c> is null, except where sizes are to be found: then
    /// <c>outputs</c> is. It returns 0, or a number that the error names.
    /// </summary>
    /// <param name="function">Its address, which stays as it is.</param>
    public static unsafe ExactMethod Of(nint function) => call => call.Call((delegate* unmanaged<NativeTensor*, NativeTensor*, long*, long*, int>)function);

    /// <summary>The method of a name.</summary>
    /// <exception cref="ModelException">There is none in this process.</exception>
    public static ExactMethod Named(string name) => methods.TryGetValue(name, out var method) ? method
        : throw new ModelException(ModelError.Program, $"the model calls the exact program '{name}', which is not registered in this process: register it before the model is loaded");

    /// <summary>The sizes that a program finds, for emitted code.</summary>
    /// <param name="method">The program.</param>
    /// <param name="node">The node and the program, for errors.</param>
    /// <param name="inputs">Its operands.</param>
    /// <param name="arguments">The numbers that it is called with.</param>
    /// <param name="count">How many sizes it finds.</param>
    /// <exception cref="ModelException">The program fails, or a size is negative.</exception>
    public static Extents FindSizes(ExactMethod method, string node, ReadOnlySpan<NativeTensor> inputs, ReadOnlySpan<long> arguments, int count)
    {
        var found = new Extents();
        var sizes = ((Span<long>)found)[..count];
        Call(method, node, new(inputs, [], arguments, sizes));
        foreach (var size in sizes)
            Check.Said(size, node);
        return found;
    }

    /// <summary>Runs a program whose sizes are known, for emitted code.</summary>
    /// <param name="method">The program.</param>
    /// <param name="node">The node and the program, for errors.</param>
    /// <param name="inputs">Its operands.</param>
    /// <param name="outputs">Its results.</param>
    /// <param name="arguments">The numbers that it is called with.</param>
    /// <exception cref="ModelException">The program fails.</exception>
    public static void Run(ExactMethod method, string node, ReadOnlySpan<NativeTensor> inputs, ReadOnlySpan<NativeTensor> outputs, ReadOnlySpan<long> arguments) =>
        Call(method, node, new(inputs, outputs, arguments, []));

    static void Call(ExactMethod method, string node, ExactCall call)
    {
        try
        {
            method(call);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
        {
            throw new ModelException(ModelError.Program, $"{node}: {e.Message}", e);
        }
    }
}
