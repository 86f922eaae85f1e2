using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>
/// A model compiled to machine code. Emitted code derives from it, computes in <see cref="Execute"/>, and is given its
/// inputs as pointers whose types, ranks and sizes have been checked. After the first runs of the largest sizes, a run
/// allocates nothing. One thread at a time may run a model; several models share nothing but the pages of their weights.
/// </summary>
public abstract unsafe class CompiledModel : IDisposable
{
    struct Slot
    {
        public void* Pointer;
        public long Count;
        public int Rank;
        public Extents Shape;
    }

    const int NoSymbol = -1;

    // A page is mapped again in the time of about two multiply-adds of one thread for each of its bytes.
    const long WorthAByte = 64;

    readonly TensorInfo[] inputs, outputs;
    readonly Slot[] given, computed;
    readonly PinnedGCHandle<Array?>[] pins;
    readonly int[][] symbols;
    readonly string[] symbolNames;
    readonly long[] symbolValues;
    Workers? workers;
    int threads = 1, busy;
    long runs;
    bool disposed, hasRun;

    /// <summary>Sets up the tables of a model.</summary>
    /// <param name="weights">The weights, which the model takes over and disposes of.</param>
    /// <param name="inputs">What a run must be given.</param>
    /// <param name="outputs">What a run computes.</param>
    protected CompiledModel(WeightsFile weights, TensorInfo[] inputs, TensorInfo[] outputs)
    {
        (WeightsFile, this.inputs, this.outputs) = (weights, inputs, outputs);
        given = new Slot[inputs.Length];
        computed = new Slot[outputs.Length];
        pins = new PinnedGCHandle<Array?>[inputs.Length];
        symbols = new int[inputs.Length][];
        // Plain loops, here and below: queries would bring a tenth of .NET into every library.
        var names = new List<string>();
        for (var i = 0; i < inputs.Length; i++)
        {
            pins[i] = new PinnedGCHandle<Array?>(null);
            symbols[i] = new int[inputs[i].Rank];
            for (var axis = 0; axis < inputs[i].Rank; axis++)
            {
                var name = inputs[i].Axes[axis];
                symbols[i][axis] = IsSymbol(name) ? names.IndexOf(name) : NoSymbol;
                if (IsSymbol(name) && symbols[i][axis] < 0)
                {
                    symbols[i][axis] = names.Count;
                    names.Add(name);
                }
            }
        }
        symbolNames = names.ToArray();
        symbolValues = new long[symbolNames.Length];
    }

    static bool IsSymbol(string axis)
    {
        foreach (var c in axis)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_')
                return false;
        }
        return axis.Length > 0 && !char.IsAsciiDigit(axis[0]);
    }

    /// <summary>What a run must be given, in this order.</summary>
    public IReadOnlyList<TensorInfo> Inputs => inputs;

    /// <summary>What a run computes, in this order.</summary>
    public IReadOnlyList<TensorInfo> Outputs => outputs;

    /// <summary>How many threads a run may use, the calling one included, from 1 to 256. The results do not depend on it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is out of range.</exception>
    public int Threads
    {
        get => threads;
        set
        {
            if (ThreadsFault(value) is { } fault)
                throw new ArgumentOutOfRangeException(nameof(value), fault);
            using var _ = Enter();
            if (value != threads)
            {
                workers?.Dispose();
                workers = null;
                threads = value;
            }
        }
    }

    /// <summary>The seed of the model's random numbers: two runs with equal inputs and equal seeds give equal outputs.</summary>
    public ulong Seed { get; set; }

    /// <summary>The most bytes of working memory that runs may take; unbounded unless set.</summary>
    public long MemoryLimit
    {
        get => Arena.Limit;
        set => Arena.Limit = value;
    }

    /// <summary>The bytes of working memory that the model holds now, without its weights.</summary>
    public long MemoryBytes => Arena.Bytes;

    /// <summary>Computes the outputs. The arguments are read in place and let go when the run is over.</summary>
    /// <param name="arguments">One for each of <see cref="Inputs"/>, in that order.</param>
    /// <returns>The outputs, in the model's own memory: valid until it runs again.</returns>
    /// <exception cref="ModelException">
    /// An argument does not fit its input or another argument, or a value in it is not usable, or memory does not
    /// suffice. The model can run again; its outputs are gone.
    /// </exception>
    /// <exception cref="InvalidOperationException">The model is running on another thread.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public RunResult Run(params ReadOnlySpan<TensorArgument> arguments)
    {
        using var _ = Enter();
        runs++;
        hasRun = false;
        Accept(arguments);
        try
        {
            workers ??= new Workers(OwnThreads);
            workers.Begin();
            Execute();
            hasRun = true;
            return new(this, runs);
        }
        catch (OverflowException e)
        {
            throw new ModelException(ModelError.Memory, $"the sizes of this run are larger than any machine holds ({e.Message}); use shorter inputs");
        }
        finally
        {
            workers?.End();
            foreach (ref var pin in pins.AsSpan())
                pin.Target = null;
        }
    }

    /// <summary>Computes the outputs of a model without inputs.</summary>
    /// <inheritdoc cref="Run(ReadOnlySpan{TensorArgument})"/>
    public RunResult Run() => Run(ReadOnlySpan<TensorArgument>.Empty);

    /// <summary>Computes the outputs, given inputs by their names.</summary>
    /// <param name="arguments">One for each of <see cref="Inputs"/>, in any order, such as <c>("input", samples)</c>.</param>
    /// <inheritdoc cref="Run(ReadOnlySpan{TensorArgument})"/>
    /// <exception cref="ArgumentException">An input is missing, or given twice, or there is none of a name.</exception>
    public RunResult Run(params ReadOnlySpan<(string Name, TensorArgument Argument)> arguments)
    {
        var ordered = new TensorArgument[inputs.Length];
        foreach (var (name, argument) in arguments)
        {
            var index = IndexOf(inputs, name);
            if (index < 0)
                throw new ArgumentException($"there is no input '{name}'; the model takes {Names(inputs)}", nameof(arguments));
            if (ordered[index].Type != ElementType.None)
                throw new ArgumentException($"the input '{name}' is given twice", nameof(arguments));
            ordered[index] = argument;
        }
        for (var i = 0; i < ordered.Length; i++)
        {
            if (ordered[i].Type == ElementType.None)
                throw new ArgumentException($"the input '{inputs[i].Name}' is missing; the model takes {Names(inputs)}", nameof(arguments));
        }
        return Run(ordered);
    }

    /// <inheritdoc cref="Run(ReadOnlySpan{ValueTuple{string, TensorArgument}})"/>
    /// <param name="arguments">One for each of <see cref="Inputs"/>, by its name.</param>
    public RunResult Run(IReadOnlyDictionary<string, TensorArgument> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        var pairs = new (string, TensorArgument)[arguments.Count];
        var count = 0;
        foreach (var (name, argument) in arguments)
            pairs[count++] = (name, argument);
        return Run(pairs);
    }

    /// <summary>Computes the outputs of a model with one input.</summary>
    /// <typeparam name="T">The element; see <see cref="ElementTypes.Of{T}"/>.</typeparam>
    /// <param name="data">The elements in row-major order, read in place; as many as the product of the sizes.</param>
    /// <param name="shape">The sizes, outermost first.</param>
    /// <inheritdoc cref="Run(ReadOnlySpan{TensorArgument})"/>
    public RunResult Run<T>(ReadOnlySpan<T> data, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        fixed (T* pointer = data)
        {
            // An empty span has no address.
            var argument = new TensorArgument(ElementTypes.Of<T>(), pointer is null && data.IsEmpty ? (void*)1 : pointer, shape);
            if (argument.Count != data.Length)
                throw new ModelException(ModelError.Argument, $"{data.Length} elements were given for the shape [{TensorArgument.Text(shape)}], which has {argument.Count}");
            return Run([argument]);
        }
    }

    /// <summary>An output of the latest run.</summary>
    /// <param name="index">Which of <see cref="Outputs"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such output.</exception>
    /// <exception cref="InvalidOperationException">The model has not run, or its latest run failed.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public TensorView Output(int index)
    {
        if (OutputFault(index) is { } fault)
            throw new ArgumentOutOfRangeException(nameof(index), fault);
        ObjectDisposedException.ThrowIf(disposed, this);
        if (!hasRun)
            throw new InvalidOperationException("there are no outputs: the model has not run, or its latest run failed");
        ref var slot = ref computed[index];
        return new TensorView(outputs[index], slot.Pointer, ((ReadOnlySpan<long>)slot.Shape)[..slot.Rank], slot.Count);
    }

    /// <summary>An output of the latest run.</summary>
    /// <param name="name">The name of one of <see cref="Outputs"/>.</param>
    /// <exception cref="ArgumentException">There is no such output.</exception>
    /// <inheritdoc cref="Output(int)" path="/exception[position() > 1]"/>
    public TensorView Output(string name) => IndexOf(outputs, name) is >= 0 and var index ? Output(index)
        : throw new ArgumentException($"there is no output '{name}'; the model gives {Names(outputs)}", nameof(name));

    /// <summary>Why there can't be so many threads; null where there can.</summary>
    internal static string? ThreadsFault(long threads) => threads is < 1 or > 256 ? $"{threads} threads were asked for; 1 to 256 are possible" : null;

    /// <summary>Why there is no such output; null where there is.</summary>
    internal string? OutputFault(int index) => (uint)index >= (uint)outputs.Length ? $"there is no output {index}; the model has {outputs.Length}" : null;

    internal TensorView Output(int index, long run) => run == runs ? Output(index)
        : throw new InvalidOperationException("the model has run again since: the outputs of a run are valid until the next one; copy what is needed longer");

    internal int OutputIndex(string name) => IndexOf(outputs, name);

    static int IndexOf(TensorInfo[] infos, string name)
    {
        for (var i = 0; i < infos.Length; i++)
        {
            if (infos[i].Name == name)
                return i;
        }
        return -1;
    }

    static string Names(TensorInfo[] infos) => string.Join(", ", (object[])infos);

    /// <summary>Computes: reads inputs and <see cref="Weights"/>, and tells each output once with <see cref="SetOutput"/>.</summary>
    protected abstract void Execute();

    /// <summary>The first byte of the weights, aligned to <see cref="Arena.Alignment"/>.</summary>
    protected byte* Weights => WeightsFile.Pointer;

    /// <summary>The file or memory that holds the weights.</summary>
    protected WeightsFile WeightsFile { get; }

    /// <summary>
    /// Says that the present run is done with a range of the weights. Its pages are given back to the system where
    /// mapping them again takes little beside the run itself.
    /// </summary>
    /// <param name="from">The first byte of the range.</param>
    /// <param name="to">The end of the range.</param>
    /// <param name="all">The bytes that the run is done with, those given back before included.</param>
    /// <param name="work">The multiply-adds of the run.</param>
    /// <returns>The first byte that has not been given back.</returns>
    protected long Served(long from, long to, long all, long work)
    {
        if (all * WorthAByte > work)
            return from;
        WeightsFile.GiveBack(from, to);
        return to;
    }

    /// <summary>The memory that a run computes in.</summary>
    protected Arena Arena { get; init; } = new();

    /// <summary>The states, which are carried from run to run.</summary>
    protected StateMemory States { get; init; } = new(0);

    /// <summary>The bytes of the states that the model carries from run to run, such as a KV cache.</summary>
    public long StateBytes => States.Bytes;

    /// <summary>Resets the states that runs carry over, such as a KV cache: the next run begins with zeros.</summary>
    /// <exception cref="InvalidOperationException">The model is running.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public void ResetStates()
    {
        using var _ = Enter();
        ClearStates();
    }

    /// <summary>The first bytes of a state, which the next run finds as they are left here; zeros where no run has written them.</summary>
    /// <param name="state">Which state.</param>
    /// <param name="bytes">How many.</param>
    /// <exception cref="ModelException">The machine's memory does not suffice.</exception>
    internal Span<byte> State(int state, int bytes) => new(States.Reserve(state, bytes), bytes);

    /// <summary>How many threads of this process's own runtime a run takes, the calling one included.</summary>
    private protected virtual int OwnThreads => threads;

    private protected virtual void ClearStates() => States.Clear();

    private protected virtual void Free() { }

    /// <summary>The threads that a run computes with.</summary>
    protected Workers Workers => workers!;

    /// <summary>The first element of an input of the present run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected void* Input(int index) => given[index].Pointer;

    /// <summary>The size of an axis of an input of the present run. Equal symbols have been found equal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected long InputSize(int index, int axis) => given[index].Shape[axis];

    /// <summary>Tells where the present run put an output.</summary>
    /// <param name="index">Which output.</param>
    /// <param name="pointer">Its first element, in the arena or the weights: not in an input, which is let go after the run.</param>
    /// <param name="shape">Its sizes.</param>
    protected void SetOutput(int index, void* pointer, params ReadOnlySpan<long> shape)
    {
        ref var slot = ref computed[index];
        slot.Pointer = pointer;
        slot.Rank = shape.Length;
        slot.Count = Check.Count(shape, outputs[index].Name);
        shape.CopyTo(slot.Shape);
    }

    void Accept(ReadOnlySpan<TensorArgument> arguments)
    {
        if (arguments.Length != inputs.Length)
            throw new ModelException(ModelError.Argument, $"{arguments.Length} arguments were given; the model has {inputs.Length} inputs: {string.Join(", ", (object[])inputs)}");
        symbolValues.AsSpan().Fill(-1);
        for (var i = 0; i < inputs.Length; i++)
            Accept(in arguments[i], i);
        // Only when all is well are arrays pinned and pointers taken.
        for (var i = 0; i < inputs.Length; i++)
        {
            ref readonly var argument = ref arguments[i];
            given[i].Pointer = argument.Pointer;
            if (argument.Array is { } array)
            {
                pins[i].Target = array;
                given[i].Pointer = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)) + argument.Offset;
            }
        }
    }

    void Accept(in TensorArgument argument, int index)
    {
        var input = inputs[index];
        if (argument.Type != input.Type)
            throw Refused(input, argument.Type == ElementType.None ? "nothing was given for it" : $"elements of type {argument.Type.Name()} were given");
        var sizes = argument.Sizes;
        if (sizes.Length != input.Rank)
            throw Refused(input, $"the shape [{TensorArgument.Text(sizes)}] was given");
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            if (input.Sizes[axis] >= 0 && sizes[axis] != input.Sizes[axis])
                throw Refused(input, $"the shape [{TensorArgument.Text(sizes)}] was given");
            if (symbols[index][axis] is >= 0 and var symbol)
            {
                ref var value = ref symbolValues[symbol];
                if (value >= 0 && value != sizes[axis])
                    throw Refused(input, $"the shape [{TensorArgument.Text(sizes)}] was given, but {symbolNames[symbol]} is {value} in an input before it or in this one");
                value = sizes[axis];
            }
        }
        ref var slot = ref given[index];
        (slot.Rank, slot.Count, slot.Shape) = (argument.Rank, argument.Count, argument.Shape);
    }

    static ModelException Refused(TensorInfo input, string why) => new(ModelError.Argument, $"the model takes {input}, but {why}");

    Entry Enter()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Interlocked.Exchange(ref busy, 1) != 0)
            throw new InvalidOperationException("the model is running on another thread; give each thread its own");
        return new Entry(this);
    }

    readonly ref struct Entry(CompiledModel model)
    {
        public void Dispose() => Volatile.Write(ref model.busy, 0);
    }

    /// <summary>Frees working memory, threads and weights. Outputs are void.</summary>
    /// <exception cref="InvalidOperationException">The model is running.</exception>
    public void Dispose()
    {
        if (disposed)
            return;
        using var _ = Enter();
        disposed = true;
        workers?.Dispose();
        Free();
        Arena.Dispose();
        States.Dispose();
        WeightsFile.Dispose();
        foreach (ref var pin in pins.AsSpan())
            pin.Dispose();
        GC.SuppressFinalize(this);
    }
}
