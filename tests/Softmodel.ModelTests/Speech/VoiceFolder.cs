using Softmodel.Sources;

namespace Softmodel.ModelTests.Speech;

/// <summary>The files of a voice, fetched where they are not on this machine.</summary>
static class VoiceFolder
{
    public static async Task<ResolvedModel> Of(string voice)
    {
        try
        {
            return await Source.Resolve(voice);
        }
        catch (SoftmodelException e)
        {
            Assert.Skip($"the model {voice} is missing, and can't be fetched: {e.Message}");
            throw;
        }
    }
}
