using System.Collections.Concurrent;
using System.Globalization;

namespace Softmodel.Runtime.Fusion;

/// <summary>A program on text. It throws <see cref="ProgramException"/> where there is no result.</summary>
/// <param name="operands">What the pointers chose, as it stands in the text.</param>
/// <param name="around">How the text around would write the result.</param>
/// <returns>The result, without spaces around it.</returns>
delegate string TextProgram(ReadOnlySpan<string> operands, WritingStyle around);

/// <summary>A program that a model calls where a trigger fires.</summary>
/// <param name="Name">In lower case, with underscores.</param>
/// <param name="Description">What it answers, in a line.</param>
/// <param name="Operands">Names of its operands.</param>
/// <param name="Body">What it computes.</param>
sealed record FusedProgram(string Name, string Description, string[] Operands, TextProgram Body)
{
    /// <summary>Whether the last operand may come any number of times more.</summary>
    public bool Repeats { get; init; }

    /// <summary>Whether a text can be the operand of a number, from 0 on; it may throw where it can't.</summary>
    public Func<int, string, bool> Takes { get; init; } = static (_, _) => true;

    /// <summary>The operands in a text that is a list of them; null where it is one operand, or none.</summary>
    public Func<string, string[]?> Items { get; init; } = static _ => null;

    /// <summary>Whether a text can be an operand, or a list of them; one that is too long can, and is refused when the program runs.</summary>
    /// <param name="operand">Its number, from 0 on.</param>
    /// <param name="text">The text.</param>
    public bool Reads(int operand, string text)
    {
        try
        {
            return Takes(operand, text) || Items(text) is not null;
        }
        catch (ProgramException e)
        {
            return e.Failure != ProgramFailure.Operand;
        }
        catch (Exception)
        {
            // Nor does a program throw.
            return false;
        }
    }

    /// <summary>The operands in texts that may be lists of them.</summary>
    public string[] ItemsOf(ReadOnlySpan<string> texts)
    {
        var items = new List<string>();
        foreach (var text in texts)
            items.AddRange(Items(text) ?? [text]);
        return [.. items];
    }

    /// <summary>How long it may take; null where its work is bounded otherwise.</summary>
    public TimeSpan? Limit { get; init; }

    /// <summary>The most operands of a call.</summary>
    public const int MaxOperands = 1000;

    /// <summary>The most characters of all operands of a call, and of its result.</summary>
    public const int MaxText = 40_000;

    readonly TimeLimit timeLimit = new();

    /// <summary>Runs it.</summary>
    /// <param name="operands">What the pointers chose, as it stands in the text.</param>
    /// <param name="around">How the text around would write the result.</param>
    /// <returns>The result, or the reason why there is none. Never throws.</returns>
    public ProgramResult Run(ReadOnlySpan<string> operands, WritingStyle around = default)
    {
        operands = ItemsOf(operands);
        if (operands.Length < Operands.Length || (operands.Length > Operands.Length && !Repeats))
            return new($"{Name} takes {Operands.Length}{(Repeats ? " or more" : "")} operand{(Operands.Length == 1 ? "" : "s")}, not {operands.Length}.", ProgramFailure.Operand);
        if (operands.Length > MaxOperands)
            return new($"{Name} takes at most {MaxOperands} operands.", ProgramFailure.TooLarge);
        var characters = 0L;
        foreach (var operand in operands)
            characters += operand.Length;
        if (characters > MaxText)
            return new(string.Create(CultureInfo.InvariantCulture, $"The operands have more than {MaxText:N0} characters."), ProgramFailure.TooLarge);
        if (Limit is not { } limit)
            return Try(operands, around);
        string[] kept = [.. operands];
        return timeLimit.Run(() => Try(kept, around), limit, Name);
    }

    ProgramResult Try(ReadOnlySpan<string> operands, WritingStyle around)
    {
        try
        {
            var text = Body(operands, around);
            return text.Length is > 0 and <= MaxText ? new(text)
                : new(text.Length == 0 ? $"{Name} gave no result." : string.Create(CultureInfo.InvariantCulture, $"The result has more than {MaxText:N0} characters."),
                    text.Length == 0 ? ProgramFailure.Exception : ProgramFailure.TooLarge);
        }
        catch (ProgramException e)
        {
            return new(e.Message, e.Failure);
        }
        catch (Exception e)
        {
            return new($"{Name} failed: {e.Message}", ProgramFailure.Exception);
        }
    }
}

/// <summary>The programs of fusions, by name.</summary>
sealed class FusedPrograms
{
    readonly ConcurrentDictionary<string, FusedProgram> programs = new(StringComparer.Ordinal);

    /// <summary>A table of programs.</summary>
    public FusedPrograms(params IEnumerable<FusedProgram> programs)
    {
        foreach (var program in programs)
            Add(program);
    }

    /// <summary>Adds a program.</summary>
    /// <exception cref="ArgumentException">There is one of that name.</exception>
    public void Add(FusedProgram program)
    {
        if (!programs.TryAdd(program.Name, program))
            throw new ArgumentException($"there is a program '{program.Name}' already", nameof(program));
    }

    /// <summary>Adds a program if it isn't there.</summary>
    /// <exception cref="SoftmodelException">There is another one of that name.</exception>
    public void Share(FusedProgram program)
    {
        if (!ReferenceEquals(programs.GetOrAdd(program.Name, program), program))
            throw new SoftmodelException($"this process has another program '{program.Name}' of a fused model; open the two in processes of their own, or give one another Name in its [Exact] and fuse it again");
    }

    /// <summary>Programs that a process has beside those for sums.</summary>
    public static FusedPrograms Added { get; } = new();

    /// <summary>A program of this process.</summary>
    /// <exception cref="SoftmodelException">There is none of that name.</exception>
    public static FusedProgram Known(string name) => Sums.SumPrograms.All.programs.GetValueOrDefault(name) ?? Added.Named(name);

    /// <summary>All, in the order of their names.</summary>
    public IEnumerable<FusedProgram> All => programs.Values.OrderBy(p => p.Name, StringComparer.Ordinal);

    /// <summary>Whether there is a program of a name.</summary>
    public bool Has(string name) => programs.ContainsKey(name);

    /// <summary>The program of a name.</summary>
    /// <exception cref="SoftmodelException">There is none.</exception>
    public FusedProgram Named(string name) => programs.GetValueOrDefault(name)
        ?? throw new SoftmodelException($"there is no program '{name}' in this process; add it before the model is loaded");
}
