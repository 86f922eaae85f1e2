using System.CommandLine;
using Softmodel.Emit.Native;
using Softmodel.Language;
using Softmodel.Speech;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel build</c>: a model as a native library.</summary>
static class BuildCommand
{
    public static Command Create()
    {
        var choice = new ModelChoice();
        var folder = new Option<string>("--output", "-o") { Description = "The folder for the library, its header, its weights, samples in C and Python, and licences.", Required = true, HelpName = "DIR" };
        var embed = new Option<bool>("--embed") { Description = "Embed the weights in the library instead of writing a file beside it." };
        var target = new Option<string?>("--target") { Description = $"The target platform; by default what the use case says, else {new NativeOptions().Target}.", HelpName = "linux-x64|linux-arm64" };
        var name = new Option<string?>("--name") { Description = "The prefix of the names of files, functions and types: lower-case letters, digits and underscores; by default made of the model's name.", HelpName = "NAME" };
        var only = new Option<bool>("--only") { Description = "Of a folder that softmodel fuse made: leave the layers above the trigger out, so that what programs write is all that comes out." };
        var verb = new Verb("build", "Build a native library with a C header from a model; it needs no .NET.", "build tts-en -o voice", "build model.onnx -o out --embed --json", "build model.onnx -o out --name detector", "build fused -o calculator --only") { folder, embed, target, name, only };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var output = parsed.GetRequiredValue(folder);
            WholeFile.CheckFolder(output);
            if (parsed.GetValue(name) is { } given && CName.Fault(given) is { } fault)
                throw new UsageException(fault);
            using var model = await choice.Load(parsed, terminal, cancel, parsed.GetValue(only));
            var options = new NativeOptions(parsed.GetValue(embed), parsed.GetValue(target) ?? model.Use.Target ?? new NativeOptions().Target, parsed.GetValue(name));
            var built = await terminal.Working(progress => VoiceLoading.IsVoice(model) ? Voice.BuildAsync(model, output, options, progress, cancel)
                : EmbeddingModelLoading.IsEncoder(model) ? EmbeddingModel.BuildAsync(model, output, options, progress, cancel)
                : LanguageModel.BuildAsync(model, output, options, progress, cancel));
            foreach (var refusal in model.Refusals)
                terminal.Say(refusal);
            terminal.Result(new
            {
                model = model.Name,
                library = built.Library,
                bytes = new { code = built.CodeBytes, weights = built.WeightBytes, bytecode = 0, total = built.TotalBytes },
                seconds = Math.Round(built.Seconds, 2),
                target = options.Target,
                machine = Machine.Here,
            }, () => Text.Table("library", "code", "weights", "took").Row(built.Library, Text.Size(built.CodeBytes), Text.Size(built.WeightBytes), $"{built.Seconds:0.0} s"));
            return CommandLine.Done;
        }, Verb.Json());
    }
}
