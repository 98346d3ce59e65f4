"""Trials on making networks smaller: whole numbers of eight bits for weights, and weights that are taken away."""

import gzip
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from experiments.common import networks, streams, training

with warnings.catch_warnings():  # torch announces that this will move to a package of its own
    warnings.simplefilter("ignore")
    from torch.ao import quantization


def dense(*widths: int) -> nn.Sequential:
    """Linear layers with rectifiers between them."""
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def convolutions(width: int) -> nn.Sequential:
    """Three convolutions of `width`, twice and four times as many channels with norms, and a linear layer."""
    return nn.Sequential(
        *(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(2 * width, 4 * width, 3, padding=1), nn.BatchNorm2d(4 * width), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10)),
    )


class Text(nn.Module):
    """Mean of word vectors, then two linear layers."""

    def __init__(self, words: int, features: int) -> None:
        """A table of `words` vectors of `features` numbers."""
        super().__init__()
        self.table, self.head = nn.EmbeddingBag(words, features), dense(features, features, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 2) from word numbers (rows, words)."""
        return self.head(self.table(x))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "small": lambda: dense(64, 32, 10),
    "medium": lambda: dense(784, 256, 128, 10),
    "wide": lambda: dense(784, 1024, 1024, 10),
    "convolutions-and-dense": lambda: nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *dense(3136, 128, 10),
    ),
    "convolutions": lambda: convolutions(32),
    "convolutions-wide": lambda: convolutions(128),
    "transformer": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(128, 4, 512, batch_first=True), 4, enable_nested_tensor=False
    ),
    "text": lambda: Text(20_000, 64),
}
"""Networks of the sizes that fit laptops and telephones, with their initial weights."""


def dynamic(model: nn.Module) -> nn.Module:
    """As the guide prints it: the weights of linear layers in eight bits, inputs turned into such as they come."""
    return quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def dynamic_with_table(model: nn.Module) -> nn.Module:
    """The same, and tables of vectors with a scale for each row."""
    kinds = {nn.Linear: quantization.default_dynamic_qconfig}
    tables = {nn.EmbeddingBag: quantization.float_qparams_weight_only_qconfig}
    return quantization.quantize_dynamic(model, kinds | tables)


def static(model: nn.Module) -> nn.Module:
    """Convolutions too, norms folded into them, with ranges of activations taken from a few random images."""
    names = [name for name, _ in model.named_children()]
    kinds = [type(module) for module in model.children()]
    triples = [names[i : i + 3] for i in range(len(kinds)) if kinds[i : i + 3] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]]
    ready = nn.Sequential(quantization.QuantStub(), quantization.fuse_modules(model, triples))
    ready.qconfig = quantization.get_default_qconfig("x86")  # type: ignore[assignment]
    prepared = quantization.prepare(ready)
    prepared(torch.randn(4, next(model.parameters()).shape[1], 16, 16))
    return quantization.convert(prepared)


WAYS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "printed": dynamic,
    "with-table": dynamic_with_table,
    "with-convolutions": static,
    "half-precision": lambda model: model.half(),
    "nothing": lambda model: model,
}
"""What is done to a trained network before it is saved."""


def written(tensors: Mapping[str, Tensor], zipped: bool = False) -> int:
    """Bytes of the file that torch.save makes of named tensors, as it is or through gzip."""
    file = io.BytesIO()
    torch.save(tensors, file)
    return len(gzip.compress(file.getvalue(), mtime=0)) if zipped else file.tell()


def made(network: str, seed: int) -> nn.Module:
    """A network of NETWORKS with initial weights from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[network]().eval()


def quantised_size(seed: int, *, network: str, way: str = "printed") -> dict[str, float]:
    """Megabytes of a saved network with weights of 32 bits, `full`, and `quantised`; `times_smaller` is their ratio.

    Args:
        seed: Draws the weights, which do not change the sizes.
        network: A key of NETWORKS.
        way: A key of WAYS.
    """
    model = made(network, streams(seed, 1)[0])
    full = written(model.state_dict())
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = written(WAYS[way](model).state_dict())
    return {"full": full / 1e6, "quantised": small / 1e6, "times_smaller": full / small}


def pruned(model: nn.Module, share: float) -> nn.Module:
    """The smallest weights of all linear and convolutional layers set to zero for good, in the guide's two steps."""
    layers = [(module, "weight") for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=share)
    for module, name in layers:
        prune.remove(module, name)
    return model


def thinned(model: nn.Module, share: float) -> nn.Module:
    """Linear layers without the hidden units of the smallest weights, as many as leave 1 - `share` of the weights."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    sizes = [layers[0].in_features, *(layer.out_features for layer in layers)]
    order = [np.argsort(-layer.weight.detach().norm(dim=1).numpy()) for layer in layers[:-1]]
    goal = (1 - share) * sum(a * b for a, b in pairwise(sizes))
    for part in np.linspace(1, 0, 1001):
        kept = [np.sort(units[: max(1, round(part * len(units)))]) for units in order]
        kept = [np.arange(sizes[0]), *kept, np.arange(sizes[-1])]
        if sum(len(a) * len(b) for a, b in pairwise(kept)) <= goal:
            break
    smaller = dense(*map(len, kept))
    linear = [module for module in smaller if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for layer, old, (ins, outs) in zip(linear, layers, pairwise(kept), strict=True):
            layer.weight.copy_(old.weight[outs][:, ins])
            layer.bias.copy_(old.bias[outs])
    return smaller


def by_rows(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as their non-zero entries, row by row, with columns as 32-bit numbers; other tensors as they are."""
    found = dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dim() == 2:
            rows = tensor.to_sparse_csr()
            places = rows.crow_indices().int(), rows.col_indices().int()
            found[name] = torch.sparse_csr_tensor(*places, rows.values(), rows.shape)
    return found


STORED: dict[str, Callable[[nn.Module, float], tuple[int, int]]] = {
    "file": lambda model, share: (written(model.state_dict()), written(pruned(model, share).state_dict())),
    "zipped": lambda model, share: (
        written(model.state_dict(), zipped=True),
        written(pruned(model, share).state_dict(), zipped=True),
    ),
    "sparse": lambda model, share: (written(model.state_dict()), written(by_rows(pruned(model, share).state_dict()))),
    "thinned": lambda model, share: (written(model.state_dict()), written(thinned(model, share).state_dict())),
}
"""Bytes before and after pruning: the file that torch saves, through gzip, as sparse rows, with units taken out."""


def pruned_size(
    seeds: Sequence[int], *, network: str, stored: str = "file", share: float = 0.5, steps: int = 300
) -> dict[str, list[float]]:
    """`full` and `pruned`: megabytes of a saved network before and after pruning.

    Args:
        seeds: One network each.
        network: A key of NETWORKS, with initial weights; or digits: two hidden layers of 64 units, trained.
        stored: A key of STORED.
        share: Of the weights, to be pruned.
        steps: Minibatches of 32 of the 500 training images, Adam.
    """
    if network == "digits":
        models = trained_on_digits(seeds, steps)
    else:
        models = [made(network, streams(seed, 1)[0]) for seed in seeds]
    sizes = [STORED[stored](model, share) for model in models]
    return {name: [size[place] / 1e6 for size in sizes] for place, name in enumerate(("full", "pruned"))}


def trained_on_digits(seeds: Sequence[int], steps: int) -> list[nn.Module]:
    """Networks with two hidden layers of 64 units, trained together."""
    (rows,) = networks.classification(seeds, (500,), "digits")
    start, minibatches = networks.initial(seeds, (64, 64, 64, 10)), networks.batches(seeds, 500, 32, steps)
    (found,) = training.fit(networks.dense, start, rows, minibatches, [1e-3], optimizer="adam")
    models: list[nn.Module] = [dense(64, 64, 64, 10) for _ in seeds]
    with torch.no_grad():
        for replicate, model in enumerate(models):
            for tensor, values in zip(model.parameters(), found, strict=True):
                tensor.copy_(values[replicate].reshape(tensor.shape))
    return models
