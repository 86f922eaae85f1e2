namespace Softmodel.Learn;

/// <summary>A network of pipes, and where it is cheapest to cut it.</summary>
/// <remarks>Dinitz: Algorithm for solution of a problem of maximum flow in networks with power estimation (1970).</remarks>
/// <param name="points">How many points there are.</param>
sealed class MinimumCut(int points)
{
    /// <summary>More than any cut may cost.</summary>
    public const long Uncuttable = long.MaxValue / 4;

    readonly List<int>[] from = [.. Enumerable.Range(0, points).Select(_ => new List<int>())];
    // Each pipe, and next to it what leads back.
    readonly List<(int To, long Left)> pipes = [];

    /// <summary>Adds a pipe.</summary>
    public void Add(int start, int end, long capacity)
    {
        from[start].Add(pipes.Count);
        pipes.Add((end, capacity));
        from[end].Add(pipes.Count);
        pipes.Add((start, 0));
    }

    /// <summary>Of the cheapest cuts between two points the one that is nearest to the second: for each point whether it is on that side.</summary>
    public bool[] Beyond(int source, int sink)
    {
        while (Levels(source) is var levels && levels[sink] >= 0)
        {
            var next = new int[points];
            while (Push(source, sink, levels, next))
            {
            }
        }
        var beyond = new bool[points];
        beyond[sink] = true;
        var queue = new Queue<int>([sink]);
        while (queue.TryDequeue(out var point))
        {
            // A pipe to this point that has room left is the one beside the one from it.
            foreach (var pipe in from[point])
            {
                var before = pipes[pipe].To;
                if (pipes[pipe ^ 1].Left > 0 && !beyond[before])
                {
                    beyond[before] = true;
                    queue.Enqueue(before);
                }
            }
        }
        return beyond;
    }

    int[] Levels(int source)
    {
        var levels = new int[points];
        Array.Fill(levels, -1);
        levels[source] = 0;
        var queue = new Queue<int>([source]);
        while (queue.TryDequeue(out var point))
        {
            foreach (var pipe in from[point])
            {
                var (to, left) = pipes[pipe];
                if (left > 0 && levels[to] < 0)
                {
                    levels[to] = levels[point] + 1;
                    queue.Enqueue(to);
                }
            }
        }
        return levels;
    }

    /// <summary>Sends as much as one way to the sink can take; false where there is none left.</summary>
    bool Push(int source, int sink, int[] levels, int[] next)
    {
        // The ways are as long as a network is deep: too long for a recursion.
        var way = new List<int>();
        for (var point = source; point != sink;)
        {
            if (next[point] == from[point].Count)
            {
                if (way.Count == 0)
                    return false;
                point = pipes[way[^1] ^ 1].To;
                way.RemoveAt(way.Count - 1);
                next[point]++;
                continue;
            }
            var pipe = from[point][next[point]];
            var (to, left) = pipes[pipe];
            if (left > 0 && levels[to] == levels[point] + 1)
            {
                way.Add(pipe);
                point = to;
            }
            else
                next[point]++;
        }
        var most = way.Min(p => pipes[p].Left);
        foreach (var pipe in way)
        {
            pipes[pipe] = pipes[pipe] with { Left = pipes[pipe].Left - most };
            pipes[pipe ^ 1] = pipes[pipe ^ 1] with { Left = pipes[pipe ^ 1].Left + most };
        }
        return true;
    }
}
