# The networks of PyTorchTests.cs in PyTorch: reads weights and inputs, and writes the loss and its gradient by each weight.
# Arguments: the network, a file of arrays (inputs are called "in:NAME"), and the file to be written.
import sys

import numpy
import torch
import torch.nn.functional as F
from torch import nn

name, source, target = sys.argv[1:]
with numpy.load(source) as file:
    arrays = {key: torch.from_numpy(file[key]) for key in file.files}
given = {key[3:]: value for key, value in arrays.items() if key.startswith("in:")}
w = {key: value.requires_grad_() for key, value in arrays.items() if not key.startswith("in:")}


def linear(part, x):
    return F.linear(x, w[part + ".weight"], w[part + ".bias"])


def norm(part, x):
    return F.layer_norm(x, x.shape[-1:], w[part + ".weight"], w[part + ".bias"])


def conv(part, x, convolve=F.conv1d, **settings):
    weight = w[part + ".weight"]
    return convolve(x, weight, w.get(part + ".bias"), padding=(weight.shape[-1] - 1) // 2, **settings)


def transformer(ids, next):
    x = F.embedding(ids, w["embeddings.weight"]) + w["positions"]
    batch, length, width = x.shape
    mask = nn.Transformer.generate_square_subsequent_mask(length)
    for i in range(2):
        layer = f"layers.{i}."
        y = norm(layer + "norm1", x).transpose(0, 1)
        attention = layer + "attention."
        parts = [attention + part for part in ("query", "key", "value")]
        y, _ = F.multi_head_attention_forward(
            y, y, y, width, 4, torch.cat([w[part + ".weight"] for part in parts]), torch.cat([w[part + ".bias"] for part in parts]), None, None, False, 0.0,
            w[attention + "output.weight"], w[attention + "output.bias"], attn_mask=mask)
        x = x + y.transpose(0, 1)
        x = x + linear(layer + "down", F.gelu(linear(layer + "up", norm(layer + "norm2", x))))
    return F.cross_entropy(linear("head", norm("norm", x)).flatten(0, 1), next.flatten())


def convnext(x, target):
    def block(part, x):
        y = norm(part + ".norm", conv(part + ".depthwise", x, groups=x.shape[1]).transpose(1, 2))
        return x + (linear(part + ".down", F.gelu(linear(part + ".up", y))) * w[part + ".scale"]).transpose(1, 2)

    x = block("blocks.0", conv("in", x))
    x = block("blocks.1", conv("smaller", x, stride=2))
    x = block("blocks.2", F.conv_transpose1d(x, w["larger.weight"], stride=2, padding=1))
    return F.l1_loss(conv("out", x), target)


def resnet(x, labels):
    def normed(part, x):
        return F.batch_norm(x, None, None, w[part + ".weight"], w[part + ".bias"], training=True)

    def convolved(part, x, **settings):
        return normed(part + ".norm", conv(part + ".conv", x, F.conv2d, **settings))

    x = F.max_pool2d(F.relu(convolved("stem", x, stride=2)), 3, stride=2, padding=1)
    for i, stride in enumerate((1, 2)):
        part = f"blocks.{i}."
        y = convolved(part + "second", F.relu(convolved(part + "first", x, stride=stride)))
        x = F.relu(y + (x if stride == 1 else convolved(part + "shortcut", x, stride=stride)))
    return F.cross_entropy(linear("head", x.mean((2, 3))), labels)


def lstm(ids, labels):
    x = F.embedding(ids, w["embeddings.weight"])
    for i in range(2):
        part = f"layers.{i}."
        hidden = w[part + "recurrence"].shape[1]
        zero = torch.zeros(1, x.shape[1], hidden)
        weights = [w[part + "input"], w[part + "recurrence"], w[part + "bias"], torch.zeros(4 * hidden)]
        x, _, _ = torch._VF.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, False)
    return F.cross_entropy(linear("head", x[-1]), labels)


def indices(ids, where, places, target):
    x = F.embedding(ids, w["embeddings.weight"])
    batch, length, width = x.shape
    total = F.mse_loss(torch.gather(x, 1, where), target)
    total = total + torch.zeros_like(x).scatter_add(1, where, torch.gather(x, 1, where) * w["values"]).sin().mean()
    total = total + x.index_select(1, places).index_copy(1, torch.tensor([1]), w["row"][None].expand(batch, 1, width)).tanh().mean()
    scores, best = (x @ w["scores"]).topk(3, dim=1)
    total = total + (scores.softmax(1)[..., None] * torch.gather(x, 1, best[..., None].expand(-1, -1, width))).sum(1).square().mean()
    total = total + x.cumsum(1).tanh().mean() + x.sigmoid().cumprod(1).mean() + x.cummax(1)[0].square().mean()
    sound = F.pad((x @ w["sound"]).flatten(1), (8, 8), mode="reflect")
    spectrum = torch.stft(sound, 16, 4, window=w["window"], center=False, return_complex=True)
    return total + (spectrum.abs().square() + 1e-3).sqrt().log().mean()


torch.manual_seed(0)
loss = globals()[name](**given)
loss.backward()
numpy.savez(target, loss=loss.detach().numpy(), **{key: value.grad.numpy() for key, value in w.items()})
