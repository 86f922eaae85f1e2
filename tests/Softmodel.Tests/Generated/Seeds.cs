namespace Softmodel.Tests.Generated;

/// <summary>The seeds of which tests generate what they test: always the same ones, or those that <c>SOFTMODEL_SEEDS=1000-5000</c> in the environment asks for.</summary>
static class Seeds
{
    /// <summary>So many from 0 on, or those that are asked for: the first, and the one after the last.</summary>
    public static (int From, int To) Range(int count) => Environment.GetEnvironmentVariable("SOFTMODEL_SEEDS")?.Split('-') is [var from, var to]
        ? (int.Parse(from), int.Parse(to))
        : (0, count);

    /// <summary>The same, one by one.</summary>
    public static IEnumerable<int> Of(int count)
    {
        var (from, to) = Range(count);
        return Enumerable.Range(from, to - from);
    }
}
