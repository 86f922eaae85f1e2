namespace Softmodel.Runtime; /// <summary>Names this assembly.</summary>

public static class Marker;
