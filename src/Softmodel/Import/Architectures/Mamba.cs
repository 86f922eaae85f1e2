using Softmodel.Graphs;

namespace Softmodel.Import.Architectures;

/// <summary>Mamba (arXiv 2312.00752): no attention, but a state for each sequence that every token changes.</summary>
static class Mamba
{
    [Architecture("mamba")]
    static void Build(Transformer m)
    {
        var epsilon = m.Settings.Float("layer_norm_epsilon", 1e-5);
        var x = m.Embed("backbone.embeddings");
        foreach (var layer in m.EachLayer)
            x = Transformer.Add(x, Mixer(m, layer, m.RmsNorm(x, $"backbone.layers.{layer}.norm", epsilon)), Role.MixerOutput);
        m.Logits(m.RmsNorm(m.AtLogitsIndices(x), "backbone.norm_f", epsilon), "lm_head", "backbone.embeddings");
    }

    static Term Mixer(Transformer m, int layer, Term x)
    {
        var (name, settings) = ($"backbone.layers.{layer}.mixer", m.Settings);
        var (inner, size, kernel) = (settings.Size("intermediate_size"), settings.Size("state_size"), settings.Size("conv_kernel"));
        var rank = settings.Size("time_step_rank");
        var both = m.Linear(x, $"{name}.in_proj", 2 * inner);
        var (read, gate) = (both.Slice(1, 0, inner), both.Slice(1, inner, inner));
        var filter = m.Weight($"{name}.conv1d.weight", inner, 1, kernel).Reshape(new(inner, kernel));
        var bias = m.Has($"{name}.conv1d.bias") ? m.Weight($"{name}.conv1d.bias", inner) : m.Number(0);
        // What a channel has just read, the latest last.
        var seen = m.Recur($"layers.{layer}.read", [inner, kernel], [read], (window, now) =>
        {
            var next = kernel == 1 ? now[0].Unsqueeze(1) : window.Slice(1, 1, kernel - 1).Concat(1, now[0].Unsqueeze(1));
            return (next, (next * now[1]).Reduce(Reduction.Sum, [1]));
        }, filter);
        var h = m.Activate(seen + bias, settings.Text("hidden_act"));
        var parameters = m.Linear(h, $"{name}.x_proj", rank + 2 * size);
        var (b, c) = (parameters.Slice(1, rank, size), parameters.Slice(1, rank + size, size));
        var step = m.Linear(parameters.Slice(1, 0, rank), $"{name}.dt_proj", inner).Map(Functions.Softplus);
        var decay = -m.Weight($"{name}.A_log", inner, size).Map(Functions.Exp);
        var y = m.Recur($"layers.{layer}.state", [inner, size], [step, h, b, c], (state, now) =>
        {
            var delta = now[0].Unsqueeze(1);
            var next = (delta * now[4]).Map(Functions.Exp) * state + delta * now[1].Unsqueeze(1) * now[2].Unsqueeze(0);
            return (next, (next * now[3].Unsqueeze(0)).Reduce(Reduction.Sum, [1]));
        }, decay);
        return m.Linear((y + h * m.Weight($"{name}.D", inner)) * m.Activate(gate, settings.Text("hidden_act")), $"{name}.out_proj", m.Width);
    }
}
