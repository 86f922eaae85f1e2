using System.CommandLine;

var root = new RootCommand("A compiler for what lies between programs and AI models.");
return root.Parse(args).Invoke();
