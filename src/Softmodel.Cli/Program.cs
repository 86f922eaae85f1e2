using Softmodel.Cli;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Conformance;

if (args is [OnnxRuntimeAlone.Command, var model, var threads, var inputs])
    return OnnxRuntimeAlone.Run(model, int.Parse(threads), inputs);
if (args is [SoftmodelAlone.Command, var source, var count, var given])
    return await SoftmodelAlone.Run(source, int.Parse(count), given);
if (args is [Worker.Command])
    return Worker.Serve(Console.In, Console.Out);

return await CommandLine.Run(args, Console.Out, Console.Error);
