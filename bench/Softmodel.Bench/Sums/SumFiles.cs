using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Tests.Common;

namespace Softmodel.Bench.Sums;

/// <summary>How many texts were written.</summary>
/// <param name="Seed">What they were drawn with.</param>
/// <param name="Forms">Texts that end where a result is due.</param>
/// <param name="Chats">How many of those are chats.</param>
/// <param name="Negatives">Texts in which none is due.</param>
/// <param name="Solutions">Worked solutions.</param>
/// <param name="Steps">The results that are due in those.</param>
sealed record SumFilesReport(int Seed, int Forms, int Chats, int Negatives, int Solutions, int Steps);

/// <summary>Writes texts with sums as files that they can be measured on.</summary>
static class SumFiles
{
    static readonly JsonSerializerOptions lines = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes <c>forms.jsonl</c>, <c>negatives.jsonl</c> and <c>solutions.jsonl</c>.</summary>
    /// <param name="templates">The folder with the templates, in files of the same names.</param>
    /// <param name="folder">The folder to write them to.</param>
    /// <param name="perForm">How many texts are drawn from each form.</param>
    /// <param name="negatives">How many texts in which no sum is due; fewer where there are no more different ones.</param>
    /// <param name="solutions">How many solutions; as for those.</param>
    /// <param name="seed">The same seed gives the same texts.</param>
    public static SumFilesReport Write(string templates, string folder, int perForm, int negatives, int solutions, int seed)
    {
        SumForm[] Read(string name) => SumForms.Read(Path.Combine(templates, name));
        SumText[] due = [.. Read("forms.jsonl").SelectMany(f => SumForms.Draw(f, perForm, seed))];
        var none = SumForms.DrawInTurns(Read("negatives.jsonl"), negatives, seed);
        var worked = SumForms.DrawInTurns(Read("solutions.jsonl"), solutions, seed);
        Directory.CreateDirectory(folder);
        void WriteLines(string name, IEnumerable<object> all) => File.WriteAllLines(Path.Combine(folder, name), all.Select(line => JsonSerializer.Serialize(line, lines)));
        WriteLines("forms.jsonl", due.Select(Due));
        WriteLines("negatives.jsonl", none.Select(None));
        WriteLines("solutions.jsonl", worked.Select(t => new { t.Text, t.Marks, Form = t.Form.Id, t.Form.Kind }));
        return new(seed, due.Length, due.Count(t => t.Reply is not null), none.Length, worked.Length, worked.Sum(t => t.Marks.Length));
    }

    static object[] Asked(string text) => [new { Role = "user", Content = text }];

    static object Due(SumText t) => t.Reply is null
        ? new { Context = t.Text, Completion = t.Answer, Form = t.Form.Id, t.Form.Program, t.Form.Kind, t.Form.Style.As }
        : new { Messages = Asked(t.Text), t.Reply, Completion = t.Answer, Form = t.Form.Id, t.Form.Program, t.Form.Kind, t.Form.Style.As };

    static object None(SumText t) => t.Reply is null
        ? new { t.Text, Why = t.Form.Kind, t.Marks, Form = t.Form.Id }
        : new { Messages = Asked(t.Text), t.Reply, Why = t.Form.Kind, t.Marks, Form = t.Form.Id };
}
