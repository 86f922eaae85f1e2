using System.Globalization;
using System.Runtime.CompilerServices;

namespace Softmodel.Language.Chat;

/// <summary>What is wrong with a template, and where.</summary>
/// <param name="line">The line, from 1 on; 0 for the one that is rendered.</param>
/// <param name="what">What is wrong.</param>
sealed class TemplateException(int line, string what) : Exception(what)
{
    /// <summary>The line, from 1 on; 0 for the one that is rendered.</summary>
    public int Line => line;
}

/// <summary>Parses a template of Jinja. What reads other templates, or code of Python, has no place in one for a chat.</summary>
sealed class Parser
{
    readonly List<Lexeme> lexemes;
    int at;

    Parser(List<Lexeme> lexemes) => this.lexemes = lexemes;

    /// <summary>The statements of a template.</summary>
    /// <param name="source">The template.</param>
    /// <exception cref="TemplateException">It is no template.</exception>
    public static IReadOnlyList<Statement> Parse(string source)
    {
        var parser = new Parser(Lexer.Lexemes(source));
        var statements = parser.Statements();
        return parser.Here.Kind == LexemeKind.End ? statements : throw parser.Wrong($"'{parser.lexemes[parser.at + 1].Text}' ends nothing");
    }

    Lexeme Here => lexemes[at];

    bool Is(string text) => Here.Kind is LexemeKind.Symbol or LexemeKind.Name && Here.Text == text;

    bool Takes(string text)
    {
        var takes = Is(text);
        at += takes ? 1 : 0;
        return takes;
    }

    void Expect(string text)
    {
        if (!Takes(text))
            throw Wrong($"'{text}' is missing before {Shown}");
    }

    void Expect(LexemeKind kind, string text)
    {
        if (Here.Kind != kind)
            throw Wrong($"'{text}' is missing before {Shown}");
        at++;
    }

    string Shown => Here.Kind == LexemeKind.End ? "the end of the template" : $"'{Here.Text}'";

    TemplateException Wrong(string what) => new(Here.Line, what);

    string Word(string what)
    {
        if (Here.Kind != LexemeKind.Name)
            throw Wrong($"{what} is missing before {Shown}");
        return lexemes[at++].Text;
    }

    // What is nested too deeply is an error before the stack ends.
    void Deeper()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Wrong("it is nested too deeply");
    }

    /// <summary>Statements up to the end, or up to a block that begins with one of the words.</summary>
    List<Statement> Statements(params string[] until)
    {
        Deeper();
        var statements = new List<Statement>();
        while (Here.Kind != LexemeKind.End)
        {
            var line = Here.Line;
            switch (Here.Kind)
            {
                case LexemeKind.Text:
                    statements.Add(new Text(line, lexemes[at++].Text));
                    break;
                case LexemeKind.OutputStart:
                    at++;
                    statements.Add(new Output(line, Tuple()));
                    Expect(LexemeKind.OutputEnd, "}}");
                    break;
                default:
                    if (lexemes[at + 1] is { Kind: LexemeKind.Name, Text: var word } && (until.Contains(word) || word is "else" or "elif" || word.StartsWith("end", StringComparison.Ordinal)))
                        return statements;
                    at++;
                    statements.Add(Block(line));
                    break;
            }
        }
        return statements;
    }

    void End() => Expect(LexemeKind.BlockEnd, "%}");

    List<Statement> Body(string what, params string[] until)
    {
        End();
        var line = Here.Line;
        var body = Statements(until);
        if (Here.Kind == LexemeKind.End)
            throw new TemplateException(line, $"'{what}' has no '{until[^1]}'");
        at++;
        if (!until.Contains(Here.Text))
            throw Wrong($"'{Here.Text}' comes where '{what}' needs '{until[^1]}'");
        return body;
    }

    Statement Block(int line)
    {
        var word = Word("the name of a block");
        switch (word)
        {
            case "if": return IfBlock(line);
            case "for": return ForBlock(line);
            case "set": return SetStatement(line);
            case "macro": return Macro(line);
            case "break" or "continue":
                End();
                return new Jump(line, word == "break");
            case "filter":
                var filtered = Filters(Word("the name of a filter"));
                return new FilterBlock(line, ExpectEnd(Body(word, "endfilter")), filtered);
            case "generation":
                return new Group(line, ExpectEnd(Body(word, "endgeneration")));
            case "with":
                var values = new List<(string, Expression)>();
                while (Here.Kind == LexemeKind.Name)
                {
                    var name = Word("a name");
                    Expect("=");
                    values.Add((name, Expression()));
                    if (!Takes(","))
                        break;
                }
                return new With(line, values, ExpectEnd(Body(word, "endwith")));
            default:
                throw new TemplateException(line, $"the block '{word}' is not known here; those known are if, for, set, macro, filter, with, raw, break, continue and generation");
        }
    }

    List<Statement> ExpectEnd(List<Statement> body)
    {
        at++;
        End();
        return body;
    }

    If IfBlock(int line)
    {
        var branches = new List<(Expression, IReadOnlyList<Statement>)>();
        do
            branches.Add((Tuple(), Body("if", "elif", "else", "endif")));
        while (Takes("elif"));
        List<Statement> otherwise = Takes("else") ? Body("if", "endif") : [];
        return new(line, branches, ExpectEnd(otherwise));
    }

    For ForBlock(int line)
    {
        var targets = Targets();
        Expect("in");
        var over = Conditional(isWhole: false);
        if (Is(","))
            over = TupleFrom(over);
        var where = Takes("if") ? Expression() : null;
        if (Is("recursive"))
            throw Wrong("loops that call themselves (recursive) are not known here");
        var body = Body("for", "else", "endfor");
        List<Statement> otherwise = Takes("else") ? Body("for", "endfor") : [];
        return new(line, targets, over, where, body, ExpectEnd(otherwise));
    }

    List<string> Targets()
    {
        var targets = new List<string>();
        var isInBrackets = Takes("(");
        do
            targets.Add(Word("the name of a variable"));
        while (Takes(",") && Here.Kind == LexemeKind.Name && !Is("in"));
        if (isInBrackets)
            Expect(")");
        return targets;
    }

    Statement SetStatement(int line)
    {
        var targets = Targets();
        var attribute = targets.Count == 1 && Takes(".") ? Word("the name of an attribute") : null;
        if (Takes("="))
        {
            var value = Tuple();
            End();
            return new Set(line, targets, attribute, value);
        }
        if (targets.Count > 1)
            throw Wrong($"'=' is missing before {Shown}");
        var filtered = Takes("|") ? Filters(Word("the name of a filter")) : e => e;
        return new SetBlock(line, targets[0], attribute, ExpectEnd(Body("set", "endset")), filtered);
    }

    MacroOf Macro(int line)
    {
        var (name, parameters) = (Word("the name of a macro"), new List<(string, Expression?)>());
        Expect("(");
        while (!Takes(")"))
        {
            var parameter = Word("the name of a parameter");
            parameters.Add((parameter, Takes("=") ? Expression() : null));
            if (!Is(")"))
                Expect(",");
        }
        return new(line, name, parameters, ExpectEnd(Body("macro", "endmacro")));
    }

    Func<Expression, Expression> Filters(string first)
    {
        var (filters, name) = (new List<(int Line, string Name, Arguments Arguments)>(), first);
        do
            filters.Add((Here.Line, name, Is("(") ? Arguments() : Chat.Arguments.None));
        while (Takes("|") && (name = Word("the name of a filter")) is not null);
        return of => filters.Aggregate(of, (value, f) => new Filter(f.Line, value, f.Name, f.Arguments));
    }

    Expression Tuple()
    {
        var first = Expression();
        return Is(",") ? TupleFrom(first) : first;
    }

    ListOf TupleFrom(Expression first)
    {
        var items = new List<Expression> { first };
        while (Takes(","))
        {
            if (Here.Kind is LexemeKind.BlockEnd or LexemeKind.OutputEnd || Is(")") || Is("=") || Is("if"))
                break;
            items.Add(Expression());
        }
        return new(first.Line, items);
    }

    Expression Expression() => Conditional(isWhole: true);

    // Where a loop says over what it goes, an 'if' is the loop's.
    Expression Conditional(bool isWhole)
    {
        Deeper();
        var value = Or();
        while (isWhole && Is("if"))
        {
            var line = lexemes[at++].Line;
            var condition = Or();
            value = new Conditional(line, condition, value, Takes("else") ? Expression() : null);
        }
        return value;
    }

    Expression Or()
    {
        var left = And();
        while (Is("or"))
            left = new Binary(lexemes[at++].Line, "or", left, And());
        return left;
    }

    Expression And()
    {
        var left = Not();
        while (Is("and"))
            left = new Binary(lexemes[at++].Line, "and", left, Not());
        return left;
    }

    Expression Not()
    {
        Deeper();
        return Is("not") ? new Unary(lexemes[at++].Line, "not", Not()) : Compared();
    }

    Expression Compared()
    {
        var (first, rest) = (Sum(), new List<(string, Expression)>());
        while (true)
        {
            if (Is("not") && lexemes[at + 1] is { Kind: LexemeKind.Name, Text: "in" })
            {
                at += 2;
                rest.Add(("not in", Sum()));
            }
            else if (Here.Kind is LexemeKind.Symbol && Here.Text is "==" or "!=" or "<" or ">" or "<=" or ">=" || Is("in"))
                rest.Add((lexemes[at++].Text, Sum()));
            else
                return rest.Count == 0 ? first : new Comparison(first.Line, first, rest);
        }
    }

    Expression Sum() => Chain(Concatenation, "+", "-");

    Expression Concatenation() => Chain(Product, "~");

    Expression Product() => Chain(Power, "*", "/", "//", "%");

    // A sign binds more tightly, unlike in Python.
    Expression Power() => Chain(Signed, "**");

    Expression Chain(Func<Expression> part, params ReadOnlySpan<string> operators)
    {
        var left = part();
        while (Here.Kind == LexemeKind.Symbol && operators.Contains(Here.Text))
        {
            var lexeme = lexemes[at++];
            left = new Binary(lexeme.Line, lexeme.Text, left, part());
        }
        return left;
    }

    Expression Signed() => Suffixed(Sign(), isBare: false);

    Expression Sign()
    {
        Deeper();
        return Is("-") || Is("+") ? new Unary(Here.Line, lexemes[at++].Text, Sign()) : Suffixed(Primary(), isBare: true);
    }

    // Members and calls bind more tightly than a sign, filters and tests less so.
    Expression Suffixed(Expression value, bool isBare)
    {
        while (true)
        {
            var line = Here.Line;
            if (isBare && Takes("."))
            {
                value = Here.Kind == LexemeKind.Number ? new Member(line, value, Number(lexemes[at++]), IsName: false)
                    : new Member(line, value, new Literal(line, Word("the name of an attribute")), IsName: true);
            }
            else if (isBare && Takes("["))
                value = Subscript(line, value);
            else if (Is("("))
                value = new Call(line, value, Arguments());
            else if (!isBare && Takes("|"))
                value = Filters(Word("the name of a filter"))(value);
            else if (!isBare && Takes("is"))
                value = TestOf(line, value);
            else
                return value;
        }
    }

    Test TestOf(int line, Expression value)
    {
        var isNegated = Takes("not");
        var name = Word("the name of a test");
        var arguments = Is("(") ? Arguments()
            : Here.Kind is LexemeKind.Name or LexemeKind.String or LexemeKind.Number && !(Here.Kind == LexemeKind.Name && Here.Text is "else" or "or" or "and" or "is" or "if" or "not" or "in") || Is("[") || Is("{")
            ? new([Suffixed(Primary(), isBare: true)], []) : Chat.Arguments.None;
        return new(line, value, name, arguments, isNegated);
    }

    Expression Subscript(int line, Expression value)
    {
        var start = Is(":") ? null : Tuple();
        Expression? stop = null, step = null;
        if (!Is(":"))
        {
            Expect("]");
            return new Member(line, value, start!, IsName: false);
        }
        at++;
        if (!Is(":") && !Is("]"))
            stop = Expression();
        if (Takes(":") && !Is("]"))
            step = Expression();
        Expect("]");
        return new Slice(line, value, start, stop, step);
    }

    Arguments Arguments()
    {
        Deeper();
        var (positional, named) = (new List<Expression>(), new List<(string, Expression)>());
        Expect("(");
        while (!Takes(")"))
        {
            if (Is("*") || Is("**"))
                throw Wrong("arguments that are spread out of a list are not known here");
            if (Here.Kind == LexemeKind.Name && lexemes[at + 1] is { Kind: LexemeKind.Symbol, Text: "=" })
            {
                var name = lexemes[at].Text;
                at += 2;
                named.Add((name, Expression()));
            }
            else
                positional.Add(Expression());
            if (!Is(")"))
                Expect(",");
        }
        return new(positional, named);
    }

    Expression Primary()
    {
        Deeper();
        var lexeme = Here;
        at++;
        switch (lexeme.Kind)
        {
            case LexemeKind.Name:
                return lexeme.Text switch
                {
                    "true" or "True" => new Literal(lexeme.Line, true),
                    "false" or "False" => new Literal(lexeme.Line, false),
                    "none" or "None" => new Literal(lexeme.Line, null),
                    _ => new Name(lexeme.Line, lexeme.Text),
                };
            case LexemeKind.Number:
                return Number(lexeme);
            case LexemeKind.String:
                var text = lexeme.Text;
                while (Here.Kind == LexemeKind.String)
                    text += lexemes[at++].Text;
                return new Literal(lexeme.Line, text);
            case LexemeKind.Symbol when lexeme.Text == "(":
                if (Takes(")"))
                    return new ListOf(lexeme.Line, []);
                var inner = Tuple();
                Expect(")");
                return inner;
            case LexemeKind.Symbol when lexeme.Text == "[":
                var items = new List<Expression>();
                while (!Takes("]"))
                {
                    items.Add(Expression());
                    if (!Is("]"))
                        Expect(",");
                }
                return new ListOf(lexeme.Line, items);
            case LexemeKind.Symbol when lexeme.Text == "{":
                var entries = new List<(Expression, Expression)>();
                while (!Takes("}"))
                {
                    var key = Expression();
                    Expect(":");
                    entries.Add((key, Expression()));
                    if (!Is("}"))
                        Expect(",");
                }
                return new DictionaryOf(lexeme.Line, entries);
            default:
                at--;
                throw Wrong($"a value is missing before {Shown}");
        }
    }

    static Literal Number(Lexeme lexeme) =>
        long.TryParse(lexeme.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var whole) ? new(lexeme.Line, whole)
        : double.TryParse(lexeme.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && lexeme.Text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0 ? new(lexeme.Line, real)
        : throw new TemplateException(lexeme.Line, $"the number {lexeme.Text} is too large");
}
