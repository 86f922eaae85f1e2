using System.Runtime.InteropServices;
using System.Text.Json;

namespace Softmodel.Runtime;

/// <summary>
/// A model that <c>softmodel build</c> has made: a native library with its weights, which is loaded into this process through its C
/// interface. It needs no compiler, and its machine code is that of the widest vectors that the processor has. Its working memory
/// is the library's own, so that <see cref="CompiledModel.MemoryBytes"/> and <see cref="CompiledModel.StateBytes"/> are 0.
/// </summary>
/// <example>
/// <code>
/// using var model = BuiltModel.Open("detector");
/// model.Run(pixels, 1, 3, 224, 224);
/// var probabilities = model.Output(0).Span&lt;float&gt;();
/// </code>
/// </example>
public sealed unsafe class BuiltModel : CompiledModel
{
    const int Abi = 1;
    const string Description = "MODEL.json";

    [StructLayout(LayoutKind.Sequential)]
    struct NativeInfo
    {
        public byte* Name;
        public int Type, Rank;
        public fixed long Sizes[Extents.MaxRank];
        public fixed long Axes[Extents.MaxRank];
    }

    /// <summary>The functions of a library, found by the prefix of their names.</summary>
    sealed class Library
    {
        readonly string path, prefix;
        readonly nint handle;

        public readonly delegate* unmanaged<byte*, void**, int> Create;
        public readonly delegate* unmanaged<void*, int> Destroy, ResetStates;
        public readonly delegate* unmanaged<void*, int, int> SetThreads;
        public readonly delegate* unmanaged<void*, ulong, int> SetSeed;
        public readonly delegate* unmanaged<void*, long, int> SetMemoryLimit;
        public readonly delegate* unmanaged<void*, NativeTensor*, int, int> Run;
        public readonly delegate* unmanaged<void*, int, NativeTensor*, int> Result;

        public Library(string path, string prefix)
        {
            (this.path, this.prefix, handle) = (path, prefix, NativeLibrary.Load(path));
            Create = (delegate* unmanaged<byte*, void**, int>)Find("create");
            Destroy = (delegate* unmanaged<void*, int>)Find("destroy");
            ResetStates = (delegate* unmanaged<void*, int>)Find("forget");
            SetThreads = (delegate* unmanaged<void*, int, int>)Find("set_threads");
            SetSeed = (delegate* unmanaged<void*, ulong, int>)Find("set_seed");
            SetMemoryLimit = (delegate* unmanaged<void*, long, int>)Find("set_memory_limit");
            Run = (delegate* unmanaged<void*, NativeTensor*, int, int>)Find("run");
            Result = (delegate* unmanaged<void*, int, NativeTensor*, int>)Find("result");
        }

        public int Number(string name) => ((delegate* unmanaged<int>)Find(name))();

        public string LastError => Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)Find("last_error"))()) ?? "";

        public TensorInfo[] Infos(string which)
        {
            var infos = new TensorInfo[Number($"{which}_count")];
            for (var i = 0; i < infos.Length; i++)
            {
                NativeInfo info;
                Check(((delegate* unmanaged<int, NativeInfo*, int>)Find(which))(i, &info));
                var axes = new string[info.Rank];
                for (var axis = 0; axis < axes.Length; axis++)
                    axes[axis] = Marshal.PtrToStringUTF8((nint)info.Axes[axis])!;
                infos[i] = new(Marshal.PtrToStringUTF8((nint)info.Name)!, (ElementType)info.Type, axes);
            }
            return infos;
        }

        public void Check(int error)
        {
            if (error != 0)
                throw new ModelException(Enum.IsDefined((ModelError)error) ? (ModelError)error : ModelError.Internal, LastError);
        }

        nint Find(string name) => NativeLibrary.TryGetExport(handle, $"{prefix}_{name}", out var export) ? export
            : throw new SoftmodelException($"{path}: it has no function {prefix}_{name}; build the model again with this version of softmodel");
    }

    readonly Library library;
    readonly NativeTensor[] given;
    readonly nint model;

    BuiltModel(string name, Library library, void* model) : base(WeightsFile.None, library.Infos("input"), library.Infos("output")) =>
        (Name, this.library, this.model, given) = (name, library, (nint)model, new NativeTensor[Inputs.Count]);

    /// <summary>What the model is called.</summary>
    public string Name { get; }

    /// <summary>Opens a model.</summary>
    /// <param name="folder">The folder that it was built into.</param>
    /// <param name="threads">How many threads a run uses, from 1 to 256; 0 for the processor's cores. The results are the same for every number.</param>
    /// <exception cref="SoftmodelException">There is none, or it is damaged, or for another machine.</exception>
    public static BuiltModel Open(string folder, int threads = 0)
    {
        folder = Path.GetFullPath(folder);
        var (name, file, prefix) = Described(folder);
        var path = Path.Combine(folder, file);
        try
        {
            var library = new Library(path, prefix);
            if (library.Number("abi") is var abi && abi != Abi)
                throw new SoftmodelException($"{path}: its interface is of version {abi}, and {Abi} is known here; build the model again with this version of softmodel");
            void* made;
            library.Check(library.Create(null, &made));
            return new(name, library, made) { Threads = threads == 0 ? Environment.ProcessorCount : threads };
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new SoftmodelException($"{path}: the library can't be loaded: {e.Message}; build it for this machine", e);
        }
    }

    static (string Name, string Library, string Prefix) Described(string folder)
    {
        var path = Path.Combine(folder, Description);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            string Text(string name) => json.RootElement.GetProperty(name).GetString() ?? throw new JsonException($"'{name}' is null");
            return (Text("name"), Path.GetFileName(Text("library")), Text("prefix"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new SoftmodelException($"{path}: it does not describe a model that softmodel build has made: {e.Message}", e);
        }
    }

    private protected override int OwnThreads => 1;

    private protected override void ClearStates() => library.Check(library.ResetStates((void*)model));

    private protected override void Free() => library.Check(library.Destroy((void*)model));

    /// <inheritdoc/>
    protected override void Execute()
    {
        library.Check(library.SetThreads((void*)model, Threads));
        library.Check(library.SetSeed((void*)model, Seed));
        library.Check(library.SetMemoryLimit((void*)model, MemoryLimit));
        for (var i = 0; i < given.Length; i++)
        {
            given[i].Data = Input(i);
            given[i].Type = (int)Inputs[i].Type;
            given[i].Rank = Inputs[i].Rank;
            for (var axis = 0; axis < Inputs[i].Rank; axis++)
                given[i].Sizes[axis] = InputSize(i, axis);
        }
        fixed (NativeTensor* first = given)
            library.Check(library.Run((void*)model, first, given.Length));
        for (var i = 0; i < Outputs.Count; i++)
        {
            NativeTensor result;
            library.Check(library.Result((void*)model, i, &result));
            SetOutput(i, result.Data, ((ReadOnlySpan<long>)result.Sizes)[..result.Rank]);
        }
    }
}
