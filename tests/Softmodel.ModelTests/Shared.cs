namespace Softmodel.ModelTests;

/// <summary>The data that lie beside the repository.</summary>
static class Shared
{
    /// <summary>Whether all cases of what has many are to be tested, rather than some of them: in CI they are.</summary>
    public static bool AreAllCases => Environment.GetEnvironmentVariable("SOFTMODEL_ALL_CASES") is { Length: > 0 };

    /// <summary>A folder in it; the test is skipped where it is absent.</summary>
    public static string Folder(string name)
    {
        var root = Environment.GetEnvironmentVariable("SOFTMODEL_SHARED") ?? Beside(AppContext.BaseDirectory);
        var folder = Path.Combine(root, name);
        Assert.SkipUnless(Directory.Exists(folder), $"'{folder}' is not here: SOFTMODEL_SHARED says where the shared data are");
        return folder;
    }

    /// <summary>The folder <c>shared</c> beside the repository, which is the folder with the solution.</summary>
    static string Beside(string start)
    {
        var folder = start;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Softmodel.slnx")))
            folder = Path.GetDirectoryName(folder);
        return Path.GetFullPath(Path.Combine(folder ?? start, "..", "shared"));
    }
}
