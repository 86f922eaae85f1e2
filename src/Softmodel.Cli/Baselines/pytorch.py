# A process that trains a network in PyTorch and obeys commands, one JSON object on a line, with an answer on a line to each.
# The networks are those of Bench/TrainNetworks.cs, with the weights and the batch that are given; of several ways to write a
# network, to update its weights and to divide work among threads the quickest is taken.
import ctypes
import gc
import itertools
import json
import math
import re
import sys
import time

import numpy
import torch
import torch.nn.functional as F

says = sys.stdout
sys.stdout = sys.stderr


def say(answer):
    says.write(json.dumps(answer) + "\n")
    says.flush()


def peak():
    """The most bytes that the process has held."""
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(r"^VmHWM:\s*(\d+) kB$", status.read(), re.MULTILINE)[1])


def forget():
    """Gives back what was freed, and begins anew with the peak, where the system can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass


def blas():
    """OpenBLAS, which has threads of its own; None where PyTorch has come with something else."""
    torch.ones(64, 64) @ torch.ones(64, 64)
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "openblas" in line}
    for library in map(ctypes.CDLL, paths):
        if hasattr(library, "openblas_set_num_threads"):
            return library
    return None


openblas = blas()


def use(threads):
    torch.set_num_threads(threads[0])
    if openblas is not None:
        openblas.openblas_set_num_threads(threads[1])


class Weights(dict):
    """Weights by their names, and by those of a part."""

    def linear(self, name, x):
        return F.linear(x, self[name + ".weight"], self.get(name + ".bias"))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self[name + ".weight"], self[name + ".bias"], 1e-5)

    def conv(self, name, x, convolve, stride=1, groups=1):
        weight = self[name + ".weight"]
        return convolve(x, weight, self.get(name + ".bias"), stride=stride, padding=(weight.shape[-1] - 1) // 2, groups=groups)


class Transformer:
    """Pre-norm transformer: matrices for query, key and value, or one for all three with a mask that is added in the product."""

    ways = ("separate", "merged")

    @staticmethod
    def prepare(way, weights):
        if way == "merged":
            for query in [name for name in weights if ".attention.query." in name]:
                parts = [weights.pop(query.replace("query", part)) for part in ("query", "key", "value")]
                weights[query.replace("query", "merged")] = torch.cat(parts)
        return weights

    @staticmethod
    def loss(way, w, ids, next):
        batch, length = ids.shape
        x = F.embedding(ids, w["embeddings.weight"]) + w["positions"]
        width, heads = x.shape[-1], 8
        size = width // heads
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        mask = torch.zeros(length, length).masked_fill(later, -math.inf)
        for i in range(6):
            layer = f"layers.{i}."
            y = w.norm(layer + "norm1", x)
            if way == "merged":
                q, k, v = w.linear(layer + "attention.merged", y).view(batch, length, 3, heads, size).permute(2, 0, 3, 1, 4)
                q, k = q.reshape(batch * heads, length, size), k.reshape(batch * heads, length, size)
                scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=size ** -0.5).view(batch, heads, length, length)
            else:
                q, k, v = (w.linear(layer + "attention." + part, y).view(batch, length, heads, size).transpose(1, 2) for part in ("query", "key", "value"))
                scores = (q @ k.transpose(2, 3) * size ** -0.5).masked_fill(later, -math.inf)
            y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
            x = x + w.linear(layer + "attention.output", y)
            x = x + w.linear(layer + "down", F.gelu(w.linear(layer + "up", w.norm(layer + "norm2", x))))
        logits = w.linear("head", w.norm("norm", x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), next.view(-1))


class Vocoder:
    """ConvNeXt blocks, whose wide layers are matrices, or convolutions of kernel 1 with no transposition but for the norm; windows are added by folding."""

    ways = ("linear", "pointwise")
    resolutions = ((512, 128), (1024, 256), (2048, 512))
    windows = {size: torch.hann_window(size) for size, _ in resolutions}

    @staticmethod
    def prepare(way, weights):
        return weights

    @classmethod
    def magnitudes(cls, x, size, hop):
        spectrum = torch.view_as_real(torch.stft(x, size, hop, window=cls.windows[size], return_complex=True))
        return spectrum.square().sum(-1).clamp(min=1e-8).sqrt()

    @staticmethod
    def added(frames, size, hop):
        count = frames.shape[1]
        sound = F.fold(frames.transpose(1, 2), (1, (count - 1) * hop + size), (1, size), stride=(1, hop))[:, 0, 0]
        return sound[:, (size - hop) // 2:][:, :count * hop]

    @classmethod
    def loss(cls, way, w, features, target):
        size, hop = 1024, 256
        x = w.conv("in", features, F.conv1d)
        for i in range(6):
            block = f"blocks.{i}."
            y = w.norm(block + "norm", w.conv(block + "depthwise", x, F.conv1d, groups=x.shape[1]).transpose(1, 2))
            if way == "pointwise":
                y = F.conv1d(y.transpose(1, 2), w[block + "up.weight"][..., None], w[block + "up.bias"])
                y = F.conv1d(F.gelu(y), w[block + "down.weight"][..., None], w[block + "down.bias"])
                x = x + y * w[block + "scale"][:, None]
            else:
                x = x + (w.linear(block + "down", F.gelu(w.linear(block + "up", y))) * w[block + "scale"]).transpose(1, 2)
        magnitude, phase = w.linear("out", w.norm("norm", x.transpose(1, 2))).chunk(2, -1)
        window = cls.windows[size]
        frames = torch.fft.irfft(torch.polar(magnitude.exp().clamp(max=100), phase), size) * window
        with torch.no_grad():
            weights = cls.added((window * window).expand(1, frames.shape[1], size), size, hop)
        sound = cls.added(frames, size, hop) / weights
        loss = 0
        for resolution in cls.resolutions:
            with torch.no_grad():
                theirs = cls.magnitudes(target, *resolution)
            ours = cls.magnitudes(sound, *resolution)
            loss = loss + torch.linalg.vector_norm(theirs - ours) / torch.linalg.vector_norm(theirs) + F.l1_loss(ours.log(), theirs.log())
        return loss / len(cls.resolutions)


class ResNet:
    """ResNet-18, with channels before or after places in memory."""

    ways = ("channels first", "channels last")

    @staticmethod
    def prepare(way, weights):
        if way == "channels last":
            weights = {name: weight.to(memory_format=torch.channels_last) if weight.dim() == 4 else weight for name, weight in weights.items()}
        return weights

    @staticmethod
    def loss(way, w, pictures, labels):
        def convolved(part, x, stride=1):
            return F.batch_norm(w.conv(part + ".conv", x, F.conv2d, stride), None, None, w[part + ".norm.weight"], w[part + ".norm.bias"], training=True)

        if way == "channels last":
            pictures = pictures.to(memory_format=torch.channels_last)
        x = F.max_pool2d(F.relu(convolved("stem", pictures, 2), inplace=True), 3, stride=2, padding=1)
        for i in range(8):
            block, stride = f"blocks.{i}.", 2 if i in (2, 4, 6) else 1
            y = convolved(block + "second", F.relu(convolved(block + "first", x, stride), inplace=True))
            x = F.relu(y + (x if stride == 1 else convolved(block + "shortcut", x, stride)), inplace=True)
        return F.cross_entropy(w.linear("head", x.mean((2, 3))), labels)


class Lstm:
    """PyTorch's own LSTM, or one that is written step by step."""

    ways = ("built in", "written")

    @staticmethod
    def prepare(way, weights):
        return weights

    @staticmethod
    def loss(way, w, ids, labels):
        x = F.embedding(ids, w["embeddings.weight"])
        for i in range(2):
            inputs, recurrence, bias = (w[f"layers.{i}.{name}"] for name in ("input", "recurrence", "bias"))
            hidden = cell = torch.zeros(x.shape[1], recurrence.shape[1])
            if way == "built in":
                x, _, _ = torch._VF.lstm(x, (hidden[None], cell[None]), [inputs, recurrence, bias, torch.zeros_like(bias)], True, 1, 0.0, True, False, False)
                continue
            outputs = []
            for gates in F.linear(x, inputs, bias).unbind(0):
                enter, forget, new, leave = torch.addmm(gates, hidden, recurrence.t()).chunk(4, 1)
                cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
                hidden = leave.sigmoid() * cell.tanh()
                outputs.append(hidden)
            x = torch.stack(outputs)
        return F.cross_entropy(w.linear("head", x[-1]), labels)


networks = {"transformer": Transformer, "vocoder": Vocoder, "resnet": ResNet, "lstm": Lstm}


class Training:
    def __init__(self, network, way, foreach, tensors, inputs, rate):
        self.network, self.way = network, way
        with torch.no_grad():
            self.weights = Weights(network.prepare(way, {name: tensor.clone() for name, tensor in tensors.items()}))
        for weight in self.weights.values():
            weight.requires_grad_()
        self.inputs = inputs
        self.optimizer = torch.optim.AdamW(self.weights.values(), lr=rate, weight_decay=0.01, foreach=foreach)

    def step(self):
        start = time.perf_counter()
        loss = self.network.loss(self.way, self.weights, *self.inputs)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        return 1000 * (time.perf_counter() - start), value


def build(network, path, inputs, threads, rate):
    """Tries all ways, and begins anew with the quickest."""
    with numpy.load(path) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    given = [arrays.pop(name) for name in inputs]
    kind = networks[network]

    def took(way, foreach, pools):
        use(pools)
        training = Training(kind, way, foreach, arrays, given, rate)
        training.step()
        return min(training.step()[0] for _ in range(2))

    pools = list(itertools.product(range(1, threads + 1), repeat=2 if openblas is not None else 1))
    tried = {(kind.ways[0], True, pool): took(kind.ways[0], True, pool) for pool in pools}
    pool = min(tried, key=tried.get)[2]
    tried.update({(way, foreach, pool): took(way, foreach, pool) for way in kind.ways for foreach in (True, False) if (way, foreach, pool) not in tried})
    way, foreach, _ = best = min(tried, key=tried.get)
    use(pool)
    forget()
    described = {f"{way}, {'foreach' if foreach else 'one by one'}, threads {'/'.join(map(str, pool))}": round(ms, 1) for (way, foreach, pool), ms in tried.items()}
    return Training(kind, way, foreach, arrays, given, rate), {"way": list(described)[list(tried).index(best)], "tried": described}


training = None
empty = peak()
say({"version": torch.__version__, "blas": "OpenBLAS" if openblas is not None else "another BLAS"})
for line in sys.stdin:
    command = json.loads(line)
    try:
        if command["cmd"] == "build":
            training, answer = build(command["network"], command["path"], command["inputs"], command["threads"], command["rate"])
            say(answer)
        elif command["cmd"] == "step":
            times = [training.step() for _ in range(command["count"])]
            say({"ms": sum(ms for ms, _ in times), "losses": [loss for _, loss in times]})
        elif command["cmd"] == "memory":
            say({"bytes": peak() - empty})
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
