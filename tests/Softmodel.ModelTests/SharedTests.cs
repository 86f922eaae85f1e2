namespace Softmodel.ModelTests;

public class SharedTests { [Fact] public void Placeholder() { } }
