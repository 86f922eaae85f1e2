using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>
/// Writes nests that have loops in common as one kernel: a task takes some iterations of those loops and computes all of each
/// nest for them, one nest after the other. What only the kernel reads is kept in the thread's scratch.
/// </summary>
static class RowsCode
{
    /// <summary>The kernel.</summary>
    /// <param name="together">The nests.</param>
    /// <param name="used">Is given the register tiles that it calls.</param>
    public static KernelCode Write(FusedRows together, ISet<Tiles.Kernel> used)
    {
        var fused = together.Fused;
        var (rows, own) = (fused.Rows, fused.Rows[^1]);
        var (parameters, all) = (new List<Lowering.Buffer>(), new StringBuilder());
        static string Words(Step.Nest member) => string.Join("; ", member.Source.Split("; ").Select(node => node.Split(' ')[0]));
        foreach (var part in together.Parts)
        {
            var tile = part.Tile is { } chosen ? new TileCode(chosen) : null;
            var text = tile?.Whole(parameters) ?? (part.Then is { } reduction ? NestCode.Whole(part.Loops!, reduction, parameters) : NestCode.Whole(part.Loops!, parameters));
            used.UnionWith(tile?.Used ?? []);
            all.Append($"// {Words(part.Nest)}{(part.Then is null ? "" : $"; {Words(part.Then.Nest)}")}\n{{\n{KernelWriter.Indent(text, 1)}}}\n");
        }
        var slots = Slots(fused);
        var size = Dim.Zero;
        foreach (var slot in slots)
            size += slot.Size;
        // A row's share of what the nests read and compute.
        var elements = fused.Private.Aggregate((Dim)1, (sum, p) => sum + p.Size);
        var cost = fused.Members.Aggregate(Dim.Zero, (sum, m) => sum
            + Dim.Product(m.Axes.Where(a => !rows.Contains(a)).Concat(m.Fold?.Axes ?? []).Select(a => a.Extent)) * Cost.Of(m));
        string InFrame(Dim dim) => dim.IsKnown ? TileCode.Frame(dim) : $"({TileCode.Frame(dim)})";
        var body = new StringBuilder();
        body.Append($"RowSplit.Of({InFrame(own.Extent)}, {InFrame(elements)}, {InFrame(cost)}, task, out var row__rest, out var {RowsPart.From}, out var {RowsPart.Count}, out var row__most);\n");
        for (var i = rows.Length - 2; i >= 0; i--)
            body.Append(i > 0 ? $"var {RowsPart.Outer}{i} = row__rest % {InFrame(rows[i].Extent)};\nrow__rest /= {InFrame(rows[i].Extent)};\n" : $"var {RowsPart.Outer}0 = row__rest;\n");
        if (slots.Length > 0)
            body.Append($"var row__scratch = Scratch.Floats({InFrame(size)} * row__most + {slots.Length} * 16);\n");
        var taken = new StringBuilder();
        var homes = new Dictionary<Lowering.Buffer, string>();
        for (var i = 0; i < slots.Length; i++)
        {
            foreach (var buffer in slots[i].Buffers)
                homes[buffer] = $"row__scratch{i}";
        }
        for (var i = 0; i < slots.Length; i++)
            body.Append($"var row__scratch{i} = {(i == 0 ? "row__scratch" : $"row__scratch{i - 1} + ({InFrame(slots[i - 1].Size)} * row__most + 15 & -16)")};\n");
        var given = parameters.Where(b => !homes.ContainsKey(b)).ToList();
        foreach (var (buffer, i) in parameters.Select((b, i) => (b, i)))
        {
            var type = KernelWriter.InMemory(buffer.Type);
            if (!homes.TryGetValue(buffer, out var home))
                taken.Append($"var x{i} = ({type}*)f->x{given.IndexOf(buffer)};\n");
            else
                // As if all rows were there: those of this task are.
                taken.Append($"var x{i} = ({type}*){home} - ({First(fused, buffer)});\n");
        }
        var tasks = $"RowSplit.Tasks({string.Join(" * ", rows[..^1].Select(a => InFrame(a.Extent)).DefaultIfEmpty("1L"))}, {InFrame(own.Extent)}, {InFrame(elements)}, {InFrame(cost)})";
        return new(KernelWriter.Indent(body.ToString() + taken + all, 2), given, tasks);
    }

    /// <summary>The position in a private buffer of the first element of a task.</summary>
    static string First(Step.Fused fused, Lowering.Buffer buffer)
    {
        var at = fused.Members.First(m => m.Target == buffer).At;
        var first = Dim.Zero;
        for (var i = 0; i < fused.Rows.Length; i++)
            first += at.Stride(fused.Rows[i]) * Dim.Variable(i == fused.Rows.Length - 1 ? RowsPart.From : $"{RowsPart.Outer}{i}");
        return first.ToCSharp(s => $"f->{SizeCode.Name(s)}");
    }

    /// <summary>Private buffers that are not needed at the same time share room.</summary>
    static (Dim Size, List<Lowering.Buffer> Buffers)[] Slots(Step.Fused fused)
    {
        var slots = new List<(Dim Size, List<Lowering.Buffer> Buffers, int Last)>();
        foreach (var (member, now) in fused.Members.Select((m, i) => (m, i)))
        {
            if (fused.Private.FirstOrDefault(p => p.Buffer == member.Target) is not { Buffer: { } buffer, Size: var size } || slots.Any(s => s.Buffers.Contains(buffer)))
                continue;
            // Rows of bytes take the room of rows of floats.
            size *= Math.Max(1, buffer.Type.Size() / sizeof(float));
            var last = Array.FindLastIndex(fused.Members, m => m.Buffers.Contains(buffer));
            var free = slots.FindIndex(s => s.Last < now && s.Size.Equals(size));
            if (free < 0)
                slots.Add((size, [buffer], last));
            else
            {
                slots[free].Buffers.Add(buffer);
                slots[free] = slots[free] with { Last = last };
            }
        }
        return [.. slots.Select(s => (s.Size, s.Buffers))];
    }
}
