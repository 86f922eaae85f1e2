using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Reflection;
using CsCheck;
using Softmodel.Fusion;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Tests.Fusion;

public class ExactTests
{
    static class Good
    {
        [Exact("How many days lie between two dates.", "How many days are there from {from:5 March 2024} to {to}?", "{to} is how many days after {from}?")]
        static int DaysBetween(DateOnly from, DateOnly to) => to.DayNumber - from.DayNumber;

        [Exact("The date some days after another.", "What is the date {days:ten} days after {date}?")]
        static DateOnly DaysAfter(DateOnly date, int days) => date.AddDays(days);

        [Exact("How often a letter is in a word.", "How many {letter:r} are in {word:strawberry}?", Name = "letters")]
        static int CountOf(string letter, string word) => word.Count(c => letter.Contains(c));

        [Exact("A price with tax.", "What is {price:$20} with {rate:8%} tax?")]
        static decimal WithTax(decimal price, decimal rate) => price * (1 + rate);
    }

    static class Programs
    {
        [Exact("Any of them.", "{numbers:3}")]
        public static Rational Mean(params Rational[] numbers) => numbers.Aggregate((a, b) => a + b) / numbers.Length;

        [Exact("The price of a thing.", "What does {item} cost?")]
        public static string? Price(string item) => item switch { "apple" => "0.50", "nothing" => "", "unknown" => null, _ => throw new ArgumentException($"there is no {item} in the shop") };

        [Exact("Never ends.", "{x}", Milliseconds = 50)]
        public static int Forever(int x)
        {
            while (x != 1)
                Thread.Sleep(1);
            return x;
        }

        [Exact("Half, and everything else.", "{a} {b} {c} {d} {e} {f}")]
        public static string All(int a, long b, BigInteger c, double d, Rational e, bool f) => string.Create(CultureInfo.InvariantCulture, $"{a} {b} {c} {d} {e} {f}");

        [Exact("Twice a double.", "{x}")]
        public static double Twice(double x) => 2 * x;

        [Exact("Whether it is even.", "{x}")]
        public static bool IsEven(long x) => x % 2 == 0;

        [Exact("Much text.", "{x}")]
        public static string Much(int x) => new('a', x);
    }

    class Bad
    {
        readonly int seed = 1;

        [Exact("a", "{x}")]
        int OfAnObject(int x) => x + seed;

        [Exact("a", "{x}")]
        static int Generic<T>(int x) => x;

        [Exact("a", "{x}")]
        static int Reads(Stream x) => (int)x.Length;

        [Exact("a", "{x}")]
        static int Array(int[] x) => x.Length;

        [Exact("a", "{x}")]
        static int Reference(ref int x) => x;

        [Exact("a", "{x}")]
        static void Gives(int x) => _ = x;

        [Exact("a", "{x}")]
        static Version Writes(int x) => new(x, 0);

        [Exact("a", "it")]
        static int Nothing() => 1;

        [Exact(" ", "{x}")]
        static int Undescribed(int x) => x;

        [Exact("a")]
        static int Unexampled(int x) => x;

        [Exact("a", "{y}")]
        static int Misnamed(int x) => x;

        [Exact("a", "{x")]
        static int Open(int x) => x;

        [Exact("a", "{x}")]
        static int Missing(int x, int y) => x + y;

        [Exact("a", "{x:cat}")]
        static int Example(int x) => x;

        [Exact("a", "{x}", Name = "Two words")]
        static int Named(int x) => x;

        [Exact("a", "{x}", Milliseconds = 0)]
        static int Timed(int x) => x;

        static int Unmarked(int x) => x;
    }

    static ExactDescriptor Of(Type type, string method) => ExactDescriptor.Of(type.GetMethod(method, BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)!);

    static ProgramResult Run(Type type, string method, params string[] operands) => Of(type, method).Program.Run(operands);

    [Theory]
    [InlineData("DaysBetween", "5 March 2024|March 8, 2024", "3")]
    [InlineData("DaysBetween", "2024-02-28|2024-03-01", "2")]
    [InlineData("DaysBetween", "the 5th of March 2024|Friday, March 1st, 2024", "-4")]
    [InlineData("DaysBetween", "12/25/2023|25/12/2023", "0")]
    [InlineData("DaysAfter", "5 March 2024|ten", "15 March 2024")]
    [InlineData("DaysAfter", "March 5, 2024|-5", "February 29, 2024")]
    [InlineData("DaysAfter", "2024-12-31|1", "2025-01-01")]
    [InlineData("CountOf", "r|strawberry", "3")]
    [InlineData("WithTax", "$20|8%", "21.60")]
    [InlineData("WithTax", "1,000|0.25", "1,250")]
    public void Methods_are_programs(string method, string operands, string result) => Assert.Equal(new ProgramResult(result), Run(typeof(Good), method, operands.Split('|')));

    [Fact]
    public void Each_type_is_read_and_written()
    {
        Assert.Equal("-3 3000000 100000000000000000000 0.1 3/4 True", Run(typeof(Programs), "All", "minus three", "3 million", "1e20", ".1", "three quarters", "Yes").Text);
        Assert.Equal("2.333333", Run(typeof(Programs), "Mean", "1", "2", "4").Text);
        Assert.Equal("0.2", Run(typeof(Programs), "Twice", "0.1").Text);
        Assert.Equal("yes", Run(typeof(Programs), "IsEven", "12").Text);
        Assert.Equal("0.50", Run(typeof(Programs), "Price", " apple ").Text);
    }

    [Theory]
    [InlineData("IsEven", "cat", nameof(ProgramFailure.Operand), "'cat' is no number.")]
    [InlineData("IsEven", "1.5", nameof(ProgramFailure.Operand), "'3/2' is no integer.")]
    [InlineData("IsEven", "1e30", nameof(ProgramFailure.Operand), "'1000000000000000000000000000000' is too large.")]
    [InlineData("IsEven", "1|2", nameof(ProgramFailure.Operand), "is_even takes 1 operand, not 2.")]
    [InlineData("Twice", "1e308", nameof(ProgramFailure.Undefined), "There is no such number.")]
    [InlineData("Twice", "1e309", nameof(ProgramFailure.Operand), "is too large.")]
    [InlineData("Price", "pear", nameof(ProgramFailure.Exception), "price failed: there is no pear in the shop")]
    [InlineData("Price", "nothing", nameof(ProgramFailure.Exception), "price gave no result.")]
    [InlineData("Price", "unknown", nameof(ProgramFailure.Exception), "price gave no result.")]
    [InlineData("Much", "1000000", nameof(ProgramFailure.TooLarge), "The result has more than 40,000 characters.")]
    public void Failures_have_names(string method, string operands, string failure, string sentence)
    {
        var result = Run(typeof(Programs), method, operands.Split('|'));
        Assert.Equal(Enum.Parse<ProgramFailure>(failure), result.Failure);
        Assert.EndsWith(sentence, result.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("OfAnObject", "static")]
    [InlineData("Generic", "generic")]
    [InlineData("Reads", "Softmodel.Tests.Fusion.ExactTests+Bad.Reads has the parameter 'x' of the type Stream, which can't be read from text; the types are string, bool, int")]
    [InlineData("Array", "Int32[], which can't be read from text")]
    [InlineData("Reference", "Int32&, which can't be read from text")]
    [InlineData("Gives", "gives nothing")]
    [InlineData("Writes", "gives a Version, which can't be written as text")]
    [InlineData("Nothing", "has no parameter")]
    [InlineData("Undescribed", "has no description")]
    [InlineData("Unexampled", "has no example")]
    [InlineData("Misnamed", "no parameter 'y'")]
    [InlineData("Open", "a brace is not closed")]
    [InlineData("Missing", "{y} is missing")]
    [InlineData("Example", "an example of {x} that isn't a number: 'cat' is no number.")]
    [InlineData("Named", "the name 'Two words'")]
    [InlineData("Timed", "may take 0 ms")]
    [InlineData("Unmarked", "not marked")]
    public void What_is_no_program_is_refused_by_name(string method, string says)
    {
        var message = Assert.Throws<SoftmodelException>(() => Of(typeof(Bad), method)).Message;
        Assert.StartsWith($"Softmodel.Tests.Fusion.ExactTests+Bad.{method} ", message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_descriptor_holds_what_training_needs()
    {
        var letters = Of(typeof(Good), "CountOf");
        Assert.Equal(("letters", "How often a letter is in a word.", "int"), (letters.Name, letters.Description, letters.Result.Name));
        Assert.Equal([("letter", "string"), ("word", "string")], letters.Parameters.Select(p => (p.Name, p.Type.Name)));
        Assert.Equal([new("How many "), new("r", 0), new(" are in "), new("strawberry", 1), new("?")], letters.Examples.Single());
        Assert.Equal([new("", 1), new(" is how many days after "), new("", 0), new("?")], Of(typeof(Good), "DaysBetween").Examples[1]);
        Assert.Equal("days_between", Of(typeof(Good), "DaysBetween").Name);
        // The test assembly has marked methods that are none.
        Assert.Throws<SoftmodelException>(() => ExactDescriptor.In(typeof(ExactTests).Assembly));
        Assert.Empty(ExactDescriptor.In(typeof(ExactDescriptor).Assembly));
    }

    [Fact]
    public void What_never_ends_is_left_to_itself_and_not_called_for_ever()
    {
        var program = Of(typeof(Programs), "Forever").Program;
        Assert.Equal(new("1"), program.Run(["1"]));
        var late = new ProgramResult("forever took longer than 50 ms.", ProgramFailure.TimeLimit);
        for (var i = 0; i < TimeLimit.MaxAbandoned; i++)
            Assert.Equal(late, program.Run(["2"]));
        var threads = Process.GetCurrentProcess().Threads.Count;
        for (var i = 0; i < 200; i++)
            Assert.Equal(late, program.Run(["2"]));
        Assert.True(Process.GetCurrentProcess().Threads.Count < threads + 100);
    }

    [Fact]
    public void Doubles_read_as_the_nearest_and_write_as_the_shortest() => Gen.Double.Where(double.IsFinite).Sample(x =>
    {
        var type = TextType.Of(typeof(double))!;
        Assert.Equal(x, (double)type.Read(x.ToString("R", CultureInfo.InvariantCulture)));
        Assert.Equal(x, (double)type.Read(type.Write(x, [], new() { Decimals = 350 })));
    }, iter: 2000);

    [Fact]
    public void Dates_read_back_in_every_format_that_names_the_month() => Gen.Int[0, 3_000_000].Sample(day =>
    {
        var date = DateOnly.FromDayNumber(day);
        foreach (var format in (string[])["yyyy-MM-dd", "d MMMM yyyy", "MMMM d, yyyy", "dddd, d MMM yyyy", "d.M.yyyy"])
        {
            var text = date.ToString(format, CultureInfo.InvariantCulture);
            // Years of less than four digits are no years.
            if (date.Year >= 1000)
                Assert.Equal(date, Dates.Read(text).Date);
        }
    }, iter: 2000);

    [Fact]
    public void Any_text_is_read_or_refused() => Gen.Select(Gen.OneOf(Gen.String, Gen.Char["0123456789 -/.,JanFebmarch5thof"].Array[0, 24].Select(c => new string(c))), Gen.Int[0, TextType.All.Count - 1]).Sample((text, type) =>
    {
        try
        {
            Assert.IsType(TextType.All[type].Type, TextType.All[type].Read(text));
        }
        catch (ProgramException e)
        {
            Assert.NotEmpty(e.Message);
        }
    }, iter: 20_000);
}
