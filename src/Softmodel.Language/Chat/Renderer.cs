using System.Runtime.CompilerServices;
using System.Text;

namespace Softmodel.Language.Chat;

/// <summary>What a template may use, so that none runs for ever or fills the memory.</summary>
/// <param name="most">How many characters it may make, written ones and others.</param>
sealed class Budget(long most)
{
    const int MostSteps = 2_000_000;

    int steps;
    long made;

    /// <summary>Counts a step.</summary>
    /// <exception cref="TemplateException">There are too many.</exception>
    public void Step()
    {
        if (++steps > MostSteps)
            throw new TemplateException(0, $"it takes more than {MostSteps} steps");
    }

    /// <summary>Counts characters, or items of lists, before they are made.</summary>
    /// <exception cref="TemplateException">There are too many.</exception>
    public void Make(long count)
    {
        if ((made += count) > most)
            throw new TemplateException(0, $"it makes more than {most} characters");
    }
}

/// <summary>Names and their values within a block, and those around it.</summary>
sealed class Scope(Scope? outer)
{
    readonly Dictionary<string, object?> values = new(StringComparer.Ordinal);

    /// <summary>Sets a name here.</summary>
    public void Set(string name, object? value) => values[name] = value;

    /// <summary>The value of a name, here or around.</summary>
    public object? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope.values.TryGetValue(name, out var value))
                return value;
        }
        return new Undefined(name);
    }

    Scope? Outer => outer;
}

/// <summary>Renders the statements of a template.</summary>
/// <param name="budget">What it may use.</param>
sealed class Renderer(Budget budget)
{
    enum After { Next, Break, Continue }

    int line = 1;

    /// <summary>The line that is rendered, from 1 on.</summary>
    public int Line => line;

    /// <summary>Renders statements.</summary>
    /// <param name="statements">The statements.</param>
    /// <param name="scope">The names that they know.</param>
    /// <exception cref="TemplateException">Something has no value, or the budget is used up: <see cref="Line"/> says where.</exception>
    public string Render(IReadOnlyList<Statement> statements, Scope scope)
    {
        var to = new StringBuilder();
        Run(statements, scope, to);
        return to.ToString();
    }

    After Run(IReadOnlyList<Statement> statements, Scope scope, StringBuilder to)
    {
        foreach (var statement in statements)
        {
            if (Run(statement, scope, to) is var after and not After.Next)
                return after;
        }
        return After.Next;
    }

    After Run(Statement statement, Scope scope, StringBuilder to)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        budget.Step();
        line = statement.Line;
        switch (statement)
        {
            case Text text: Write(text.Value, to); break;
            case Output output: Write(Values.Text(Value(output.Value, scope), budget), to); break;
            case If branches: return Run(branches.Branches.FirstOrDefault(b => IsTrue(b.Condition, scope)).Body ?? branches.Else, scope, to);
            case For loop: Loop(loop, scope, to); break;
            case Set set: Assign(set.Targets, set.Attribute, Value(set.Value, scope), scope); break;
            case SetBlock set: Assign([set.Target], set.Attribute, Value(set.Filtered(new Literal(set.Line, Inner(set.Body, new(scope)))), scope), scope); break;
            case FilterBlock filter: Write(Values.Text(Value(filter.Filtered(new Literal(filter.Line, Inner(filter.Body, new(scope)))), scope), budget), to); break;
            case MacroOf macro: scope.Set(macro.Name, Macro(macro, scope)); break;
            case With with:
                var inner = new Scope(scope);
                foreach (var (name, value) in with.Values)
                    inner.Set(name, Value(value, scope));
                return Run(with.Body, inner, to);
            case Group group: return Run(group.Body, scope, to);
            case Jump jump: return jump.IsBreak ? After.Break : After.Continue;
        }
        return After.Next;
    }

    void Write(string text, StringBuilder to)
    {
        budget.Make(text.Length);
        to.Append(text);
    }

    string Inner(IReadOnlyList<Statement> body, Scope scope)
    {
        var to = new StringBuilder();
        Run(body, scope, to);
        return to.ToString();
    }

    bool IsTrue(Expression expression, Scope scope) => Values.IsTrue(Value(expression, scope));

    void Assign(IReadOnlyList<string> targets, string? attribute, object? value, Scope scope)
    {
        if (attribute is not null)
        {
            if (scope.Find(targets[0]) is not Entries { IsNamespace: true } space)
                throw new TemplateException(0, $"'{targets[0]}' is no namespace, and only attributes of those can be set");
            space[attribute] = value;
        }
        else if (targets.Count == 1)
            scope.Set(targets[0], value);
        else
            Unpack(targets, value, scope);
    }

    void Unpack(IReadOnlyList<string> targets, object? value, Scope scope)
    {
        var items = Builtins.Iterated(value, budget);
        if (items.Count != targets.Count)
            throw new TemplateException(0, $"{items.Count} values are there for {targets.Count} names ({string.Join(", ", targets)})");
        for (var i = 0; i < targets.Count; i++)
            scope.Set(targets[i], items[i]);
    }

    void Loop(For loop, Scope scope, StringBuilder to)
    {
        IReadOnlyList<object?> items = Builtins.Iterated(Value(loop.Over, scope), budget);
        if (loop.Where is { } where)
        {
            items = [.. items.Where(item =>
            {
                budget.Step();
                var inner = new Scope(scope);
                Assign(loop.Targets, null, item, inner);
                return IsTrue(where, inner);
            })];
        }
        if (items.Count == 0)
        {
            Run(loop.Else, scope, to);
            return;
        }
        var state = new Entries();
        object? last = null;
        for (var i = 0; i < items.Count; i++)
        {
            budget.Step();
            var (at, inner) = (i, new Scope(scope));
            state["index"] = i + 1L;
            state["index0"] = (long)i;
            state["revindex"] = (long)items.Count - i;
            state["revindex0"] = (long)items.Count - i - 1;
            state["first"] = i == 0;
            state["last"] = i == items.Count - 1;
            state["length"] = (long)items.Count;
            state["depth"] = 1L;
            state["depth0"] = 0L;
            state["previtem"] = i > 0 ? items[i - 1] : new Undefined("loop.previtem");
            state["nextitem"] = i + 1 < items.Count ? items[i + 1] : new Undefined("loop.nextitem");
            state["cycle"] = new Function((values, _) => values.Count > 0 ? values[at % values.Count] : throw new TemplateException(0, "'loop.cycle' needs values"));
            state["changed"] = new Function((values, _) =>
            {
                var now = new Items(values);
                var hasChanged = last is null || !Values.AreEqual(last, now, budget);
                last = now;
                return hasChanged;
            });
            inner.Set("loop", state);
            Assign(loop.Targets, null, items[i], inner);
            if (Run(loop.Body, inner, to) == After.Break)
                break;
        }
    }

    Function Macro(MacroOf macro, Scope scope) => (positional, named) =>
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (positional.Count > macro.Parameters.Count)
            throw new TemplateException(0, $"the macro '{macro.Name}' takes {macro.Parameters.Count} arguments, and {positional.Count} are given");
        if (named.Keys.FirstOrDefault(k => macro.Parameters.All(p => p.Name != k)) is { } unknown)
            throw new TemplateException(0, $"the macro '{macro.Name}' has no parameter '{unknown}'");
        var inner = new Scope(scope);
        for (var i = 0; i < macro.Parameters.Count; i++)
        {
            var (name, otherwise) = macro.Parameters[i];
            inner.Set(name, i < positional.Count ? positional[i] : named.TryGetValue(name, out var given) ? given : otherwise is null ? new Undefined(name) : Value(otherwise, inner));
        }
        return Inner(macro.Body, inner);
    };

    object? Value(Expression expression, Scope scope)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        budget.Step();
        line = expression.Line;
        switch (expression)
        {
            case Literal literal: return literal.Value;
            case Name name: return scope.Find(name.Text);
            case ListOf list: return new Items(list.Items.Select(i => Value(i, scope)));
            case DictionaryOf dictionary:
                var entries = new Entries();
                foreach (var (key, value) in dictionary.Items)
                    entries[Builtins.Key(Value(key, scope))] = Value(value, scope);
                return entries;
            case Conditional conditional:
                return IsTrue(conditional.Condition, scope) ? Value(conditional.Then, scope) : conditional.Else is null ? new Undefined("what an 'if' without 'else' gives") : Value(conditional.Else, scope);
            case Binary { Operator: "and" } and: return Value(and.Left, scope) is var left && Values.IsTrue(left) ? Value(and.Right, scope) : left;
            case Binary { Operator: "or" } or: return Value(or.Left, scope) is var first && Values.IsTrue(first) ? first : Value(or.Right, scope);
            case Unary { Operator: "not" } not: return !IsTrue(not.Of, scope);
        }
        var (of, other) = expression switch
        {
            Member m => (Value(m.Of, scope), Value(m.Key, scope)),
            Slice s => (Value(s.Of, scope), null),
            Call c => (Value(c.Of, scope), null),
            Filter f => (Value(f.Of, scope), null),
            Test t => (Value(t.Of, scope), null),
            Unary u => (Value(u.Of, scope), null),
            Binary b => (Value(b.Left, scope), Value(b.Right, scope)),
            Comparison c => (Value(c.First, scope), (object?)null),
            _ => throw new TemplateException(0, "an expression is not known"),
        };
        var arguments = expression switch { Call c => Given(c.Arguments, scope), Filter f => Given(f.Arguments, scope), Test t => Given(t.Arguments, scope), _ => default };
        line = expression.Line;
        switch (expression)
        {
            case Member member: return Builtins.Member(of, other, member.IsName, budget);
            case Slice slice: return Builtins.Slice(of, Part(slice.Start), Part(slice.Stop), Part(slice.Step), budget);
            case Call call: return of is Function function ? function(arguments.Positional, arguments.Named) : throw new TemplateException(0, $"{Values.Kind(of)}{(call.Of is Name n ? $" '{n.Text}'" : "")} can't be called");
            case Filter filter: return Builtins.Filter(filter.Text, of, arguments.Positional, arguments.Named, budget);
            case Test test: return Builtins.Test(test.Text, of, arguments.Positional, budget) != test.IsNegated;
            case Unary unary: return Builtins.Sign(unary.Operator, of);
            case Binary binary: return Builtins.Binary(binary.Operator, of, other, budget);
        }
        foreach (var (@operator, right) in ((Comparison)expression).Rest)
        {
            var next = Value(right, scope);
            line = expression.Line;
            if (!Builtins.Holds(@operator, of, next, budget))
                return false;
            of = next;
        }
        return true;

        long? Part(Expression? part) => part is null || Value(part, scope) is not { } value ? null : Values.Integer(value) ?? throw new TemplateException(0, $"{Values.Kind(value)} is no place in a list");
    }

    (IReadOnlyList<object?> Positional, IReadOnlyDictionary<string, object?> Named) Given(Arguments arguments, Scope scope) =>
        ([.. arguments.Positional.Select(a => Value(a, scope))], arguments.Named.ToDictionary(a => a.Name, a => Value(a.Value, scope), StringComparer.Ordinal));
}
