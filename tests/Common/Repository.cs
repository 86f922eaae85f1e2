namespace Softmodel.Tests.Common;

/// <summary>The files of the repository that the tests were built from.</summary>
static class Repository
{
    /// <summary>Its folder: the nearest above the tests that holds the solution.</summary>
    public static string Folder { get; } = Find();

    /// <summary>The path of a file in it.</summary>
    public static string File(string path) => Path.Combine(Folder, path);

    static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (System.IO.File.Exists(Path.Combine(folder, "Softmodel.slnx")))
                return folder;
        }
        throw new InvalidOperationException("the tests run outside of their repository");
    }
}
