"""Networks of Caffe, read from their own text files and computed with PyTorch, as Caffe of that time can hardly be built."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Message = list[tuple[str, Any]]
"""Fields in order: a string, or the fields of a message; a field may occur many times."""


def parse(text: str) -> Message:
    """Reads a file in protobuf's text format; all values are strings."""
    tokens = iter(re.findall(r'"[^"]*"|[^\s{}:"]+|[{}:]', re.sub(r"#.*", "", text)))

    def fields() -> Message:
        found: Message = []
        for name in tokens:
            if name == "}":
                break
            value = next(tokens)
            value = next(tokens) if value == ":" else value
            found.append((name, fields() if value == "{" else value.strip('"')))
        return found

    return fields()


def all_of(message: Message, name: str) -> list[Any]:
    """Returns all values of a repeated field."""
    return [value for key, value in message if key == name]


def one_of(message: Message, name: str, default: Any = None) -> Any:
    """Returns the value of a field."""
    return next(iter(all_of(message, name)), default)


def caffe_network(path: Path, output: str, *, width: int, channels: int = 1):
    """Returns a 3D network of Caffe as a module of PyTorch.

    Understood are convolutions of both kinds, PReLU, sums, splits and concatenation of channels.

    Args:
        path: The text file.
        output: Name of the tensor that the module returns.
        width: Of the narrowest layers; numbers of channels from 16 on are scaled by `width / 16`, and 16 splits are `width`.
        channels: Of the input.
    """
    from torch import cat, nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = all_of(parse(path.read_text()), "layer")
            self.calls = nn.ModuleDict()
            sizes = {"data": channels}
            for layer in self.layers:
                kind, name = one_of(layer, "type"), one_of(layer, "name")
                inputs = sum(sizes.get(tensor, 0) for tensor in self.inputs(layer))
                outputs = inputs // 2 if kind == "Eltwise" else inputs
                if kind in ("Convolution", "Deconvolution"):
                    options = one_of(layer, "convolution_param")
                    outputs, kernel, stride = (int(one_of(options, key)) for key in ("num_output", "kernel_size", "stride"))
                    outputs = outputs * width // 16 if outputs >= 16 else outputs
                    pad = int(one_of(options, "pad", 0))
                    module = nn.Conv3d if kind == "Convolution" else nn.ConvTranspose3d
                    self.calls[name] = module(inputs, outputs, kernel, stride=stride, padding=pad)
                elif kind == "PReLU":
                    self.calls[name] = nn.PReLU(inputs)
                sizes |= dict.fromkeys(all_of(layer, "top"), outputs)

        def inputs(self, layer: Message) -> list[str]:
            return all_of(layer, "bottom")[:width]

        def forward(self, x):
            tensors = {"data": x}
            for layer in self.layers:
                kind, tops = one_of(layer, "type"), all_of(layer, "top")
                read = [tensors[name] for name in self.inputs(layer)]
                if kind == "Eltwise":
                    made = read[0] + read[1]
                elif kind == "Concat":
                    made = cat(read, dim=1)
                else:
                    made = read[0] if kind == "Split" else self.calls[one_of(layer, "name")](read[0])
                tensors |= dict.fromkeys(tops, made)
                if output in tops:
                    return made
            raise KeyError(output)

    return Network()
