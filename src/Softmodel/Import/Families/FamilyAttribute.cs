namespace Softmodel.Import.Families;

/// <summary>Marks the builder of a family of models: the <c>model_type</c> values of <c>config.json</c> that it builds.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class FamilyAttribute(params string[] names) : Attribute
{
    public string[] Names { get; } = names;
}
