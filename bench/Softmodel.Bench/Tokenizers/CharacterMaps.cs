using System.Buffers.Binary;
using System.Text;

namespace Softmodel.Bench.Tokenizers;

/// <summary>Writes maps of characters as SentencePiece does: a double-array trie, and the texts that it leads to.</summary>
static class CharacterMaps
{
    static readonly (string From, string To)[] all =
    [
        ("\u0001", ""), ("\u0007", ""), ("\u007F", ""), ("\t", " "), ("\n", " "), ("\r", " "), ("\u00A0", " "), ("\u3000", " "), ("\u200B", " "), ("\uFEFF", ""), ("ﬁ", "fi"), ("½", "1\u20442"), ("①", "1"), ("１", "1"), ("２", "2"), ("３", "3"),
        ("Ａ", "A"), ("e\u0301", "é"), ("A\u030A", "Å"), ("a\u0301", "á"), ("\u212B", "Å"), ("ｶ", "カ"), ("ｶﾞ", "ガ"), ("각", "각"), ("İ", "i\u0307"), ("…", "..."), ("😀", ":)"), ("ß", "ss"), ("\r\n", "\n"), ("＄", "$"), ("q\u0303", "Q"),
    ];

    /// <summary>A map of some characters.</summary>
    public static byte[] Some(Random random) => Write([.. all.Where(_ => random.NextDouble() < 0.8)]);

    static byte[] Write((string From, string To)[] entries)
    {
        var (texts, places) = (new MemoryStream(), new SortedDictionary<string, int>(StringComparer.Ordinal));
        foreach (var (from, to) in entries)
        {
            places[Convert.ToHexString(Encoding.UTF8.GetBytes(from))] = (int)texts.Length;
            texts.Write([.. Encoding.UTF8.GetBytes(to), 0]);
        }
        var (units, used) = (new uint[256], new HashSet<int> { 0 });
        Place(0, "");
        var size = (units.Length + 255) / 256 * 256;
        Array.Resize(ref units, size);
        var bytes = new byte[4 + size * 4 + texts.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)(size * 4));
        for (var i = 0; i < size; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 + i * 4), units[i]);
        texts.ToArray().CopyTo(bytes, 4 + size * 4);
        return bytes;

        // A node's children lie at its place, changed by its offset and their bytes; what ends there by a byte of 0.
        void Place(int node, string prefix)
        {
            var labels = places.Keys.Where(k => k.StartsWith(prefix, StringComparison.Ordinal)).Select(k => k.Length == prefix.Length ? (byte)0 : Convert.ToByte(k.Substring(prefix.Length, 2), 16)).Distinct().ToArray();
            var offset = 1;
            while (labels.Any(l => (node ^ offset ^ l) is var at && (at < units.Length && used.Contains(at) || at == 0)) || offset > 0x1FFFFF)
                offset++;
            units[node] |= (uint)offset << 10 | (labels.Contains((byte)0) ? 0x100u : 0);
            foreach (var label in labels)
            {
                var at = node ^ offset ^ label;
                if (at >= units.Length)
                    Array.Resize(ref units, (at / 256 + 1) * 256);
                used.Add(at);
                units[at] = label == 0 ? 0x80000000 | (uint)places[prefix] : label;
            }
            foreach (var label in labels.Where(l => l != 0))
                Place(node ^ offset ^ label, prefix + label.ToString("X2"));
        }
    }
}
