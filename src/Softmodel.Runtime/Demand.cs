using System.ComponentModel;

namespace Softmodel.Runtime;

/// <summary>What is demanded of sizes before anything is computed with them.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public enum Demand
{
    /// <summary>The first is at least the second.</summary>
    AtLeast,
    /// <summary>They are equal.</summary>
    Equal,
    /// <summary>The first is 1 or the second: an axis that is broadcast to another.</summary>
    BroadcastsTo,
    /// <summary>They are equal, or one of them is 1: axes that are broadcast to one another.</summary>
    Fits,
    /// <summary>From the first on, as many as the second says in steps of the third, all lie below the fourth; or there are none.</summary>
    Within,
    /// <summary>The first is not the second: an axis that stays, as one of size 1 would not.</summary>
    Several,
    /// <summary>The first is 0, or the second is not: elements are made of others.</summary>
    Made,
}
