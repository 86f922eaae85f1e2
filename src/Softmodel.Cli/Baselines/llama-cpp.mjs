// A process that holds a model in llama.cpp and obeys commands, one JSON object on a line, with an answer on a line to each.
// It calls the addon that node-llama-cpp itself builds upon, so that little but llama.cpp lies between two clock readings.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

const [addonPath, modelPath, threads, contextSize, batch, flash] = process.argv.slice(-6);
const batchSize = Number(batch);
const log = [];

const say = answer => process.stdout.write(JSON.stringify(answer) + "\n");

/** Lets what llama.cpp has said come into the log. */
const told = () => new Promise(done => setImmediate(done));

/** The most bytes that the process has held. */
const peak = () => 1024 * Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);

// Milliseconds since the process started.
const phases = { node: performance.now() };
const addon = createRequire(import.meta.url)(addonPath);
addon.setLogger((level, text) => log.push(text));
// What is said of models and times is information, level 4.
addon.setLoggerLogLevel(4);
addon.loadBackends();
addon.loadBackends(dirname(addonPath));
await addon.init();
phases.library = performance.now();
const empty = peak();

let model, context, sampler;
try {
    model = new addon.AddonModel(modelPath, { addonExports: addon, gpuLayers: 0, useMmap: true });
    if (!await model.init())
        throw new Error("it can't read the file");
    phases.model = performance.now();
    context = new addon.AddonContext(model, {
        contextSize: Number(contextSize), batchSize, sequences: 1, threads: Number(threads), flashAttention: flash === "on", performanceTracking: true,
    });
    if (!await context.init())
        throw new Error(`it makes no context of ${contextSize} tokens`);
    sampler = new addon.AddonSampler(model);
    sampler.applyConfig({ temperature: 0 });
    phases.context = performance.now();
} catch (error) {
    await told();
    say({ error: `${error.message}: ${log.join("").trim().split("\n").slice(-3).join("; ")}` });
    process.exit(1);
}

const none = new Uint32Array(0);

/** Evaluates tokens in batches, and gives the index of the logits of the last one. */
async function evaluate(tokens, position) {
    let index = none;
    for (let start = 0; start < tokens.length; start += batchSize) {
        const part = tokens.subarray(start, start + batchSize);
        context.initBatch(part.length);
        index = context.addToBatch(0, position + start, part, start + part.length === tokens.length ? Uint32Array.of(part.length - 1) : none);
        await context.decodeBatch();
    }
    return index[0];
}

/** What llama.cpp's own clock says since it was last asked, in milliseconds: of batches ("prompt eval") or of single tokens ("eval"). */
async function own(kind) {
    log.length = 0;
    context.printTimings();
    // What it says comes by way of another thread.
    for (let turn = 0; turn < 10_000; turn++) {
        await told();
        const said = new RegExp(`: +${kind} time = +([\\d.]+) ms`).exec(log.join(""));
        if (said !== null && log.at(-1).includes("graphs reused"))
            return Number(said[1]);
    }
    throw new Error("llama.cpp does not say what its clock says");
}

/** Times work: by the wall, by what the processors did for this process, and by llama.cpp's own clock. All in milliseconds. */
async function timed(kind, work) {
    await own(kind);
    const [start, used] = [performance.now(), process.cpuUsage()];
    await work();
    const [ms, { user, system }] = [performance.now() - start, process.cpuUsage(used)];
    return { ms, cpu: (user + system) / 1000, own: await own(kind) };
}

/** Forgets everything, and checks what is about to be evaluated. */
function prompt(tokens, count) {
    if (tokens.length === 0)
        throw new Error("a prompt needs a token");
    if (tokens.length + count > context.getContextSize())
        throw new Error(`${tokens.length} tokens and ${count} more don't fit into a context of ${context.getContextSize()}`);
    context.disposeSequence(0);
    return Uint32Array.from(tokens);
}

const commands = {
    prefill({ tokens }) {
        const all = prompt(tokens, 0);
        // llama.cpp counts a single token as one that was chosen, wherever it comes from.
        return timed(all.length === 1 ? "eval" : "prompt eval", () => evaluate(all, 0));
    },

    async decode({ tokens, count }) {
        // The first token comes of the prompt, so that as many evaluations are timed as tokens come of them.
        const one = Uint32Array.of(await context.sampleToken(await evaluate(prompt(tokens, count), 0), sampler));
        const made = [one[0]];
        const times = await timed("eval", async () => {
            for (let position = tokens.length; made.length <= count; position++) {
                one[0] = await context.sampleToken(await evaluate(one, position), sampler);
                made.push(one[0]);
            }
        });
        return { ...times, tokens: made };
    },

    tokenize: ({ text }) => ({ tokens: Array.from(model.tokenize(text, true)) }),

    memory: () => ({ bytes: peak(), empty }),
};

await told();
say({ backend: /ggml-cpu-(\w+)\.so/.exec(log.join(""))?.[1] ?? "", threads: context.getThreads(), loadMs: phases.context - phases.library, phases });
for await (const line of createInterface({ input: process.stdin })) {
    try {
        const command = JSON.parse(line);
        say(await commands[command.cmd](command));
    } catch (error) {
        say({ error: error.message });
    }
}
