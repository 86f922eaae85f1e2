using System.Diagnostics;
using CsCheck;
using Softmodel.Language.Chat;

namespace Softmodel.Tests.Language;

public class ChatTemplateTests
{
    static readonly ChatMessage[] messages = [new("system", "Be brief."), new("user", " Hi \"you\" & I\n"), new("assistant", "Héllo 👩"), new("user", "What is 12 × 7?")];

    static readonly ChatRendering rendering = new() { Begin = "<s>", End = "</s>", Now = new(2024, 7, 5, 9, 3, 7) };

    static string Render(string template) => ChatTemplate.Parse(template, "model.gguf").Render(messages, rendering);

    /// <summary>What jinja2 3.1.6 makes of templates, in the environment that transformers gives them.</summary>
    static readonly (string Template, string Text)[] known =
    [
        ("a\n  {% if true %}\n b\n  {% endif %}\nc", "a\n b\nc"),
        ("a\n  {%+ if true %}\n b\n  {%- endif +%}\nc", "a\n   b\nc"),
        ("a {%- if true -%}  b  {%- endif -%} c", "abc"),
        ("{{ 1 }}\n{{ 2 }}\n", "1\n2"),
        ("  {# note #}\nx {# y #}\nz", "x z"),
        ("{% raw %}{{ x }}{% endraw %}!", "{{ x }}!"),
        ("{%- raw -%} {% if %} {%- endraw -%} !", "{% if %}!"),
        ("a\r\nb{% if true %}\r\nc{% endif %}", "a\nbc"),
        ("x{{- ' y ' -}}  z", "x y z"),
        ("{% for i in [1,2] %}\n{{ i }}\n{% endfor %}\nend\n\n", "1\n2\nend\n"),
        ("{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 1e3 }} {{ 0.1 + 0.2 }} {{ 1_000 }}", "6 3.5 -4 2 1024 1000.0 0.30000000000000004 1000"),
        ("{{ 'a' ~ 1 ~ none ~ true ~ [1, 'x', none, 2.5] ~ {'k': 'it\\'s'} }}", "a1NoneTrue[1, 'x', None, 2.5]{'k': \"it's\"}"),
        ("{{ (1, 2) | list }} {{ [] }} {{ {} }} {{ 'tab\\t\\u00e9\\x41' }}", "[1, 2] [] {} tab\t\u00e9A"),
        ("{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 'a' in 'cab' }} {{ 3 not in [1, 2] }} {{ 'k' in {'k': 1} }} {{ 1 == 1.0 }} {{ true == 1 }}", "True False True True True True True"),
        ("{{ 'a' if false else 'b' }}{{ 'c' if false }}{{ not true or 1 and 'z' }}", "bz"),
        ("{{ missing }}{{ missing is defined }}{{ missing | default('d') }}{{ '' | default('e', true) }}{{ messages[9] }}{{ messages[0].nothing }}", "Falsede"),
        ("{{ 'ab' * 3 }} {{ [1] * 2 }} {{ [1] + [2] }} {{ 'a' 'b' }}", "ababab [1, 1] [1, 2] ab"),
        ("{{ -2 ** 2 }} {{ -3 | abs }} {{ 2 * 'x' | length }} {{ not messages is string }}", "4 3 2 True"),
        ("{{ '%s is %d' % ('x', 3) }} {{ '%s' % 'y' }}", "x is 3 y"),
        ("{{ messages[-1]['content'] }} {{ messages[1:3] | length }} {{ messages[::-1][0].role }} {{ 'abcdef'[1:4] }} {{ 'abcdef'[::-2] }} {{ 'abc'[-1] }} {{ [1,2,3][:-1] }}", "What is 12 \u00d7 7? 2 user bcd fdb c [1, 2]"),
        ("{% for m in messages %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }} {% endfor %}", "1/0/4/True/False/4 2/1/3/False/False/4 3/2/2/False/False/4 4/3/1/False/True/4 "),
        ("{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content | trim }};{% else %}none{% endfor %}{% for m in [] %}x{% else %}none{% endfor %}", "1Hi \"you\" & I;2What is 12 \u00d7 7?;none"),
        ("{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined }}>{{ loop.nextitem.role if loop.nextitem is defined else '.' }} {{ loop.cycle('a', 'b') }}{% endfor %}", ">user asystem>assistant buser>user aassistant>. b"),
        ("{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "0134"),
        ("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }},{% endfor %}{% for k, v in {'c': 3} | items %}{{ k }}{{ v }}{% endfor %}", "a=1,b=2,c3"),
        ("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "231"),
        ("{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.role == 'user' and not ns.found %}{% set ns.found = true %}{{ m.content }}{% endif %}{% endfor %}{{ ns.n }}", " Hi \"you\" & I\n4"),
        ("{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t %} x {{ a }} {% endset %}[{{ t }}]{% set u | upper | trim %} q {% endset %}[{{ u }}]", "12[ x 1 ][Q]"),
        ("{% if messages[0]['role'] == 'system' %}S{% elif true %}E{% else %}N{% endif %}{% if false %}a{% elif 0 %}b{% else %}c{% endif %}", "Sc"),
        ("{% macro f(a, b='z') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}{{ f() }}", "<1z><12><43><z>"),
        ("{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "54321"),
        ("{% filter upper %}abc{{ 'd' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "ABCD3"),
        ("{% generation %}x{{ 1 }}{% endgeneration %}", "x1"),
        ("{% if true %}{% set y = 5 %}{% endif %}{{ y }}", "5"),
        ("{% for a in [[1, 2], [3, 4]] %}{% for b in a %}{{ loop.index }}{{ b }}{% endfor %}{{ loop.index }};{% endfor %}", "11221;13242;"),
        ("{% for c in 'a\u00f1\ud83d\udc69' %}{{ c }}.{% endfor %}", "a.\u00f1.\ud83d\udc69."),
        ("{{ '  a b ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'aBc dE' | title }}|{{ 'aBc' | capitalize }}|{{ 'ab' | upper | lower }}", "a b|a|Abc De|Abc|ab"),
        ("{{ [3, 1, 2] | sort }} {{ ['b', 'A'] | sort }} {{ [1, 1, 2] | unique | list }} {{ [1, 2] | reverse | list }} {{ 'abc' | reverse }} {{ [1, 2] | sum }} {{ [2, 1] | min }} {{ [2, 1] | max }}", "[1, 2, 3] ['A', 'b'] [1, 2] [2, 1] cba 3 1 2"),
        ("{{ messages | map(attribute='role') | join(', ') }} {{ ['a', 'b'] | map('upper') | join }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'eq', 'user') | map(attribute='content') | first }}", "system, user, assistant, user AB 2 Be brief."),
        ("{{ [1, 2, 3, 4] | select('odd') | list }} {{ [0, 1] | reject | list }} {{ ['', 'a'] | select | list }} {{ [1, 5] | select('gt', 2) | list }}", "[1, 3] [0] ['a'] [5]"),
        ("{{ '12' | int + 1 }} {{ 'x' | int }} {{ '1.5' | float }} {{ 3.7 | int }} {{ 2.5 | round }} {{ 2.345 | round(2) }} {{ 2.1 | round(method='ceil') }} {{ 5 | string + 'a' }} {{ 'ab' | list }} {{ {'b': 1, 'a': 2} | list }}", "13 0 1.5 3 2.0 2.35 3.0 5a ['a', 'b'] ['b', 'a']"),
        ("{{ messages | tojson }}", "[{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": \" Hi \\\"you\\\" & I\\n\"}, {\"role\": \"assistant\", \"content\": \"H\u00e9llo \ud83d\udc69\"}, {\"role\": \"user\", \"content\": \"What is 12 \u00d7 7?\"}]"),
        ("{{ {'a': [1, 2.0, none, true], 'b': {'c': '\u00e9\"\\n'}, 'e': [], 'f': {}} | tojson(indent=4) }}", "{\n    \"a\": [\n        1,\n        2.0,\n        null,\n        true\n    ],\n    \"b\": {\n        \"c\": \"\u00e9\\\"\\n\"\n    },\n    \"e\": [],\n    \"f\": {}\n}"),
        ("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ ({'b': 2, 'a': 1} | dictsort)[0][0] }}", "{\"a\": 2, \"b\": 1} a"),
        ("{{ 'a-b-c' | replace('-', '+') }} {{ 'a-b-c' | replace('-', '+', 1) }} {{ '<a>&\"' | e }} {{ 'a\nb\n\nc' | indent(2) }} {{ 'a\nb' | indent(2, true) }}", "a+b+c a+b-c &lt;a&gt;&amp;&#34; a\n  b\n\n  c   a\n  b"),
        ("{{ [1, 2] | first }} {{ [1, 2] | last }} {{ [] | first }} {{ 'ab' | length }} {{ {'a': 1} | length }} {{ '\ud83d\udc69\u00e9' | length }} {{ 'one two' | wordcount }}", "1 2  2 1 2 2"),
        ("{{ 1 is odd }}{{ 2 is even }}{{ 6 is divisibleby 3 }}{{ 'a' is string }}{{ {} is mapping }}{{ [] is iterable }}{{ [] is sequence }}{{ 1 is number }}{{ none is none }}{{ 1 is not none }}{{ true is boolean }}{{ 1 is integer }}{{ 1.0 is float }}{{ 'a' is in ['a'] }}{{ 1 is eq 1 }}{{ true is true }}{{ 1 is true }}{{ 'A' is upper }}{{ none is sameas none }}", "TrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueFalseTrueTrue"),
        ("{{ tools is none }}{{ tools is defined }}{{ tools is iterable }}{{ messages is not string and messages is iterable }}", "TrueTrueFalseTrue"),
        ("{{ ' x '.strip() }}|{{ 'xxa'.lstrip('x') }}|{{ 'axx'.rstrip('x') }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a b c'.rsplit(' ', 1) }}|{{ 'a\nb\n'.splitlines() }}", "x|a|a|['a', 'b', '', 'c']|['a', 'b']|['a', 'b c']|['a b', 'c']|['a', 'b']"),
        ("{{ 'abc'.startswith('a') }}{{ 'abc'.startswith(('x', 'ab')) }}{{ 'abc'.endswith('c') }}{{ 'aB c'.title() }}{{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ 'aXa'.replace('a', 'b') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'abcb'.find('b') }}{{ 'abcb'.count('b') }}{{ ','.join(['a', 'b']) }}{{ 'x'.isdigit() }}{{ '12'.isdigit() }}", "TrueTrueTrueAb CABabbXbbba12a,bFalseTrue"),
        ("{{ {'a': 1}.get('a') }}{{ {'a': 1}.get('b') }}{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}.keys() | list }}{{ {'a': 1}.values() | list }}{{ {'items': 3}['items'] }}", "1None2['a'][1]3"),
        ("{{ '</think>a</think>b'.split('</think>')[-1].lstrip('\\n') }}{{ 'a</t>b'.split('</t>')[0].rstrip('\\n').split('<t>')[-1] }}", "ba"),
        ("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %-d %%') }}", "05 Jul 2024 2024-07-05 09:03:07 Friday July 187 5 %"),
        ("{% set date_string = strftime_now('%d %b %Y') if strftime_now is defined else 'x' %}{{ date_string }}", "05 Jul 2024"),
        ("{{ [1, 2, 3] | join('-') }}{{ (messages | length) - 1 }}{{ messages | length - 1 }}{{ dict(a=1)['a'] }}{{ range(2, 8, 3) | list }}{{ range(3, 0, -1) | list }}", "1-2-3331[2, 5][3, 2, 1]"),
        ("{{ ('a' in 'abc') and 1 or 2 }} {{ 'x' == 'x' != 'y' }} {{ [1, [2]] == [1, [2]] }} {{ {'a': 1} == {'a': 1.0} }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}", "1 True True True True True"),
        ("{{ 1.0 }} {{ 1e20 }} {{ 1.5e-7 }} {{ 123456789.125 }} {{ 100000000000000000000.0 }} {{ 3 * 1.1 }}", "1.0 1e+20 1.5e-07 123456789.125 1e+20 3.3000000000000003"),
        ("{{ messages[0] }}", "{'role': 'system', 'content': 'Be brief.'}"),
        ("{{ namespace(a=1).a }}{{ 'a'.b is defined }}{{ 'abc'[5] is defined }}{{ messages[0]['x'] is undefined }}", "1FalseFalseTrue"),
    ];

    public static TheoryData<int> Known => [.. Enumerable.Range(0, known.Length)];

    [Theory]
    [MemberData(nameof(Known))]
    public void Renders_as_jinja2_does(int at) => Assert.Equal(known[at].Text, Render(known[at].Template));

    [Fact]
    public void Renders_turns_in_headers()
    {
        const string Template = """
            {{- bos_token }}
            {%- if messages[0]['role'] == 'system' %}
                {%- set system, rest = messages[0]['content'] | trim, messages[1:] %}
            {%- else %}
                {%- set system, rest = "", messages %}
            {%- endif %}
            {{- "<|system|>\n" ~ (strftime_now("%d %b %Y") if not date is defined else date) ~ "\n" ~ system ~ "<|end|>" }}
            {%- if tools is not none %}
                {{- "tools" }}
            {%- endif %}
            {%- for message in rest %}
                {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
                    {{- '<|' + message['role'] + '|>\n' + message['content'] | trim + '<|end|>' }}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|assistant|>\n' }}
            {%- endif %}

            """;
        const string Turns = "<|user|>\nHi \"you\" & I<|end|><|assistant|>\nHéllo 👩<|end|><|user|>\nWhat is 12 × 7?<|end|>";
        var template = ChatTemplate.Parse(Template, "model.gguf");
        Assert.Equal("<s><|system|>\n05 Jul 2024\nBe brief.<|end|>" + Turns + "<|assistant|>\n", template.Render(messages, rendering));
        Assert.Equal("<s><|system|>\ntoday\nBe brief.<|end|>" + Turns, template.Render(messages, rendering with { AddsGenerationPrompt = false, More = new Dictionary<string, object?> { ["date"] = "today" } }));
    }

    [Fact]
    public void Refuses_what_the_template_refuses()
    {
        const string Template = """
            {%- for m in messages %}
            {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}
            {{- raise_exception('roles must alternate') }}
            {%- endif %}
            {%- endfor %}
            """;
        var error = Assert.Throws<SoftmodelException>(() => Render(Template));
        Assert.Equal("model.gguf: its chat template, line 3: it refuses the conversation: roles must alternate", error.Message);
    }

    [Theory]
    [InlineData("a\n{% if x %}\n", "line 2: 'if' has no 'endif'")]
    [InlineData("a\n{% if x %}\n{% endfor %}", "line 3: 'endfor' comes where 'if' needs 'endif'")]
    [InlineData("{% endif %}", "'endif' ends nothing")]
    [InlineData("\n\n{{ a b }}", "line 3: '}}' is missing before 'b'")]
    [InlineData("{{ 'a }}", "line 1: a text in quotes (') does not end")]
    [InlineData("{{ 1 +", "the end of the template comes before '}}'")]
    [InlineData("{# a", "a comment ({#) does not end")]
    [InlineData("{{ ) }}", "')' closes nothing")]
    [InlineData("{{ ? }}", "'?' has no meaning here")]
    [InlineData("{% include 'x' %}", "the block 'include' is not known here")]
    [InlineData("{% for x in y recursive %}{% endfor %}", "recursive")]
    [InlineData("{{ 'x' | nothing }}", "the filter 'nothing' is not known here")]
    [InlineData("{{ 'x' is nothing }}", "the test 'nothing' is not known here")]
    [InlineData("{{ missing.a }}", "'missing' has no value, so that it has no 'a' either")]
    [InlineData("\n{{ nothing() }}", "line 2: undefined (nothing) 'nothing' can't be called")]
    [InlineData("{{ 1 + 'a' }}", "'+' can't stand between an integer and a text")]
    [InlineData("{{ 1 / 0 }}", "divides by 0")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "an integer is too large")]
    [InlineData("{{ 99999999999999999999 }}", "is too large")]
    [InlineData("{% set messages.x = 1 %}", "'messages' is no namespace")]
    [InlineData("{% set a, b = [1] %}", "1 values are there for 2 names")]
    [InlineData("{{ f(*a) }}", "spread out")]
    [InlineData("{{ [] | tojson(indent=-1) }}", "'tojson' indents by")]
    [InlineData("{{ range | tojson }}", "a function can't be written as JSON")]
    [InlineData("{{ 'a' < 1 }}", "'<' can't stand between a text and an integer")]
    [InlineData("{{ {[1]: 2} }}", "a list can't be the key of a dictionary")]
    [InlineData("{{ 'abc'[::0] }}", "steps of 0")]
    [InlineData("{{ '\\xZZ' }}", "hexadecimal")]
    [InlineData("{{ [].index() }}", "the item is not in the list")]
    [InlineData("{{ [3, 'a', 2, none] | sort }}", "have no order")]
    [InlineData("{{ 'ab' | map(filter='map') | list }}", "too deeply")]
    [InlineData("{{ messages.append(1) }}", "can't be called")]
    [InlineData("{{ ''.__class__.__mro__ }}", "'__class__' has no value")]
    public void Says_what_is_wrong_and_where(string template, string says)
    {
        var error = Assert.Throws<SoftmodelException>(() => Render(template));
        Assert.StartsWith("model.gguf: its chat template, line ", error.Message);
        Assert.Contains(says, error.Message);
    }

    public static TheoryData<string> Hostile =>
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{{ 'a' * 9223372036854775807 }}",
        "{{ [1] * 1000000000 }}",
        "{{ range(1000000000) | list }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x.replace('a', 'aaaaaaaa') %}{% endfor %}",
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x.join(ns.x) %}{% endfor %}",
        "{{ 2 ** 9999999999 }}",
        "{{ [[[1]]] | tojson(indent=1000000000) }}",
        "{{ " + new string('(', 100_000) + "1" + new string(')', 100_000) + " }}",
        "{{ " + new string('[', 100_000) + new string(']', 100_000) + " }}",
        "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "1 }}",
        "{{ " + string.Concat(Enumerable.Repeat("- ", 100_000)) + "1 }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 200_000)) + " }}",
        "{{ a" + string.Concat(Enumerable.Repeat(".a", 200_000)) + " }}",
        "{{ 'a'" + string.Concat(Enumerable.Repeat("|trim", 200_000)) + " }}",
        string.Concat(Enumerable.Repeat("{% if 1 %}", 100_000)) + string.Concat(Enumerable.Repeat("{% endif %}", 100_000)),
        new string('a', 2_000_000),
    ];

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Bounds_what_a_template_takes(string template)
    {
        var (before, watch) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.StartNew());
        Assert.Throws<SoftmodelException>(() => Render(template));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 4L << 30);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"it took {watch.Elapsed}");
    }

    // Of words that have a meaning, in any order: some are templates.
    [Fact]
    public void Renders_or_refuses_anything()
    {
        string[] words = ["{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "if", "else", "elif", "endif", "for", "in", "endfor", "set", "=", "x", "loop", ".", "index", "messages", "[", "]", "(", ")", "{", "}", ":", ",",
            "'a'", "1", "2.5", "|", "trim", "join", "tojson", "is", "not", "defined", "and", "or", "~", "*", "//", "%", "**", "==", "<", "macro", "endmacro", "range", "namespace", "raw", "endraw", "generation", "\\", "'", "\""];
        Gen.Int[0, words.Length - 1].Array[0, 40].Sample(picked =>
        {
            try
            {
                Render(string.Concat(picked.Select(p => words[p] + (p % 3 == 0 ? " " : ""))));
            }
            catch (SoftmodelException)
            {
            }
        });
    }

    [Fact]
    public void Reads_the_template_of_a_folder()
    {
        var folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            Assert.Null(ChatTemplate.Open(folder));
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes {{ eos_token }}"}]}""");
            Assert.Equal("yes </s>", ChatTemplate.Open(folder)!.Render(messages, rendering));
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"chat_template": "one"}""");
            Assert.Equal("one", ChatTemplate.Open(folder)!.Render(messages, rendering));
            File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "alone");
            Assert.Equal("alone", ChatTemplate.Open(folder)!.Render(messages, rendering));
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), "{");
            Assert.Contains("can't be read", Assert.Throws<SoftmodelException>(() => ChatTemplate.Open(Path.Combine(folder, "tokenizer_config.json"))).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
