using System.Security.Cryptography;
using Softmodel.Compile;
using Softmodel.Emit.Native;
using Softmodel.Load;
using Softmodel.Lowering;
using Softmodel.Sources;

// Beside the type that it extends: whoever uses that finds it.
namespace Softmodel.Speech;

/// <summary>How a voice is loaded.</summary>
public sealed record VoiceOptions
{
    /// <summary>What is known of its use; what the catalogue says is kept.</summary>
    public UseCase Use { get; init; } = new();

    /// <summary>How it is compiled.</summary>
    public CompileOptions Compile { get; init; } = new();
}

/// <summary>Loads and builds voices: downloads, compiles, or takes from the cache.</summary>
public static class VoiceLoading
{
    const string LexiconFile = "lexicon.bin", PronouncerFolder = "g2p", StyleFolder = "voices";

    extension(Voice)
    {
        /// <summary>Downloads a voice where it is not there yet, and compiles it or takes it from the cache.</summary>
        /// <param name="source">A name of the catalogue such as <c>tts-en</c>, or a source such as a file with what came with it beside it.</param>
        /// <param name="options">How.</param>
        /// <param name="progress">Is told what is being done; may be called from any thread.</param>
        /// <param name="cancellationToken">Stops it, and leaves nothing half done.</param>
        /// <exception cref="SoftmodelException">It can't be found or fetched, or is no voice.</exception>
        public static async Task<Voice> LoadAsync(string source = "tts-en", VoiceOptions? options = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
        {
            options ??= new();
            var resolved = await Source.Resolve(source, Fetching.To(progress), cancellationToken).ConfigureAwait(false);
            var profile = VoiceFiles.Read(resolved);
            using var model = await Model.Of(resolved, source, options.Use, cancellationToken).ConfigureAwait(false);
            var (phonemize, pronouncer) = FrontEnd(profile, resolved, cancellationToken);
            try
            {
                var network = await model.CompileAsync(options.Compile, progress, cancellationToken).ConfigureAwait(false);
                return new(profile, network, phonemize, pronouncer);
            }
            catch
            {
                pronouncer?.Dispose();
                throw;
            }
        }

        /// <summary>
        /// Builds a native library of a voice as <see cref="Model.BuildAsync(string, NativeOptions?, IProgress{string}?, CancellationToken)"/>
        /// does, and beside it all that <see cref="Voice.Open"/> needs to speak English with it, without the compiler.
        /// </summary>
        /// <param name="model">The model of a voice.</param>
        /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
        /// <param name="build">How; by default for this machine, with the weights beside the library.</param>
        /// <param name="progress">Is told what is being done.</param>
        /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
        /// <exception cref="SoftmodelException">The model is no voice, or can't be imported, a tool is missing, or the folder can't be written to.</exception>
        public static Task<NativeResult> BuildAsync(Model model, string folder, NativeOptions? build = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
        {
            if (model.Resolved is not { } files)
                throw new SoftmodelException($"{model.Name} was not loaded with the files of a voice: use Model.LoadAsync");
            var profile = VoiceFiles.Read(files);
            return model.BuildAsync(folder, build, native => profile.Alphabet == Alphabet.Ipa ? Styled(native, profile) : Spoken(native, profile, files, cancellationToken), progress, cancellationToken);
        }
    }

    /// <summary>Whether a model came with the files of a voice.</summary>
    internal static bool IsVoice(Model model)
    {
        try
        {
            return model.Resolved is { } files && VoiceFiles.Read(files) is not null;
        }
        catch (SoftmodelException)
        {
            return false;
        }
    }

    static NativeModel Styled(NativeModel native, VoiceProfile profile)
    {
        static string Place(NamedSpeaker speaker) => $"{StyleFolder}/{speaker.Name}.bin";
        var built = new BuiltVoice(profile with { Named = [.. profile.Named.Select(s => s with { StyleFile = Place(s) })] });
        return native with
        {
            Beside = [.. native.Beside, (BuiltVoice.FileName, built.Write), .. profile.Named.Select(s => (Place(s), (Action<Stream>)(stream => stream.Write(File.ReadAllBytes(s.StyleFile)))))],
        };
    }

    static NativeModel Spoken(NativeModel native, VoiceProfile profile, ResolvedModel files, CancellationToken cancellationToken)
    {
        var lexicon = LexiconCache.Open(files.File("lexicon"), StoreSettings.FromEnvironment().Cache, cancellationToken);
        var network = files.File("g2p");
        var program = PronouncerNetwork.Program(network);
        var built = new BuiltVoice(profile, LexiconFile, Convert.ToHexStringLower(SHA256.HashData(lexicon.Span)), PronouncerFolder, PronouncerVocabulary.Read(File.ReadAllBytes(network)));
        return native with
        {
            Beside = [.. native.Beside, (BuiltVoice.FileName, built.Write), (LexiconFile, stream => stream.Write(lexicon.Span))],
            Parts = [(PronouncerFolder, NativeModel.Of(PronouncerFolder, program, width => Schedule.Of(program, width), native.Licence))],
        };
    }

    /// <summary>The G2P of a voice, and the network that it uses, where it does.</summary>
    static (Phonemizer, Pronouncer?) FrontEnd(VoiceProfile profile, ResolvedModel resolved, CancellationToken cancellationToken)
    {
        if (profile.Alphabet == Alphabet.Ipa)
            return ((words, speaker, cancellationToken) => profile.Espeaks(speaker).Phonemize(words, cancellationToken), null);
        var cache = StoreSettings.FromEnvironment().Cache;
        var lexicon = Lexicon.Of(LexiconCache.Open(resolved.File("lexicon"), cache, cancellationToken));
        var pronouncer = PronouncerNetwork.Load(resolved.File("g2p"), cache, cancellationToken);
        return (new Arpabet(lexicon, pronouncer.Pronounce).Phonemize, pronouncer);
    }
}
