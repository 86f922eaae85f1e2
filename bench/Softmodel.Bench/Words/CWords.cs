using System.Text.RegularExpressions;
using Softmodel.Emit.Native;

namespace Softmodel.Bench.Words;

/// <summary>Finds the words with which the names of a native library must not begin: asks a C compiler what its headers declare.</summary>
static class CWords
{
    const string Standard = "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype";

    const string System = """
        aio arpa/inet cpio dirent dlfcn fcntl fmtmsg fnmatch ftw glob grp iconv langinfo libgen monetary mqueue net/if netdb netinet/in netinet/tcp nl_types poll
        pthread pwd regex sched search semaphore spawn strings sys/ipc sys/mman sys/msg sys/resource sys/select sys/sem sys/shm sys/socket sys/stat sys/statvfs sys/time
        sys/times sys/types sys/uio sys/un sys/utsname sys/wait syslog tar termios unistd utmpx wordexp
        alloca argz envz err error execinfo fts getopt ifaddrs libintl link malloc mcheck mntent netinet/ip obstack paths printf pty resolv stdio_ext shadow
        sys/epoll sys/eventfd sys/file sys/inotify sys/ioctl sys/mount sys/prctl sys/ptrace sys/random sys/sendfile sys/signalfd sys/statfs sys/swap sys/sysinfo sys/timerfd
        sys/timex sys/xattr sysexits ucontext utime utmp values byteswap endian features crypt sys/param sys/auxv sys/syscall sys/vfs
        """;

    const string Keywords = """
        alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await
        co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast else enum explicit export
        extern false final float for friend fortran goto if import inline int long main module mutable namespace new noexcept not not_eq nullptr operator or or_eq override
        private protected public reflexpr register reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast std struct switch
        synchronized template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor
        xor_eq defined elif elifdef elifndef endif error ifdef ifndef include line pragma undef unix linux i386
        """;

    const string Libraries = "c m dl rt util pthread crypt resolv nsl anl gcc_s stdc supc atomic gomp quadmath sample";

    // What names of a library end in.
    static readonly string[] ends = "abi last_error vector_bits create create_unchecked destroy set_threads set_seed set_memory_limit forget run result input_count output_count input output tensor info".Split(' ');
    static readonly string[] largeEnds = "OK ARGUMENT SHAPE INDEX MEMORY WEIGHTS STATE INTERNAL PROCESSOR FLOAT32 UINT8 INT8 UINT16 INT16 INT32 INT64 BOOL FLOAT16 FLOAT64 UINT32 UINT64 BFLOAT16 ABI".Split(' ');

    /// <summary>The words, in order.</summary>
    public static async Task<string[]> Find(CancellationToken cancel)
    {
        var folder = Directory.CreateTempSubdirectory("softmodel-words-");
        try
        {
            Task<string> C(string text, params string[] options) => Say(folder.FullName, text, options, cancel);
            var headers = new List<string>();
            var source = "#define _GNU_SOURCE\n";
            foreach (var header in Split($"{Standard} {System}"))
            {
                var more = $"{source}#include <{header}.h>\n";
                if ((await C(more, "-fsyntax-only", "-w")).Length > 0)
                    continue;
                source = more;
                headers.Add(header);
            }
            var seen = Regex.Matches(await C(source, "-E", "-P"), @"\b[A-Za-z_]\w*").Select(m => m.Value)
                .Concat(Regex.Matches(await C(source, "-E", "-dM"), @"^#define (\w+)", RegexOptions.Multiline).Select(m => m.Groups[1].Value)).ToHashSet();
            var small = seen.Where(w => Regex.IsMatch(w, "^[a-z][a-z0-9_]*[a-z0-9]?$") && w[^1] != '_').Order(StringComparer.Ordinal).ToArray();
            // A type can be declared by every name that means nothing yet.
            var said = await C($"{source}#line 1 \"probe\"\n{string.Concat(small.Select(w => $"typedef struct {w} {w};\n"))}", "-fsyntax-only", "-w", "-fmax-errors=0");
            var declared = Regex.Matches(said, @"^probe:(\d+):", RegexOptions.Multiline).Select(m => int.Parse(m.Groups[1].ValueSpan) - 1).Where(n => n < small.Length).Select(n => small[n]);
            var begun = seen.SelectMany(w => ends.Where(e => w.EndsWith('_' + e) && !w.Any(char.IsAsciiLetterUpper)).Concat(largeEnds.Where(e => w.EndsWith('_' + e) && !w.Any(char.IsAsciiLetterLower))).Select(e => w[..^(e.Length + 1)].ToLowerInvariant()));
            return [.. declared.Concat(begun).Concat(headers.Where(h => !h.Contains('/'))).Concat(Split($"{Keywords} {Libraries}")).Where(w => w.Length > 0 && char.IsAsciiLetterLower(w[0])).Distinct().Order(StringComparer.Ordinal)];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static string[] Split(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    static async Task<string> Say(string folder, string text, string[] options, CancellationToken cancel)
    {
        var (source, output) = (Path.Combine(folder, "words.c"), Path.Combine(folder, "said"));
        await File.WriteAllTextAsync(source, text, cancel);
        // What a compiler says goes to a file, since Tool.Run reads it only where it fails.
        await Tool.Run("sh", ["-c", "\"$0\" \"$@\" > said 2>&1 || true", Tool.Find("gcc"), "-std=gnu17", .. options, source], folder, cancel);
        return await File.ReadAllTextAsync(output, cancel);
    }
}
