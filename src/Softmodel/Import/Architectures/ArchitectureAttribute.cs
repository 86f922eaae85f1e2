namespace Softmodel.Import.Architectures;

/// <summary>Marks the builder of an architecture of models: the <c>model_type</c> values of <c>config.json</c> that it builds.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ArchitectureAttribute(params string[] names) : Attribute
{
    public string[] Names { get; } = names;
}
