"""State dicts of PyTorch projects, named and shaped like the real ones, become the zoo's networks; none of this needs PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from parity.case import original_shape, to_keras
from parity.comparing import recorded_errors
from weights.convert_cases import CASES, entry_of, recorded, saved, state_dict, untold

from zoo.registry import build, info, resolve
from zoo.weights.convert import convert
from zoo.weights.convert.fitting import FILLED

OURS = tuple(name for name in recorded() if name in CASES and name != "resnet34")  # named like the 18 and the 50
COMPARED = ("resnet50", "monai-unet", "monai-unet-3d", "segresnet-transposed", "resenc-2d-one-output", "resenc-3d-residual")
SOURCES = {"resnet": "smp", "monai": "monai", "segres": "monai", "resenc": "dynamic-network-architectures"}


def expected(case):
    """The variables as the parity tests fill them."""
    for theirs, layer, kind in case.table():
        yield (
            f"{layer}/{kind}",
            lambda shape, theirs=theirs, kind=kind: to_keras(
                case, case.value(theirs, kind, original_shape(case, shape, kind)), shape
            ),
        )


@pytest.mark.parametrize("name", OURS)
def test_every_tensor_goes_where_the_proven_table_has_it(name, tmp_path):
    case = CASES[name]
    converted = convert(saved(tmp_path / "x.safetensors", state_dict(name)), entry_of(case), **untold(case))
    assert converted.source == SOURCES[name[:6] if name[:6] in SOURCES else name[:5]]
    assert converted.scope == "all"
    wanted = dict(expected(case))
    assert set(converted.tensors) == set(wanted)
    for path, tensor in converted.tensors.items():
        assert tensor.dtype == np.float32
        assert tensor.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(tensor, wanted[path](tensor.shape))
    given = resolve(info(case.entry), **case.overrides)
    for field in case.overrides:
        filled = FILLED.get(field, field)
        assert getattr(converted.config, filled) == getattr(given, filled), field


@pytest.mark.parametrize("name", COMPARED)
def test_the_converted_network_computes_what_the_original_did(name, tmp_path):
    case = CASES[name]
    path = saved(tmp_path / "x.safetensors", state_dict(name))
    converted = convert(path, entry_of(case), head_activation=None, **untold(case))
    network = build(converted.config)
    for variable in network.variables:
        variable.assign(converted.tensors[variable.path])
    assert max(recorded_errors(case, network)) <= 1e-5


@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
def test_torchvision_gives_the_encoder_that_smp_has(encoder, tmp_path):
    whole = convert(saved(tmp_path / "smp.safetensors", state_dict(encoder)), f"{encoder}-unet")
    path = saved(tmp_path / "torchvision.safetensors", state_dict(f"torchvision-{encoder}"))
    alone = convert(path, f"{encoder}-unet", classes=5)
    assert (alone.source, alone.scope, alone.config.classes) == ("torchvision", "encoder", 5)
    encoders = {name for name in whole.tensors if name.startswith(("stem", "enc"))}
    assert set(alone.tensors) == encoders
    for name in encoders:
        np.testing.assert_array_equal(alone.tensors[name], whole.tensors[name])
    assert {"fc.weight", "fc.bias", "bn1.num_batches_tracked"} <= set(alone.unused)


def test_what_is_left_out_on_purpose_is_named_as_in_the_file(tmp_path):
    tensors = {f"module.{name}": tensor for name, tensor in state_dict("monai-unet-3d-plain").items()}
    converted = convert(saved(tmp_path / "x.safetensors", tensors), "monai-unet-3d-d3-f4", activation="relu")
    assert set(converted.unused) == {name for name in tensors if name.endswith("num_batches_tracked")}
    assert len(converted.unused) == 4


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_what_wrappers_put_before_all_names_is_taken_off(prefix, tmp_path):
    case = CASES["segresnet"]
    tensors = {prefix + name: tensor for name, tensor in state_dict("segresnet").items()}
    converted = convert(saved(tmp_path / "x.safetensors", tensors), "segresnet")
    assert set(converted.tensors) == {name for name, _ in expected(case)}


def test_a_tensor_that_is_there_under_its_other_names_alone_is_found(tmp_path):
    """As safetensors saves models with shared tensors: one name of each is kept, and it is the first in the alphabet."""
    tensors, kept = state_dict("resenc-2d-one-output"), {}
    seen = set()
    for name in sorted(tensors):
        key = (tensors[name].shape, tensors[name].tobytes())
        if key not in seen:
            kept[name] = tensors[name]
            seen.add(key)
    kept |= {name: tensors[name] for name in tensors if name.startswith("decoder.seg_layers")}
    assert "encoder.stem.convs.0.conv.weight" not in kept
    case = CASES["resenc-2d-one-output"]
    converted = convert(saved(tmp_path / "x.safetensors", kept), entry_of(case), deep_supervision=False)
    for path, value in expected(case):
        np.testing.assert_array_equal(converted.tensors[path], value(converted.tensors[path].shape))


def test_nnunets_plan_is_read_from_the_file(tmp_path):
    path = saved(tmp_path / "x.safetensors", state_dict("resenc-3d-slices"))
    config = convert(path, "resenc-unet-3d-d5-f4").config
    assert config.level_strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (1, 2, 2))
    assert config.level_kernels == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
    assert (config.unit_counts, config.most_filters) == ((1, 3, 2, 2, 1), 12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-3), ("float64", 0), ("bfloat16", 1e-2)])
def test_other_floats_become_float32(dtype, tolerance, tmp_path):
    import ml_dtypes  # noqa: F401  NumPy knows bfloat16 through it

    tensors = state_dict("segresnet")
    path = saved(tmp_path / "x.safetensors", {name: tensor.astype(dtype) for name, tensor in tensors.items()})
    converted = convert(path, "segresnet")
    assert all(tensor.dtype == np.float32 for tensor in converted.tensors.values())
    received = converted.tensors["stem0_conv1/kernel"]
    given = tensors["convInit.conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(received, given, rtol=tolerance)
    np.testing.assert_array_equal(received, given.astype(dtype).astype("float32"))
