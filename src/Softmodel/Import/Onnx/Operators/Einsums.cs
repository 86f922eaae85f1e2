using Softmodel.Graphs;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Einstein's notation in full: any number of operands, repeated letters, and dots for axes that broadcast.</summary>
static class Einsums
{
    /// <summary>An operand with a letter for each axis.</summary>
    readonly record struct Labelled(Term Term, string Letters);

    [Operator("Einsum", since: 12)]
    static Term Einsum(Term[] operands, string equation)
    {
        var sides = string.Concat(equation.Where(c => !char.IsWhiteSpace(c))).Split("->");
        var texts = sides[0].Split(',');
        if (sides.Length > 2 || texts.Length != operands.Length)
            throw new SoftmodelException($"'{equation}' does not fit {operands.Length} operands");
        var free = string.Concat(Enumerable.Range(0, 52).Select(i => (char)(i < 26 ? 'A' + i : 'a' + i - 26)).Where(c => !equation.Contains(c)));
        var dots = texts.Select((t, i) => t.Contains("...") ? operands[i].Rank - (t.Length - 3) : 0).Max();
        if (dots < 0 || dots > free.Length)
            throw new SoftmodelException($"'{equation}' does not fit its operands");
        var dotted = free[..dots];
        var labelled = operands.Select((x, i) => Diagonal(new(x, Named(texts[i], x.Rank)))).ToList();
        var result = sides.Length == 2 ? sides[1].Replace("...", dotted)
            : dotted + string.Concat(sides[0].Where(c => char.IsAsciiLetter(c) && sides[0].Count(o => o == c) == 1).Order());

        // An axis of size 1 that another operand stretches is left out.
        var sizes = result.Concat(labelled.SelectMany(x => x.Letters)).Distinct().ToDictionary(c => c, c =>
            labelled.Where(x => x.Letters.Contains(c)).Select(x => x.Term.Shape[x.Letters.IndexOf(c)]).OrderBy(d => d.Value == 1).DefaultIfEmpty(Dim.One).First());
        labelled = [.. labelled.Select(x => Without(x, c => sizes[c].Value != 1 && x.Term.Shape[x.Letters.IndexOf(c)].Value == 1))];
        // Only what runs knows which of the others are 1.
        foreach (var x in labelled)
            foreach (var (letter, size) in x.Letters.Zip(x.Term.Shape.Dims))
                sizes[letter] = Dim.Broadcast(sizes[letter], size);
        labelled = [.. labelled.Select(x => x with { Term = x.Term.Broadcast(new([.. x.Letters.Select(c => sizes[c])])) })];

        var product = labelled[0];
        for (var i = 1; i < labelled.Count; i++)
        {
            var (next, later) = (labelled[i], result.Concat(labelled.Skip(i + 1).SelectMany(x => x.Letters)).ToHashSet());
            var kept = string.Concat((i == labelled.Count - 1 ? result : product.Letters + next.Letters).Distinct()
                .Where(c => later.Contains(c) && (product.Letters.Contains(c) || next.Letters.Contains(c))));
            product = new(product.Term.Contract($"{product.Letters},{next.Letters}->{kept}", next.Term), kept);
        }
        var (term, letters) = product;
        var summed = Enumerable.Range(0, letters.Length).Where(i => !result.Contains(letters[i])).ToArray();
        (term, letters) = (term.Reduce(Reduction.Sum, summed), string.Concat(letters.Where(result.Contains)));
        return letters.Length == result.Length ? term.Transpose([.. result.Select(c => letters.IndexOf(c))])
            : throw new SoftmodelException($"'{equation}' has a letter in its result that no operand has");

        string Named(string text, int rank)
        {
            var named = text.Replace("...", dotted[(dots - Math.Max(0, Math.Min(dots, rank - text.Length + 3)))..]);
            return named.Length == rank && named.All(char.IsAsciiLetter) ? named : throw new SoftmodelException($"'{text}' does not fit an operand with {rank} axes");
        }
    }

    /// <summary>The elements whose indices along axes of the same letter are the same.</summary>
    static Labelled Diagonal(Labelled x)
    {
        var (term, letters) = x;
        while (letters.FirstOrDefault(c => letters.IndexOf(c) != letters.LastIndexOf(c)) is var twice and not '\0')
        {
            var (first, second) = (letters.IndexOf(twice), letters.LastIndexOf(twice));
            if (term.Shape[first].Value is not { } size || size > 46340 || !term.Shape[second].Equals(term.Shape[first]))
                throw new SoftmodelException($"the axes '{twice}' of {term.Shape} have no diagonal of a size known at build time");
            var shape = term.Shape;
            int[] rest = [.. Enumerable.Range(0, term.Rank).Where(i => i != first && i != second)];
            var flat = term.Transpose([.. rest, first, second]).Reshape(new([.. rest.Select(i => shape[i]), size * size]));
            (term, letters) = (flat.Slice(rest.Length, 0, size, (int)size + 1), string.Concat(rest.Select(i => letters[i])) + twice);
        }
        return new(term, letters);
    }

    static Labelled Without(Labelled x, Func<char, bool> leftOut)
    {
        int[] axes = [.. Enumerable.Range(0, x.Letters.Length).Where(i => leftOut(x.Letters[i]))];
        return axes.Length == 0 ? x : new(x.Term.Squeeze(axes), string.Concat(x.Letters.Where((_, i) => !axes.Contains(i))));
    }
}
