using System.Reflection;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx;

/// <summary>Every method of this assembly marked with <see cref="OperatorAttribute"/>, by operator and version.</summary>
internal static class Decompositions
{
    /// <summary>What an operator is from a version on.</summary>
    /// <param name="Since">The first version.</param>
    /// <param name="Apply">Its results, in order; null where nodes within it could not be imported.</param>
    internal sealed record Decomposition(int Since, Func<OnnxCall, Term[]?> Apply);

    static readonly Dictionary<OnnxOperator, Decomposition[]> rows = (
        from type in typeof(Decompositions).Assembly.GetTypes()
        where type.Namespace == typeof(Operators.Elementwise).Namespace
        from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
        from mark in method.GetCustomAttributes<OperatorAttribute>()
        group new Decomposition(mark.Since, Bind(method)) by new OnnxOperator(mark.Domain, mark.Name))
        .ToDictionary(g => g.Key, g => g.OrderBy(d => d.Since).ToArray());

    /// <summary>The operators, with the versions at which their meaning or form changes.</summary>
    public static IEnumerable<(OnnxOperator Operator, IEnumerable<int> Since)> All => rows.Select(r => (r.Key, r.Value.Select(d => d.Since)));

    /// <summary>What an operator is in a version of its operator set; null where that is not known.</summary>
    public static Decomposition? Find(OnnxOperator name, long version) =>
        rows.TryGetValue(name, out var versions) ? versions.LastOrDefault(d => d.Since <= version) : null;

    static Func<OnnxCall, Term[]?> Bind(MethodInfo method)
    {
        var nullability = new NullabilityInfoContext();
        var parameters = method.GetParameters();
        var operands = parameters.Count(p => p.ParameterType == typeof(Term) || p.ParameterType == typeof(Term?));
        var rest = parameters.Any(p => p.ParameterType == typeof(Term[]));
        var readsAll = parameters.Any(p => p.ParameterType == typeof(OnnxCall));
        var arguments = new Func<OnnxCall, object?>[parameters.Length];
        List<string> attributes = [];
        var position = 0;
        for (var i = 0; i < parameters.Length; i++)
        {
            var (parameter, at) = (parameters[i], position);
            if (parameter.ParameterType == typeof(OnnxCall))
                arguments[i] = call => call;
            else if (parameter.ParameterType == typeof(Term[]))
                arguments[i] = call => Enumerable.Range(at, Math.Max(0, call.Count - at)).Select(call.Required).ToArray();
            else if (parameter.ParameterType == typeof(Term))
                (arguments[i], position) = (call => call.Required(at), at + 1);
            else if (parameter.ParameterType == typeof(Term?))
                (arguments[i], position) = (call => call[at], at + 1);
            else
            {
                var name = parameter.Name!;
                var optional = parameter.HasDefaultValue || nullability.Create(parameter).WriteState == NullabilityState.Nullable;
                var fallback = parameter.HasDefaultValue ? parameter.DefaultValue : null;
                attributes.Add(name);
                arguments[i] = call => call.Attribute(name) is { } attribute ? Convert(call, attribute, parameter.ParameterType)
                    : optional ? fallback : throw new SoftmodelException($"attribute '{name}' is missing");
            }
        }
        return call =>
        {
            if (!readsAll && call.Node.Attributes.Keys.FirstOrDefault(k => !attributes.Any(a => Same(a, k))) is { } unread)
                throw new SoftmodelException($"attribute '{unread}' is not supported");
            if (!readsAll && !rest && call.Count > operands)
                throw new SoftmodelException($"it has {call.Count} operands, and at most {operands} are supported");
            try
            {
                var result = method.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [.. arguments.Select(a => a(call))], null);
                return result is Term term ? [term] : (Term[]?)result;
            }
            catch (OverflowException)
            {
                throw new SoftmodelException("its sizes are too large for any machine");
            }
            catch (Exception e) when (e is IndexOutOfRangeException or ArgumentOutOfRangeException)
            {
                throw new SoftmodelException("its operands or attributes do not have the axes or elements that it needs", e);
            }
        };
    }

    /// <summary>Whether a parameter's name is that of an attribute.</summary>
    internal static bool Same(string parameter, string attribute) =>
        parameter.Equals(attribute, StringComparison.Ordinal) || parameter.Equals(attribute.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);

    static object Convert(OnnxCall call, OnnxAttribute attribute, Type type)
    {
        OnnxAttribute Of(OnnxAttributeKind kind) => attribute.Kind == kind ? attribute
            : throw new SoftmodelException($"attribute '{attribute.Name}' is of kind {attribute.Kind} where {kind} is expected");
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type == typeof(long) ? Of(OnnxAttributeKind.Int).Int
            : type == typeof(int) ? Narrow(attribute.Name, Of(OnnxAttributeKind.Int).Int)
            : type == typeof(bool) ? Of(OnnxAttributeKind.Int).Int != 0
            : type == typeof(ElementType) ? OnnxCall.ElementType(Of(OnnxAttributeKind.Int).Int)
            : type == typeof(float) ? Of(OnnxAttributeKind.Float).Float
            : type == typeof(string) ? Of(OnnxAttributeKind.String).String
            : type == typeof(long[]) ? Of(OnnxAttributeKind.Ints).Ints.ToArray()
            : type == typeof(int[]) ? Of(OnnxAttributeKind.Ints).Ints.Select(i => Narrow(attribute.Name, i)).ToArray()
            : type == typeof(float[]) ? Of(OnnxAttributeKind.Floats).Floats.ToArray()
            : type == typeof(string[]) ? Of(OnnxAttributeKind.Strings).Strings.ToArray()
            : type == typeof(Tensor) ? Of(OnnxAttributeKind.Tensor).Tensor!.ToTensor()
            : type == typeof(OnnxGraph) ? Of(OnnxAttributeKind.Graph).Graph!
            : throw new NotSupportedException($"a decomposition has a parameter of type {type}");
    }

    static int Narrow(string name, long value) => value is >= int.MinValue and <= int.MaxValue ? (int)value
        : throw new SoftmodelException($"attribute '{name}' is {value}, which is out of range");
}
