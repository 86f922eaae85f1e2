using System.Security.Cryptography;
using Softmodel.Sources;

namespace Softmodel.Tests.Sources;

public sealed class FileHashTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    string Cache => Path.Combine(root, "cache");

    string Record => Directory.GetFiles(Path.Combine(Cache, "hashes")).Single();

    /// <summary>A file that nothing has touched for longer than is waited for before a hash is remembered.</summary>
    string Settled(string name, byte[] bytes)
    {
        var path = Path.Combine(root, name);
        File.WriteAllBytes(path, bytes);
        Thread.Sleep(1100);
        return path;
    }

    static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    [Fact]
    public void A_change_is_noticed_though_the_time_is_kept()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "nothing is remembered on this system");
        var path = Settled("a", [1, 2, 3]);
        Assert.Equal(Hash([1, 2, 3]), FileHashes.Of(path, Cache));
        var (record, time) = (File.ReadAllText(Record), File.GetLastWriteTimeUtc(path));
        using (var file = File.OpenWrite(path))
            file.WriteByte(0);
        File.SetLastWriteTimeUtc(path, time);
        Assert.Equal((time, 3), (File.GetLastWriteTimeUtc(path), new FileInfo(path).Length));
        Assert.Equal(Hash([0, 2, 3]), FileHashes.Of(path, Cache));
        // What has just been written may be written again without another time.
        Assert.Equal(record, File.ReadAllText(Record));
    }

    [Fact]
    public void What_is_remembered_is_believed_and_what_is_damaged_is_not()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "nothing is remembered on this system");
        var path = Settled("a", [1, 2, 3]);
        var hash = FileHashes.Of(path, Cache);
        var record = File.ReadAllBytes(Record);
        Assert.Contains(hash, File.ReadAllText(Record), StringComparison.Ordinal);
        for (var at = 0; at < record.Length; at++)
        {
            var damaged = (byte[])[.. record];
            damaged[at] ^= 1;
            File.WriteAllBytes(Record, damaged);
            Assert.Equal(hash, FileHashes.Of(path, Cache));
            Assert.Equal(record, File.ReadAllBytes(Record));
        }
        // Only this shows that it is believed: a record that somebody forges.
        var forged = record.AsSpan().ToArray();
        var text = System.Text.Encoding.ASCII.GetString(forged);
        var line = text[..text.IndexOf('\n')].Replace(hash, new string('a', hash.Length), StringComparison.Ordinal);
        File.WriteAllText(Record, $"{line}\n{Hash(System.Text.Encoding.ASCII.GetBytes(line))}");
        Assert.Equal(new string('a', hash.Length), FileHashes.Of(path, Cache));
        FileHashes.Invalidate(path, Cache);
        Assert.Equal(hash, FileHashes.Of(path, Cache));
    }

    [Fact]
    public void What_others_can_write_is_not_believed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "nothing is remembered on this system");
        if (!OperatingSystem.IsLinux())
            return;
        var path = Settled("a", [1, 2, 3]);
        FileHashes.Of(path, Cache);
        Assert.NotNull(OwnFolder.TryRead(Record));
        File.SetUnixFileMode(Record, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        Assert.Null(OwnFolder.TryRead(Record));
        var folder = Path.Combine(root, "open");
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        Assert.False(FileState.Of(folder)!.Value.IsOwn);
        Assert.True(OwnFolder.Make(folder));
        Assert.True(FileState.Of(folder)!.Value.IsOwn);
    }

    [Fact]
    public void A_folder_is_hashed_with_the_names_of_its_files()
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, "folder")).FullName;
        File.WriteAllText(Path.Combine(folder, "a"), "one");
        var first = FileHashes.Of(folder, null);
        File.Move(Path.Combine(folder, "a"), Path.Combine(folder, "b"));
        Assert.NotEqual(first, FileHashes.Of(folder, null));
    }
}
