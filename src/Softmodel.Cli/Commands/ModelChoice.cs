using System.CommandLine;
using System.Globalization;
using Softmodel.Load;
using Softmodel.Sources;

namespace Softmodel.Cli.Commands;

/// <summary>A model of several with which a command failed.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Error">What is wrong.</param>
sealed record FailedModel(string Model, string Error)
{
    /// <summary>That it is not right.</summary>
    public bool Ok { get; } = false;
}

/// <summary>The argument and options that name a model, or several, and say what is known of its inputs.</summary>
/// <param name="several">Whether several may be named.</param>
/// <param name="otherwise">An option with which no model is named, or what is named is something else.</param>
sealed class ModelChoice(bool several = false, Option<bool>? otherwise = null)
{
    const string Naming = "A name of the catalogue, a path, npm:NAME@VERSION#path or hf:OWNER/REPO#path.";

    // An argument of exactly one is not read as a list.
    readonly Argument<string> one = new("model") { Description = Naming };

    readonly Argument<string[]> many = new("models") { Description = Naming, Arity = ArgumentArity.ZeroOrMore };

    readonly Option<bool> all = new("--all") { Description = "Every model of the catalogue, and every network of it." };

    readonly Option<string[]> sizes = new("--size") { Description = "A number for a symbolic size of the inputs, as batch=1.", HelpName = "NAME=N" };

    readonly Option<string[]> usual = new("--usual") { Description = "How large a symbolic size usually is, as T=300: kernels are chosen for it, and run for others too. 100 where nothing says it.", HelpName = "NAME=N" };

    readonly Option<string[]> shapes = new("--shape") { Description = "The shape that an input always has, as image=1,3,224,224; needed where the file doesn't say how many axes it has.", HelpName = "INPUT=N,N,…" };

    readonly Option<string[]> values = new("--fix") { Description = "The numbers that an input always has, as rate=16000: they are compiled in.", HelpName = "INPUT=N,N,…" };

    readonly UseChoice use = new();

    readonly Option<bool> kvCache = new("--kv-cache") { Description = "Make the KV cache of an exported language model a state: its past_key_values are no inputs then." };

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(several ? many : one);
        if (several)
        {
            command.Options.Add(all);
            command.Validators.Add(r =>
            {
                if (otherwise is not null && r.GetValue(otherwise))
                    return;
                if (r.GetValue(many) is not { Length: > 0 } == !r.GetValue(all))
                    r.AddError(r.GetValue(all) ? "--all takes the models of the catalogue: name no others" : "name a model, or write --all");
            });
        }
        command.Options.Add(sizes);
        command.Options.Add(usual);
        command.Options.Add(shapes);
        command.Options.Add(values);
        command.Options.Add(kvCache);
        use.AddTo(command);
    }

    /// <summary>The models as the user named them.</summary>
    public string[] Names(ParseResult parsed) => !several ? [parsed.GetRequiredValue(one)]
        : parsed.GetValue(all) ? [.. Catalogue.All.SelectMany(m => m.Networks)] : parsed.GetRequiredValue(many);

    /// <summary>What was named beside <c>otherwise</c>.</summary>
    public string[] Others(ParseResult parsed) => parsed.GetValue(many) ?? [];

    /// <summary>A folder with inputs of the user's.</summary>
    public static Option<string> Inputs() => new("--inputs")
    {
        Description = "A folder with inputs of your own: a .npz file or a folder of .npy files for each case, or ONNX's test_data_set_N/input_M.pb.",
        HelpName = "FOLDER",
    };

    /// <summary>Does something with one model of several: where it fails, what is wrong is the result, and others follow.</summary>
    /// <param name="name">The model.</param>
    /// <param name="goesOn">Whether there are several.</param>
    /// <param name="work">What is done.</param>
    public static async Task<object> Try(string name, bool goesOn, Func<Task<object>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception e) when (goesOn && e is not OperationCanceledException)
        {
            return new FailedModel(name, e is SoftmodelException ? e.Message : $"{e.GetType().Name}: {e.Message}");
        }
    }

    /// <summary>Brings the model here, and opens it.</summary>
    /// <param name="parsed">What was written.</param>
    /// <param name="terminal">Where it is told.</param>
    /// <param name="cancel">Stops it.</param>
    /// <param name="isOnly">Of one that was fused: whether the layers above the trigger are left out.</param>
    public Task<Model> Load(ParseResult parsed, Terminal terminal, CancellationToken cancel, bool isOnly = false) => Load(Names(parsed)[0], parsed, terminal, cancel, isOnly);

    /// <summary>Brings one of <see cref="Names"/> here, and opens it.</summary>
    public async Task<Model> Load(string name, ParseResult parsed, Terminal terminal, CancellationToken cancel, bool isOnly = false)
    {
        var said = use.Of(parsed, new()
        {
            Sizes = Pairs(parsed.GetValue(sizes), "--size", Number),
            Usual = Pairs(parsed.GetValue(usual), "--usual", text => Number(text) is > 0 and var size ? size : throw new FormatException()),
            Shapes = Pairs(parsed.GetValue(shapes), "--shape", text => text.Split(',').Select(Number).ToArray()),
            Values = Pairs(parsed.GetValue(values), "--fix", text => text.Split(',').Select(Real).ToArray()),
            KvCache = parsed.GetValue(kvCache),
        });
        await terminal.Fetch(FusedModels.SourceOf(name), cancel);
        return await FusedModels.LoadAsync(name, said, isOnly, cancellationToken: cancel);
    }

    /// <summary>Names with what is written after an equals sign.</summary>
    /// <exception cref="UsageException">Something else is written, or a name twice.</exception>
    public static Dictionary<string, T> Pairs<T>(string[]? pairs, string option, Func<string, T> read)
    {
        var all = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var pair in pairs ?? [])
        {
            var equals = pair.IndexOf('=');
            try
            {
                all.Add(pair[..equals], read(pair[(equals + 1)..]));
            }
            catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
            {
                throw new UsageException($"'{option} {pair}' is not understood: write a name, '=' and {option switch { "--fix" => "numbers", "--usual" => "an integer from 1 up", _ => "integers that are not negative" }}, and each name once");
            }
        }
        return all;
    }

    /// <summary>An integer that is not negative.</summary>
    public static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    static double Real(string text) => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
}
