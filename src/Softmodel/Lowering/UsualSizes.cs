namespace Softmodel.Lowering;

/// <summary>How large sizes are that only a run tells: what kernels cost is compared at these.</summary>
/// <param name="Named">Sizes by their symbols.</param>
sealed record UsualSizes(IReadOnlyDictionary<string, long> Named)
{
    /// <summary>What a size is where nothing tells: about a sentence.</summary>
    public const long Unnamed = 100;

    /// <summary>Nothing is known of any size.</summary>
    public static UsualSizes None { get; } = new(new Dictionary<string, long>());

    /// <summary>How large a size is.</summary>
    /// <param name="symbol">Its symbol.</param>
    public long Of(string symbol) => Named.TryGetValue(symbol, out var size) ? size : Unnamed;

    /// <summary>About how large something is that is computed of sizes.</summary>
    public double Of(Graphs.Dim dim) => dim.Estimate(s => Of(s));
}

/// <summary>What kernels are chosen for.</summary>
/// <param name="Width">The bits of a vector: 512, 256 or 128.</param>
/// <param name="Usual">How large sizes usually are.</param>
readonly record struct Target(int Width, UsualSizes Usual)
{
    /// <summary>How many floats a vector holds.</summary>
    public int Lanes => Width / 32;
}
