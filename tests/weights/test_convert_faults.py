"""Files and calls that must be refused, each with what is wrong in the message."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from weights.convert_cases import saved, state_dict

import zoo
from zoo.errors import ConfigError, IntegrityError, MissingExtraError, UnknownModelError, WeightsError, ZooError
from zoo.weights.convert import convert

PACKAGE = Path(zoo.__file__).parent
NOT_FINITE = r"1 not finite \(NaN or infinity\): 'conv_final.0.bias'"


@pytest.fixture
def tensors():
    """A state dict of MONAI's SegResNet for 1 channel and 2 classes."""
    return dict(state_dict("segresnet"))


def with_float_at(tensor, value):
    tensor = tensor.copy()
    tensor.flat[-1] = value
    return tensor


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("convInit.conv.weight", None, r"1 missing from the file: 'convInit.conv.weight'\. Nothing was converted"),
        ("vae_fc1.weight", lambda _: np.zeros((3, 3), "float32"), r"1 unknown to the table: 'vae_fc1.weight'"),
        ("conv_final.0.weight", lambda _: np.zeros(9, "float32"),
         r"1 of another shape: 'conv_final.0.weight' is \(9,\) where head0_norm/gamma needs \(8,\)"),
        ("conv_final.2.conv.weight", lambda kernel: kernel.transpose(1, 0, 2, 3), r"2 of another shape: .* is \(8, 2, 1, 1\)"),
        ("conv_final.0.weight", lambda scale: scale.astype("int8"), r"1 of a type that is no weight's: '.*0.weight' is int8"),
        ("conv_final.0.weight", lambda scale: scale > 0, r"1 of a type that is no weight's: 'conv_final.0.weight' is bool"),
        ("conv_final.0.bias", lambda shift: with_float_at(shift, np.nan), NOT_FINITE),
        ("conv_final.0.bias", lambda shift: with_float_at(shift, -np.inf), NOT_FINITE),
        ("conv_final.0.bias", lambda shift: with_float_at(shift.astype("float64"), 1e39), NOT_FINITE),
        ("\x1b[31mred" + "x" * 500, lambda _: np.zeros(1, "float32"), r"1 unknown to the table: '\\x1b\[31mredx{50,110}\.\.\.'"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_wrong_is_named(name, change, said, tensors, tmp_path):
    given = tensors.pop(name, None)
    if change:
        tensors[name] = change(given)
    with pytest.raises(IntegrityError, match=said):
        convert(saved(tmp_path / "x.safetensors", tensors), "segresnet")


def test_at_most_ten_names_are_shown(tensors, tmp_path):
    tensors |= {f"extra.{number:02}": np.zeros(1, "float32") for number in range(25)}
    with pytest.raises(IntegrityError, match=r"25 unknown to the table: 'extra.00', .*, 'extra.09' and 15 more\. Nothing"):
        convert(saved(tmp_path / "x.safetensors", tensors), "segresnet")


@pytest.mark.parametrize(
    ("case", "entry", "overrides", "said"),
    [
        ("segresnet", "segresnet-f16", {}, r"weights of 'segresnet-f16' but of 'segresnet-f8': it tells filters=8"),
        ("segresnet", "segresnet-3d", {}, r"is for images \(2D\), and 'segresnet-3d-f8' is for volumes \(3D\); try 'segresnet'"),
        ("segresnet", "segresnet", {"upsample": "transposed"}, r"tells upsample='bilinear'\. Received: upsample='transposed'"),
        ("segresnet", "segresnet", {"blocks_down": (1, 1, 1, 1)}, r"tells blocks_down=\(1, 2, 2, 4\)"),
        ("monai-unet", "monai-unet-d5-f4", {}, r"of 'monai-unet-d5-f4' but of 'monai-unet-d4-f4': it tells depth=4"),
        ("monai-unet-3d", "monai-unet-3d-d3-f4", {"norm": "instance"}, r"tells norm='batch'\. Received: norm='instance'"),
        ("monai-unet-3d-plain", "monai-unet-3d-d3-f4", {}, r"no slopes of PReLUs, .* such as activation='relu'"),
        ("monai-unet-3d-instance", "monai-unet-3d-d3-f4", {}, r"no weights of normalisations, and norm='batch' has some"),
        ("resenc-2d", "resenc-unet", {}, r"of 'resenc-unet-d7-f32' but of 'resenc-unet-d5-f4': it tells .*depth=5"),
        ("resnet18", "resnet34-unet", {}, r"of 'resnet34-unet' but of 'resnet18-unet': it tells encoder='resnet18'"),
        ("torchvision-resnet50", "resnet34-unet", {}, r"but of 'resnet50-unet'"),
    ],
)
def test_a_file_of_another_network_says_which(case, entry, overrides, said, tmp_path):
    with pytest.raises(WeightsError, match=said):
        convert(saved(tmp_path / "x.safetensors", state_dict(case)), entry, **overrides)


def test_a_head_or_a_stem_that_no_network_has_is_refused(tensors, tmp_path):
    tensors["conv_final.2.conv.weight"] = np.zeros((0, 8, 1, 1), "float32")
    with pytest.raises(IntegrityError, match=r"no network that 'segresnet' has: it tells classes=0\. `classes` must be"):
        convert(saved(tmp_path / "x.safetensors", tensors), "segresnet")


@pytest.mark.parametrize(
    ("names", "entry", "source", "said"),
    [
        (("a.weight",), "resnet18-unet", None, r"no names that tell which project .* 'torchvision' \(.*\); 'smp'"),
        (("conv1.weight", "encoder.conv1.weight"), "resnet18-unet", None, r"more than one project\. Candidates: 'tor"),
        (("a.weight",), "resnet18-unet", "monai", r"'monai' has no table for 'resnet18-unet'\. There is one for: 'torchvision'"),
        (("a.weight",), "unet", None, r"for 'unet-d5-f64': only for the families resnet-unet, monai-unet, segresnet"),
        (("a.weight",), "resunet-v1", None, r"a file of PyTorch tensors and is not in a format that .* Candidates: 'seed-1'"),
        (("a.weight",), "segresnet", None, r"83 missing from the file: 'convInit.conv.weight'"),
        (("a.weight",), "resnet18-unet", "smp", r"missing from the file: 'encoder.conv1.weight'"),
    ],
)  # fmt: skip
def test_a_source_that_is_not_clear_lists_the_candidates(names, entry, source, said, tmp_path):
    path = saved(tmp_path / "x.safetensors", {name: np.zeros((4, 3, 3, 3), "float32") for name in names})
    with pytest.raises(WeightsError, match=said):
        convert(path, entry, source=source)


def test_calls_that_make_no_sense(tensors, tmp_path):
    path = saved(tmp_path / "x.safetensors", tensors)
    with pytest.raises(UnknownModelError, match="Unknown model: 'segresent'; did you mean"):
        convert(path, "segresent")
    with pytest.raises(ConfigError, match="`class` is not a field of segresnet; did you mean 'classes'"):
        convert(path, "segresnet", **{"class": 2})
    with pytest.raises(WeightsError, match=r"'.*nowhere.pt', which does not exist"):
        convert(tmp_path / "nowhere.pt", "segresnet")
    with pytest.raises(WeightsError, match="which is a folder or a device"):
        convert(tmp_path, "segresnet")


def test_every_truncation_of_a_file_is_an_error_of_the_zoo(tensors, tmp_path):
    path = saved(tmp_path / "x.safetensors", tensors)
    whole = path.read_bytes()
    for size in (0, 1, 7, 8, 9, 100, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(IntegrityError, match=r"x\.safetensors is (of no format|not a safetensors file)"):
            convert(path, "segresnet")
    path.write_bytes(whole + b"\0")
    with pytest.raises(IntegrityError, match="not a safetensors file"):
        convert(path, "segresnet")


def header(tensors, **metadata):
    text = json.dumps({**tensors, "__metadata__": metadata}).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}) + bytes(64),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 16]}}) + bytes(16),
        header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [-4, 12]}}) + bytes(16),
        (2**62).to_bytes(8, "little") + b"{}",
        header({}) + bytes(16),
    ],
)
def test_a_hostile_safetensors_file_is_refused(content, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError):
        convert(tmp_path / "x.safetensors", "segresnet")


def test_aliases_are_believed_of_the_zoos_own_files_alone(tmp_path):
    own = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    (tmp_path / "x.safetensors").write_bytes(header({"a": own}, aliases='{"convInit.conv.weight": "a"}') + bytes(4))
    with pytest.raises(IntegrityError, match=r"missing from the file: 'convInit.conv.weight'"):
        convert(tmp_path / "x.safetensors", "segresnet")


def zip_file(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_archives_that_are_not_plain_ones_of_pytorch_are_refused_unread(tmp_path):
    model = zip_file(tmp_path / "x.keras", {"config.json": "{}", "model.weights.h5": b""})
    with pytest.raises(IntegrityError, match=r"a zip file, but not one of PyTorch\. A \.keras file holds a whole model"):
        convert(model, "segresnet")
    bomb = zip_file(tmp_path / "bomb.pt", {"bomb/data.pkl": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(IntegrityError, match=r"unpacks to 10,000,000 bytes from [\d,]+; PyTorch does not compress"):
        convert(bomb, "segresnet")
    small = zip_file(tmp_path / "small.pt", {"small/data.pkl": b"\x80\x02}."}, zipfile.ZIP_DEFLATED)
    with pytest.raises(IntegrityError, match="PyTorch does not compress its files"):
        convert(small, "segresnet")
    with zipfile.ZipFile(tmp_path / "again.pt", "w") as archive:
        archive.writestr("again/data.pkl", bytes(5000))
        archive.filelist.extend(archive.filelist * 9)  # the same bytes under ten entries
    with pytest.raises(IntegrityError, match=r"unpacks to 50,000 bytes from [\d,]+"):
        convert(tmp_path / "again.pt", "segresnet")
    cut = tmp_path / "cut.pt"
    cut.write_bytes(zip_file(tmp_path / "whole.pt", {"x/data.pkl": bytes(5000)}).read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="damaged PyTorch file, perhaps cut off"):
        convert(cut, "segresnet")


def test_without_pytorch_its_files_are_not_read_and_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = zip_file(tmp_path / "x.pt", {"x/data.pkl": b"\x80\x02}."})
    fake = tmp_path / "torch.py"
    fake.write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # two of the fakes have one size, and are written within a second
    with pytest.raises(
        MissingExtraError, match=r"\(no torch here\): pip install 'resunet-zoo\[torch\]', or let ZOO_TORCH_PYTHON"
    ):
        convert(path, "segresnet")
    fake.write_text("__version__ = '2.5.1'")
    with pytest.raises(MissingExtraError, match=r"\(PyTorch 2\.5\.1 is too old\): .* torch>=2\.6"):
        convert(path, "segresnet")
    fake.write_text("import os; os.abort()")
    with pytest.raises(IntegrityError, match="reading it failed: it ended with -6"):
        convert(path, "segresnet")
    monkeypatch.setenv("ZOO_TORCH_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(MissingExtraError, match=r"ZOO_TORCH_PYTHON='.*nowhere' cannot be run: No such file"):
        convert(path, "segresnet")


def test_every_error_is_one_of_the_zoo():
    assert issubclass(WeightsError, ZooError)
    assert issubclass(MissingExtraError, ZooError)


def test_importing_it_loads_nothing_heavy():
    heavy = "numpy", "keras", "h5py", "safetensors", "torch"
    code = f"import sys, zoo.weights.convert; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# Nothing of the zoo is a layer that carries code; `tests/test_every_entry.py` looks at the layers of every network.


def mentions_of_lambda(source):
    """Lines on which a Lambda layer is made or imported; asking whether a layer of somebody else is one is none of these."""
    tree = ast.parse(source)
    asked = {
        id(part)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "isinstance"
        for part in ast.walk(call)
    }
    lines = []
    for node in ast.walk(tree):
        name = getattr(node, "attr", getattr(node, "id", ""))
        if name == "Lambda" and id(node) not in asked:
            lines.append(node.lineno)
        if isinstance(node, ast.alias) and node.name.endswith("Lambda"):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("source", ["keras.layers.Lambda(f)", "from keras.layers import Lambda", "x = layers.Lambda"])
def test_a_lambda_layer_would_be_found(source):
    assert mentions_of_lambda(source) == [1]


def test_no_source_makes_a_lambda_layer():
    found = {path.name: mentions_of_lambda(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert len(found) > 50
