using System.CommandLine;
using Softmodel.Cli.Conformance;

if (args is [Worker.Command, var folder])
    return Worker.Serve(folder, Console.In, Console.Out);

var root = new RootCommand("A compiler for what lies between programs and AI models.") { ConformanceCommand.Create() };
return await root.Parse(args).InvokeAsync();
