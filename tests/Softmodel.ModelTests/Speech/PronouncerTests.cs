using System.Text.Json;
using Softmodel.Load;

namespace Softmodel.ModelTests.Speech;

public class PronouncerTests
{
    [Fact]
    public async Task Compiled_network_says_what_plain_loops_say()
    {
        var path = (await VoiceFolder.Of("tts-en")).File("g2p");
        using var pronouncer = PronouncerNetwork.Load(path, null);
        var plain = new PlainNetwork(path);
        var random = new Random(7);
        var words = Enumerable.Range(0, Shared.AreAllCases ? 490 : 90).Select(_ => new string([.. Enumerable.Range(0, random.Next(1, 15)).Select(_ => "etaoinshrdlucmfwypvbgkqjxz"[(int)(26 * Math.Pow(random.NextDouble(), 1.5))])]))
            .Concat(["softmodel", "roslyn", "gandalf", "xylophonic", "a", "zzzz", "o-o", "Überraschung", new string('e', 200), ""]).ToArray();
        Assert.All(words, word => Assert.Equal(plain.Pronounce(word), pronouncer.Pronounce(word)));
        Assert.Equal("G AE1 N D AO0 L F", string.Join(' ', pronouncer.Pronounce("gandalf")));
    }

    /// <summary>The network as loops over arrays, in double precision.</summary>
    sealed class PlainNetwork(string path)
    {
        readonly JsonElement json = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        readonly Dictionary<string, float[]> read = [];

        float[] Weights(string name) => read.TryGetValue(name, out var there) ? there
            : read[name] = [.. json.GetProperty(name).GetProperty("data").GetBytesFromBase64().Chunk(4).Select(b => BitConverter.ToSingle(b))];

        string[] Names(string name) => [.. json.GetProperty(name).EnumerateArray().Select(x => x.GetString()!)];

        double[] Times(string weights, string bias, ReadOnlySpan<double> x)
        {
            var (w, b) = (Weights(weights), Weights(bias));
            var y = new double[b.Length];
            for (var i = 0; i < y.Length; i++)
            {
                y[i] = b[i];
                for (var j = 0; j < x.Length; j++)
                    y[i] += x[j] * w[i * x.Length + j];
            }
            return y;
        }

        double[] Step(string unit, int item, double[] memory)
        {
            var size = memory.Length;
            var embedding = Weights($"{unit}_emb").Skip(item * size).Take(size).Select(v => (double)v).ToArray();
            var given = Times($"{unit}_w_ih", $"{unit}_b_ih", embedding);
            var kept = Times($"{unit}_w_hh", $"{unit}_b_hh", memory);
            static double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));
            return [.. Enumerable.Range(0, size).Select(i =>
            {
                var reset = Sigmoid(given[i] + kept[i]);
                var update = Sigmoid(given[size + i] + kept[size + i]);
                return (1 - update) * Math.Tanh(given[2 * size + i] + reset * kept[2 * size + i]) + update * memory[i];
            })];
        }

        public string[] Pronounce(string word)
        {
            var (letters, phones) = (Names("graphemes"), Names("phonemes"));
            var memory = new double[Weights("enc_emb").Length / letters.Length];
            foreach (var letter in word.Select(c => char.ToLowerInvariant(c).ToString()).Append("</s>"))
                memory = Step("enc", Array.IndexOf(letters, letter) is >= 0 and var known ? known : Array.IndexOf(letters, "<unk>"), memory);
            var said = new List<string>();
            for (var phone = Array.IndexOf(phones, "<s>"); said.Count < 20; said.Add(phones[phone]))
            {
                memory = Step("dec", phone, memory);
                var scores = Times("fc_w", "fc_b", memory);
                phone = Array.IndexOf(scores, scores.Max());
                if (phones[phone] == "</s>")
                    break;
            }
            return [.. said.Where(p => p[0] != '<')];
        }
    }
}
