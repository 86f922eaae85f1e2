namespace Softmodel.Language.Chat;

/// <summary>What has a value.</summary>
/// <param name="Line">The line of the template, from 1 on.</param>
abstract record Expression(int Line);

sealed record Literal(int Line, object? Value) : Expression(Line);

sealed record Name(int Line, string Text) : Expression(Line);

sealed record ListOf(int Line, IReadOnlyList<Expression> Items) : Expression(Line);

sealed record DictionaryOf(int Line, IReadOnlyList<(Expression Key, Expression Value)> Items) : Expression(Line);

/// <summary><c>a.b</c> where <c>IsName</c>, or <c>a[b]</c>.</summary>
sealed record Member(int Line, Expression Of, Expression Key, bool IsName) : Expression(Line);

sealed record Slice(int Line, Expression Of, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line);

sealed record Call(int Line, Expression Of, Arguments Arguments) : Expression(Line);

sealed record Filter(int Line, Expression Of, string Text, Arguments Arguments) : Expression(Line);

sealed record Test(int Line, Expression Of, string Text, Arguments Arguments, bool IsNegated) : Expression(Line);

sealed record Unary(int Line, string Operator, Expression Of) : Expression(Line);

sealed record Binary(int Line, string Operator, Expression Left, Expression Right) : Expression(Line);

/// <summary><c>a &lt; b &lt; c</c>, and also <c>in</c> and <c>not in</c>.</summary>
sealed record Comparison(int Line, Expression First, IReadOnlyList<(string Operator, Expression Right)> Rest) : Expression(Line);

sealed record Conditional(int Line, Expression Condition, Expression Then, Expression? Else) : Expression(Line);

/// <summary>What is given to something that is called.</summary>
sealed record Arguments(IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named)
{
    public static readonly Arguments None = new([], []);
}

/// <summary>What does something.</summary>
/// <param name="Line">The line of the template, from 1 on.</param>
abstract record Statement(int Line);

sealed record Text(int Line, string Value) : Statement(Line);

sealed record Output(int Line, Expression Value) : Statement(Line);

sealed record If(int Line, IReadOnlyList<(Expression Condition, IReadOnlyList<Statement> Body)> Branches, IReadOnlyList<Statement> Else) : Statement(Line);

sealed record For(int Line, IReadOnlyList<string> Targets, Expression Over, Expression? Where, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Else) : Statement(Line);

/// <summary>Sets names, or, where there is an <c>Attribute</c>, that of a namespace.</summary>
sealed record Set(int Line, IReadOnlyList<string> Targets, string? Attribute, Expression Value) : Statement(Line);

/// <summary>Sets a name to what is written, filtered.</summary>
sealed record SetBlock(int Line, string Target, string? Attribute, IReadOnlyList<Statement> Body, Func<Expression, Expression> Filtered) : Statement(Line);

/// <summary>Writes what is written, filtered.</summary>
sealed record FilterBlock(int Line, IReadOnlyList<Statement> Body, Func<Expression, Expression> Filtered) : Statement(Line);

sealed record MacroOf(int Line, string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>Statements with names of their own, each set to a value.</summary>
sealed record With(int Line, IReadOnlyList<(string Name, Expression Value)> Values, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>Statements as they are.</summary>
sealed record Group(int Line, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>Goes out of a loop, or on to its next turn.</summary>
sealed record Jump(int Line, bool IsBreak) : Statement(Line);
