// Writes the tables of Unicode that tokenizers need (src/Softmodel/Language/Tokens/unicode.txt):
//   node bench/Softmodel.Bench/Tokenizers/unicode.mjs FOLDER > src/Softmodel/Language/Tokens/unicode.txt
// FOLDER has the npm packages @unicode/unicode-8.0.0, -9.0.0 and -16.0.0; Node.js itself brings Unicode 17. These are the
// versions of the libraries that the reference is made of: what a character is depends on when it came.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

if (process.versions.unicode !== '17.0')
    throw new Error(`This Node.js has Unicode ${process.versions.unicode}; take one that has 17.0`);
const require = createRequire(pathToFileURL(process.argv[2] + '/'));
const load = async (version, name) => (await import(pathToFileURL(require.resolve(`@unicode/unicode-${version}/package.json`)).href.replace('package.json', name))).default;

const END = 0x110000;
const isSurrogate = c => c >= 0xD800 && c < 0xE000;
const text = c => String.fromCodePoint(c);
const codes = s => [...s].map(c => c.codePointAt(0));
const lines = [];

// Gaps and lengths by turns, in base 36.
function set(name, has) {
    const runs = [];
    let [end, first] = [0, -1];
    for (let c = 0; c <= END; c++) {
        const isIn = c < END && !isSurrogate(c) && has(c);
        if (isIn && first < 0)
            first = c;
        else if (!isIn && first >= 0) {
            runs.push((first - end).toString(36), (c - first).toString(36));
            [end, first] = [c, -1];
        }
    }
    lines.push(`set ${name} ${runs.join(' ')}`);
}

// For each code point the distance from the one before, and what it becomes.
function map(name, of) {
    const entries = [];
    let last = 0;
    for (let c = 0; c < END; c++) {
        const to = isSurrogate(c) ? undefined : of(c);
        if (to === undefined)
            continue;
        entries.push(`${(c - last).toString(36)}:${to}`);
        last = c;
    }
    lines.push(`map ${name} ${entries.join(' ')}`);
}

const plain = list => list.map(c => c.toString(36)).join('.');

async function member(version, kind, name) {
    const table = new Uint8Array(END);
    for (const { begin, end } of await load(version, `${kind}/${name}/ranges.mjs`))
        table.fill(1, begin, end);
    return c => table[c] === 1;
}

const categories = { Lu: 'Uppercase_Letter', Ll: 'Lowercase_Letter', Lt: 'Titlecase_Letter', Lm: 'Modifier_Letter', Lo: 'Other_Letter', Mn: 'Nonspacing_Mark', Mc: 'Spacing_Mark', Me: 'Enclosing_Mark', Nd: 'Decimal_Number', Nl: 'Letter_Number', No: 'Other_Number', Pc: 'Connector_Punctuation', Pd: 'Dash_Punctuation', Ps: 'Open_Punctuation', Pe: 'Close_Punctuation', Pi: 'Initial_Punctuation', Pf: 'Final_Punctuation', Po: 'Other_Punctuation', Sm: 'Math_Symbol', Sc: 'Currency_Symbol', Sk: 'Modifier_Symbol', So: 'Other_Symbol', Zs: 'Space_Separator', Zl: 'Line_Separator', Zp: 'Paragraph_Separator', Cc: 'Control', Cf: 'Format', Co: 'Private_Use' };
const union = async (version, names) => {
    const all = await Promise.all(names.map(n => member(version, 'General_Category', categories[n])));
    return c => all.some(has => has(c));
};

for (const name of Object.keys(categories))
    set(name, await union('16.0.0', [name]));
for (const name of ['Alphabetic', 'Uppercase', 'Lowercase', 'White_Space', 'Join_Control', 'Emoji', 'Ideographic', 'Extended_Pictographic'])
    set(name, await member('16.0.0', 'Binary_Property', name));
for (const name of (await load('16.0.0', 'index.mjs')).Script)
    set(`Script=${name}`, await member('16.0.0', 'Script', name));
for (const name of (await load('9.0.0', 'index.mjs')).Script.filter(n => n !== 'Unknown'))
    set(`Script9=${name}`, await member('9.0.0', 'Script', name));
set('Punctuation8', await union('8.0.0', ['Pc', 'Pd', 'Ps', 'Pe', 'Pi', 'Pf', 'Po']));
set('Other8', await union('8.0.0', ['Cc', 'Cf', 'Co']));
set('Nonspacing8', await union('8.0.0', ['Mn']));
set('Mark9', await union('9.0.0', ['Mn', 'Mc', 'Me']));
set('Numeric17', c => /^\p{N}$/u.test(text(c)));

const unassigned = await member('9.0.0', 'General_Category', 'Unassigned');
const isHangul = c => c >= 0xAC00 && c < 0xAC00 + 11172;
const isOld = c => !unassigned(c) && !isHangul(c);
// A mark in front says that no pair becomes the character again.
map('canonical', c => isOld(c) && text(c).normalize('NFD') !== text(c) ? (text(c).normalize('NFC') === text(c) ? '' : '!') + plain(codes(text(c).normalize('NFD'))) : undefined);
map('compatible', c => isOld(c) && text(c).normalize('NFKD') !== text(c).normalize('NFD') ? plain(codes(text(c).normalize('NFKD'))) : undefined);

// Combining classes matter by their order alone, which normalization itself tells.
const follows = (a, b) => { const s = text(a) + text(b); return s.normalize('NFD') !== s; };
const marks = [];
for (let c = 0; c < END; c++)
    if (!isSurrogate(c) && isOld(c) && text(c).normalize('NFD') === text(c) && (follows(c, 0x334) || follows(0x345, c)))
        marks.push(c);
marks.sort((a, b) => follows(a, b) ? 1 : follows(b, a) ? -1 : a - b);
let [order, previous, ranks] = [0, 0, new Map()];
for (const c of marks) {
    if (previous === 0 || follows(c, previous))
        order++;
    previous = c;
    ranks.set(c, order);
}
map('class', c => ranks.get(c)?.toString(36));

map('lower', c => text(c).toLowerCase() !== text(c) ? plain(codes(text(c).toLowerCase())) : undefined);
const [common, simple, full] = [await load('16.0.0', 'Case_Folding/C/code-points.mjs'), await load('16.0.0', 'Case_Folding/S/code-points.mjs'), await load('16.0.0', 'Case_Folding/F/code-points.mjs')];
map('fold', c => (common.get(c) ?? simple.get(c))?.toString(36));
map('folds', c => full.has(c) ? plain(full.get(c)) : undefined);
process.stdout.write(lines.join('\n') + '\n');
