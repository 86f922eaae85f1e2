using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that sum products, attention among them.</summary>
static class ProductRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("MatMul", d =>
        {
            var type = d.One(d.Since(7, 9, 13) < 9 ? OldReals : [.. OldReals, I32, I64, U32, U64]);
            var (a, b) = Operands(d);
            d.Node("MatMul", [d.Data(type, a), d.Weight(type, b)], type);
        }),
        new("Gemm", d =>
        {
            var version = d.Since(7, 9, 11, 13);
            var type = d.One(version < 9 ? OldReals : [F32, F32, F32, F64, F16, I32, I64]);
            var (m, k, n, ta, tb) = (d.Size(), d.Size(), d.Size(), d.Chance(0.4), d.Chance(0.4));
            long[] bias = d.One<long[]>([m, n], [1, n], [m, 1], [n], [1], []);
            d.Node("Gemm", [d.Data(type, ta ? [k, m] : [m, k]), d.Weight(type, tb ? [n, k] : [k, n]), version < 11 || d.Chance(0.7) ? d.Weight(type, bias) : null], type,
                ("alpha", d.Maybe(d.One(0.5, 2, -1))), ("beta", d.Maybe(d.One(0.5, 0, 2))), ("transA", ta ? 1 : null), ("transB", tb ? 1 : null));
        }),
        new("Einsum", d =>
        {
            d.Since(12);
            var type = d.One(F32, F32, F64, I32, I64, F16);
            var equation = d.One("ij,jk->ik", "ij,jk", "bij,bjk->bik", "ij->ji", "ii->i", "ii", "iij->ij", "i,i", "i,i->", "i,j->ij", "bhid,bhjd->bhij", "ij,ij->ij", "ij->", "ij,kj->ik", "abc,cd->abd", "a,ab,abc->abc", "ij,jk,kl->il",
                "...ij,...jk->...ik", "...i->...", "ij,j->i", "bij,kj->bik", "ab,cd->abcd", "bnhd,bmhd->bhnm", "ij,ik->jk", " i j , j k -> i k ", "iJ,Jk->ik", "...,...->...", "ib,jb->ij", "ba,ca->cb");
            var letters = equation.Where(char.IsLetter).Distinct().ToDictionary(c => c, _ => d.Within(1, 5));
            var around = d.Shape(d.Within(0, 2), 1);
            var left = equation.Split("->")[0].Replace(" ", "", StringComparison.Ordinal);
            d.Node("Einsum", [.. left.Split(',').Select(t =>
            {
                // An axis of size 1 is stretched, whether it has a letter or not.
                var stretched = t.Where(c => char.IsLetter(c) && left.Contains(',') && d.Chance(0.1)).ToHashSet();
                return d.Data(type, [.. t.Contains('.') ? around.Select(s => d.Chance(0.2) && left.Contains(',') ? 1 : Math.Min(s, 4)) : [], .. t.Where(char.IsLetter).Select(c => stretched.Contains(c) ? 1L : letters[c])]);
            })], type, ("equation", equation));
        }),
        new("Det", d =>
        {
            d.Since(11, 22);
            var (type, size) = (d.One(F32, F32, F64), Math.Min(d.Size(1), 6));
            d.Node("Det", [d.Data(type, [.. d.Shape(d.Within(0, 2)), size, size], d.One(Numbers.Small, Numbers.Whole), known: true)], type);
        }),
        new("Attention", Attention),
        new("LinearAttention", d =>
        {
            d.Since(27);
            var (batch, length, heads, shared, size, width) = (d.Within(1, 2), d.Size(1), d.Within(1, 2), d.Within(1, 2), d.Within(1, 4), d.Within(1, 4));
            var rule = d.One("linear", "gated", "delta", "gated_delta");
            d.Node("LinearAttention", [d.Data(F32, [batch, length, heads * shared * size]), d.Data(F32, [batch, length, heads * size]), d.Data(F32, [batch, length, heads * width]), d.Chance(0.5) ? d.Data(F32, [batch, heads, size, width]) : null,
                rule.StartsWith("gated", StringComparison.Ordinal) ? d.Data(F32, [batch, length, heads * size], Numbers.Unit) : null, rule.EndsWith("delta", StringComparison.Ordinal) ? d.Data(F32, [batch, length, heads], Numbers.Unit) : null], [F32, F32],
                ("q_num_heads", heads * shared), ("kv_num_heads", heads), ("update_rule", rule));
        }),
        new("RotaryEmbedding", d =>
        {
            d.Since(23);
            var type = d.One(F32, F32, F16);
            var (batch, heads, length, half, rest) = (d.Within(1, 2), d.Within(1, 3), d.Size(1), d.Within(1, 4), d.Chance(0.3) ? 2 * d.Within(1, 2) : 0);
            var size = 2 * half + rest;
            var flat = d.Chance(0.5);
            var positions = d.Chance(0.6);
            var most = length + 3;
            long[] cache = positions ? [most, half] : [batch, length, half];
            d.Node("RotaryEmbedding", [d.Data(type, flat ? [batch, length, heads * size] : [batch, heads, length, size]), d.Weight(type, cache), d.Weight(type, cache),
                positions ? d.Input(Graphs.Tensor.Of<long>([.. Enumerable.Range(0, (int)(batch * length)).Select(_ => d.Random.NextInt64(most))], batch, length)) : null], type,
                ("interleaved", d.Maybe(d.Within(0, 1))), ("num_heads", flat ? heads : null), ("rotary_embedding_dim", rest > 0 ? 2 * half : null));
        }),
    ];

    /// <summary>Sizes of operands of a product, with axes before those that are multiplied.</summary>
    internal static (long[] A, long[] B) Operands(Draft d)
    {
        var (m, k, n) = (d.Size(), d.Size(), d.Size());
        var batch = d.Shape(d.Within(0, 2), 1);
        long[] Some() => d.Stretching(batch);
        var kind = d.Within(0, 9);
        return kind switch
        {
            0 => ([k], [k, n]),
            1 => ([m, k], [k]),
            2 => ([k], [k]),
            3 => ([k], [.. batch, k, n]),
            4 => ([.. batch, m, k], [k]),
            5 => ([.. Some(), m, k], [.. batch, k, n]),
            _ => ([.. batch, m, k], [.. Some(), k, n]),
        };
    }

    static void Attention(Draft d)
    {
        var version = d.Since(23, 24);
        var type = d.One(F32, F32, F32, F16);
        var (batch, heads, shared, size, width, length, keys, past) = (d.Within(1, 2), d.Within(1, 2), d.Within(1, 2), d.Within(1, 5), d.Within(1, 5), d.Within(1, 5), d.Within(1, 6), d.Chance(0.4) ? d.Within(1, 4) : 0);
        var flat = d.Chance(0.4);
        long[] Of(int count, int rows, int each) => flat ? [batch, rows, count * each] : [batch, count, rows, each];
        string? mask = d.Within(0, 3) switch
        {
            0 => d.Data(Bool, [length, keys + past]),
            1 => d.Data(type, [.. d.One<long[]>([], [1], [batch, 1], [1, 1], [batch, heads * shared]), length, keys + past]),
            _ => null,
        };
        var outputs = d.Within(0, 2);
        d.Node("Attention", [d.Data(type, Of(heads * shared, length, size)), d.Data(type, Of(heads, keys, size)), d.Data(type, Of(heads, keys, width)), mask,
            past > 0 ? d.Data(type, [batch, heads, past, size]) : null, past > 0 ? d.Data(type, [batch, heads, past, width]) : null], outputs switch { 0 => [type], 1 => [type, type, type], _ => [type, type, type, type] },
            ("q_num_heads", flat ? heads * shared : null), ("kv_num_heads", flat ? heads : null), ("is_causal", d.Maybe(d.Within(0, 1))), ("scale", d.Maybe(0.5, 0.3)), ("softcap", d.Maybe(2.0, 0.3)), ("qk_matmul_output_mode", outputs == 2 ? d.Maybe(d.Within(0, 3)) : null));
    }
}
