# A process that trains a network in PyTorch and obeys commands, one JSON object on a line, with an answer on a line to each.
# The networks are those of Bench/TrainNetworks.cs, with the weights and the batch that are given; of several ways to write a
# network, to update its weights and to divide work among threads the quickest is taken.
import ctypes
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


networks = {"transformer": Transformer}


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
            say({"bytes": peak(), "empty": empty})
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
