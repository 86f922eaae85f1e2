using Softmodel.Cli;
using Softmodel.Cli.Conformance;

if (args is [Worker.Command, var folder])
    return Worker.Serve(folder, Console.In, Console.Out);

return await CommandLine.Run(args, Console.Out, Console.Error);
