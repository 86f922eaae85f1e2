namespace Softmodel.Import.Architectures;

/// <summary>How far the elements of a head are turned from one position to the next (rotary position embedding, arXiv 2104.09864).</summary>
/// <param name="Frequencies">Radians a position, one for each pair of elements.</param>
/// <param name="IsInterleaved">Whether the two of a pair lie side by side, rather than half a head apart.</param>
/// <param name="Scale">What the turned elements are multiplied by.</param>
internal sealed record Rope(float[] Frequencies, bool IsInterleaved, double Scale)
{
    /// <summary>What the settings of a model say.</summary>
    /// <param name="model">The model.</param>
    /// <param name="kind">For models that turn heads in several ways, the kind of layer.</param>
    /// <exception cref="SoftmodelException">They say something that is not known here.</exception>
    public static Rope Of(Transformer model, string? kind = null)
    {
        var settings = model.Settings;
        var parameters = settings.Within("rope_parameters") ?? settings.Within("rope_scaling");
        if (kind is not null && parameters?.Within(kind) is { } own)
            parameters = own;
        var theta = parameters?.Has("rope_theta") == true ? parameters.Float("rope_theta") : settings.Float("rope_theta", 10000);
        var partial = parameters?.Has("partial_rotary_factor") == true ? parameters.Float("partial_rotary_factor")
            : settings.Float("partial_rotary_factor", settings.Float("rotary_pct", 1));
        if (partial is not (>= 0 and <= 1))
            throw settings.Fault($"a share {partial} of each head can't be turned; it can be from 0 to 1");
        if (theta <= 0)
            throw settings.Fault($"'rope_theta' is {theta}; it must be above 0");
        var size = (int)(model.HeadSize * partial) / 2 * 2;
        var frequencies = Enumerable.Range(0, size / 2).Select(i => 1 / Math.Pow(theta, 2.0 * i / size)).ToArray();
        var type = parameters?.Text("rope_type") ?? parameters?.Text("type") ?? "default";
        var scale = 1.0;
        switch (type)
        {
            case "default":
                break;
            case "linear":
                frequencies = [.. frequencies.Select(f => f / parameters!.Float("factor"))];
                break;
            case "llama3":
                frequencies = [.. frequencies.Select(f => Llama3(f, parameters!))];
                break;
            case "yarn":
                (frequencies, scale) = Yarn(frequencies, theta, size, parameters!, settings);
                break;
            default:
                throw settings.Fault($"the rotary embedding '{type}' is not known here; those that are: default, linear, llama3, yarn");
        }
        return new([.. frequencies.Select(f => (float)f)], settings.Truth("rope_interleaved"), scale);
    }

    /// <summary>Slow turns are slowed further, fast ones are left, and those between lie between.</summary>
    static double Llama3(double frequency, Settings p)
    {
        var (factor, low, high, before) = (p.Float("factor"), p.Float("low_freq_factor"), p.Float("high_freq_factor"), p.Float("original_max_position_embeddings"));
        var length = 2 * Math.PI / frequency;
        if (length < before / high)
            return frequency;
        if (length > before / low)
            return frequency / factor;
        var smooth = (before / length - low) / (high - low);
        return (1 - smooth) * frequency / factor + smooth * frequency;
    }

    /// <summary>YaRN, arXiv 2309.00071: slow turns are interpolated, fast ones are not, with a ramp between.</summary>
    static (double[] Frequencies, double Scale) Yarn(double[] frequencies, double theta, int size, Settings p, Settings settings)
    {
        var (factor, before) = (p.Float("factor"), p.Float("original_max_position_embeddings", settings.Float("max_position_embeddings")));
        double Dimension(double rotations) => size * Math.Log(before / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));
        var (low, high) = (Math.Max(Math.Floor(Dimension(p.Float("beta_fast", 32))), 0), Math.Min(Math.Ceiling(Dimension(p.Float("beta_slow", 1))), size - 1));
        double Ramp(int i) => Math.Clamp((i - low) / Math.Max(high - low, 0.001), 0, 1);
        return ([.. frequencies.Select((f, i) => f / factor * Ramp(i) + f * (1 - Ramp(i)))], p.Float("attention_factor", factor > 1 ? 0.1 * Math.Log(factor) + 1 : 1));
    }
}
