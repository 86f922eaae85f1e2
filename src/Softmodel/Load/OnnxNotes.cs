using Softmodel.Import.Onnx;
using Softmodel.Runtime;

namespace Softmodel.Load;

/// <summary>What the producer of an ONNX file noted at its end, read without reading the rest.</summary>
static class OnnxNotes
{
    const int Field = 14, Key = 1, Value = 2;

    /// <summary>The notes by name.</summary>
    /// <exception cref="FormatException">The file is damaged.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        using var file = MappedFile.Open(path);
        var bytes = file.Slice(0, checked((int)file.Length)).Span;
        var notes = new Dictionary<string, string>();
        try
        {
            for (var reader = new WireReader(bytes, 0, bytes.Length); reader.Next();)
            {
                if (reader.Field != Field)
                {
                    reader.Skip();
                    continue;
                }
                var (key, value) = ("", "");
                for (var note = reader.Message(); note.Next();)
                {
                    var (start, length) = note.Bytes();
                    var text = System.Text.Encoding.UTF8.GetString(bytes.Slice(start, length));
                    (key, value) = note.Field switch { Key => (text, value), Value => (key, text), _ => (key, value) };
                }
                notes[key] = value;
            }
        }
        catch (WireException e)
        {
            throw new FormatException($"{path} is damaged at byte {e.Offset}: {e.Message}", e);
        }
        return notes;
    }
}
