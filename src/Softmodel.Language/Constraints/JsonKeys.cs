namespace Softmodel.Language.Constraints;

/// <summary>
/// The keys that the objects which are still open have already, so that none comes twice: of keys that a schema does not list an
/// automaton can't remember all. Follows texts of <see cref="JsonTerms"/> byte by byte.
/// </summary>
sealed class JsonKeys
{
    enum Place { Between, Key, KeyEscape, Text, TextEscape }

    // A key as it stands between its quotes, each byte one character; and those before it.
    sealed record Used(string Key, Used? Before);

    sealed record Level(bool IsObject, Used? Used, Level? Outer);

    readonly Level? level;
    readonly Place place;
    readonly bool isKeyNext;
    readonly string key;

    JsonKeys(Level? level, Place place, bool isKeyNext, string key) => (this.level, this.place, this.isKeyNext, this.key) = (level, place, isKeyNext, key);

    /// <summary>Before the text begins.</summary>
    public static JsonKeys Start { get; } = new(null, Place.Between, false, "");

    /// <summary>Whether there is any key yet that could come again.</summary>
    public bool IsAny
    {
        get
        {
            for (var at = level; at is not null; at = at.Outer)
            {
                if (at.Used is not null)
                    return true;
            }
            return false;
        }
    }

    /// <summary>What comes after a byte; null where it ends a key that the object has already.</summary>
    public JsonKeys? Next(byte value)
    {
        switch (place)
        {
            case Place.Text:
                return value is (byte)'"' ? new(level, Place.Between, false, "") : value is (byte)'\\' ? new(level, Place.TextEscape, false, "") : this;
            case Place.TextEscape:
                return new(level, Place.Text, false, "");
            case Place.KeyEscape:
                return new(level, Place.Key, false, key + (char)value);
            case Place.Key when value is (byte)'"':
                for (var used = level!.Used; used is not null; used = used.Before)
                {
                    if (used.Key == key)
                        return null;
                }
                return new(level with { Used = new(key, level.Used) }, Place.Between, false, "");
            case Place.Key:
                return new(level, value is (byte)'\\' ? Place.KeyEscape : Place.Key, false, key + (char)value);
        }
        return value switch
        {
            (byte)'{' => new(new(true, null, level), Place.Between, true, ""),
            (byte)'[' => new(new(false, null, level), Place.Between, false, ""),
            (byte)'}' or (byte)']' => new(level?.Outer, Place.Between, false, ""),
            (byte)',' => new(level, Place.Between, level is { IsObject: true }, ""),
            (byte)'"' => new(level, isKeyNext ? Place.Key : Place.Text, false, ""),
            _ => this,
        };
    }

    /// <summary>What comes after some bytes; null where they end a key that an object has already.</summary>
    public JsonKeys? Next(ReadOnlySpan<byte> bytes)
    {
        var next = this;
        foreach (var value in bytes)
        {
            next = next.Next(value);
            if (next is null)
                return null;
        }
        return next;
    }

    /// <summary>What is missing of the keys that the object has already and that begin as this one does; none outside of a key.</summary>
    public List<string> Rests()
    {
        var rests = new List<string>();
        for (var used = place is Place.Key or Place.KeyEscape ? level!.Used : null; used is not null; used = used.Before)
        {
            if (used.Key.StartsWith(key, StringComparison.Ordinal))
                rests.Add(used.Key[key.Length..]);
        }
        return rests;
    }

    /// <summary>How many bytes the nearest end is away where no key comes again; <see cref="Terms.Never"/> where there is none.</summary>
    /// <param name="terms">Where states follow one another.</param>
    /// <param name="state">The state.</param>
    public int Shortest(Terms terms, Term state)
    {
        var shortest = terms.Shortest(state);
        if (shortest == Terms.Never || Rests() is not { Count: > 0 } rests)
            return shortest;
        // Along the keys that are used, and off from them at the first byte that differs.
        shortest = Terms.Never;
        for (var todo = new Queue<(Term State, int Depth, List<string> Rests)>([(state, 0, rests)]); todo.TryDequeue(out var next);)
        {
            if (next.Depth + 1 >= shortest)
                break;
            for (var b = 0; b < 256; b++)
            {
                if (terms.Next(next.State, (byte)b) is var after && terms.Shortest(after) is var end && end == Terms.Never)
                    continue;
                var on = next.Rests.FindAll(r => r.Length > next.Depth && r[next.Depth] == b);
                if (on.Count > 0)
                    todo.Enqueue((after, next.Depth + 1, on));
                else if (b != '"' || !next.Rests.Exists(r => r.Length == next.Depth))
                    shortest = Math.Min(shortest, next.Depth + 1 + end);
            }
        }
        return shortest;
    }
}
