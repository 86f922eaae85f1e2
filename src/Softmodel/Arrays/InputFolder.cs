using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Runtime;

namespace Softmodel.Arrays;

/// <summary>What a model is run on once.</summary>
/// <param name="Name">What it is, for people.</param>
/// <param name="Tensors">A tensor for each input of the model, by its name.</param>
sealed record InputSet(string Name, IReadOnlyDictionary<string, Tensor> Tensors);

/// <summary>Inputs that a user has in a folder.</summary>
static class InputFolder
{
    /// <summary>
    /// Every case of a folder: test sets as ONNX lays them out (<c>test_data_set_N/input_M.pb</c>), a .npz file for each case, a
    /// folder for each case with a .npy file for each input; or .npy files of one case, or one for each case where there is one input.
    /// </summary>
    /// <param name="folder">The folder, or one case of it.</param>
    /// <param name="inputs">The inputs of the model, in the order of its file, with those that are compiled in.</param>
    /// <param name="known">The inputs that always have the same numbers, and need not be there.</param>
    /// <exception cref="SoftmodelException">There is nothing there, or what is there does not fit the inputs.</exception>
    public static InputSet[] Read(string folder, IReadOnlyList<TensorInfo> inputs, IReadOnlyDictionary<string, Tensor> known)
    {
        if (!Directory.Exists(folder))
            throw new SoftmodelException($"{folder}: there is no such folder; give one with .npz files, or with a folder of .npy or input_N.pb files for each case");
        InputSet[] cases = [.. Here(folder, Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar))),
            .. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).SelectMany(d => Here(d, Path.GetFileName(d)))];
        return cases.Length > 0 ? cases
            : throw new SoftmodelException($"{folder}: there are no inputs here: .npz files, or folders with a .npy or input_N.pb file for each input");

        IEnumerable<InputSet> Here(string at, string name)
        {
            string[] Files(string pattern) => [.. Directory.GetFiles(at, pattern).OrderBy(Path.GetFileName, Comparer<string?>.Create(ByNumber))];
            if (Files("input_*.pb") is { Length: > 0 } protos)
                yield return Case(name, at, Ordered(protos.Select(p => OnnxFile.ReadTensor(p).ToTensor())));
            foreach (var file in Files("*.npz"))
                yield return Case(Path.GetFileNameWithoutExtension(file), file, Npz.Read(file).Select(a => (a.Name, a.Tensor)));
            var arrays = Files("*.npy");
            if (arrays.Length > 0 && arrays.All(f => inputs.Any(i => i.Name == NameOf(f, i))))
                yield return Case(name, at, arrays.Select(f => (inputs.First(i => i.Name == NameOf(f, i)).Name, Npy.Read(f))));
            else if (inputs.Where(i => !known.ContainsKey(i.Name)).ToArray() is [var only])
            {
                foreach (var file in arrays)
                    yield return Case(Path.GetFileNameWithoutExtension(file), file, [(only.Name, Npy.Read(file))]);
            }
            else if (arrays.Length > 0)
                throw new SoftmodelException($"{at}: the .npy files are not called after the inputs: {string.Join(", ", inputs.Select(i => i.Name))}");
        }

        // What a file can't be called, such as with a slash or a colon, is written with '_'.
        static string NameOf(string file, TensorInfo input) =>
            Path.GetFileNameWithoutExtension(file) is var name && name == string.Concat(input.Name.Select(c => c is '/' or '\\' or ':' ? '_' : c)) ? input.Name : name;

        // The order is that of the file, with the inputs that are compiled in or without.
        IEnumerable<(string, Tensor)> Ordered(IEnumerable<Tensor> tensors)
        {
            var all = tensors.ToArray();
            var names = all.Length == inputs.Count ? inputs : [.. inputs.Where(i => !known.ContainsKey(i.Name))];
            return names.Select(i => i.Name).Zip(all);
        }

        InputSet Case(string name, string where, IEnumerable<(string Name, Tensor Tensor)> tensors)
        {
            var given = new Dictionary<string, Tensor>(known, StringComparer.Ordinal);
            foreach (var (input, tensor) in tensors)
            {
                var wanted = inputs.FirstOrDefault(i => i.Name == input) ?? throw new SoftmodelException($"{where}: there is no input '{input}'; the inputs are {string.Join(", ", inputs)}");
                if (tensor.Type != wanted.Type || tensor.Rank != wanted.Rank)
                    throw new SoftmodelException($"{where}: '{input}' is {tensor.TensorType}, and the model takes {wanted}");
                // What is compiled in is what counts.
                if (!known.ContainsKey(input))
                    given[input] = tensor;
            }
            return inputs.FirstOrDefault(i => !given.ContainsKey(i.Name)) is { } missing ? throw new SoftmodelException($"{where}: the input {missing} is missing") : new(name, given);
        }
    }

    static int ByNumber(string? a, string? b) => a!.Length != b!.Length && a.Any(char.IsAsciiDigit) && b.Any(char.IsAsciiDigit) ? a.Length.CompareTo(b.Length) : string.CompareOrdinal(a, b);
}
