from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo import catalog, registry
from zoo.config import ModelConfig, integer
from zoo.errors import ConfigError, RegistryError, UnknownModelError, WeightsError, ZooError

REFERENCE = zoo.Reference(title="A network of the tests", authors=("Nobody",), year=2024, url="https://example.org")


@dataclass(frozen=True, kw_only=True)
class MineConfig(ModelConfig):
    """A user's own family."""

    family: ClassVar[str] = "mine"
    depth: int = integer(2, low=1, high=4)
    filters: int = integer(4, low=1, high=64)


@dataclass(frozen=True, kw_only=True)
class OtherConfig(ModelConfig):
    """A family without sizes that no function of this module builds."""

    family: ClassVar[str] = "other"


def build(config: MineConfig):
    import keras

    inputs = keras.Input(config.input_shape, name="input")
    return keras.Model(inputs, keras.layers.Conv2D(config.classes, 1, name="head0_conv")(inputs), name=config.name)


def entry(config: ModelConfig | None = None, **fields: object) -> zoo.Entry:
    return zoo.Entry(config=config or MineConfig(), summary="Mine.", reference=REFERENCE, **fields)


class TestInfo:
    def test_the_base_is_the_default_entry(self):
        assert zoo.info("resunet-v1") is zoo.info("resunet-v1-d5-f64")

    def test_a_listed_name_is_the_listed_entry(self):
        assert zoo.info("resunet-v1-d4-f16").config.sizes == {"depth": 4, "filters": 16}

    @pytest.mark.parametrize(
        ("name", "full"),
        [
            ("resunet-v1-d3-f12", "resunet-v1-d3-f12"),
            ("resunet-v1-d4", "resunet-v1-d4-f64"),
            ("resunet-v1-f7", "resunet-v1-d5-f7"),
            ("resunet-v1-3d-f8", "resunet-v1-3d-d4-f8"),
        ],
    )
    def test_any_valid_size_resolves(self, name, full):
        found = zoo.info(name)
        assert found.name == full == found.config.name
        assert zoo.info(full) == found

    def test_every_listed_name_resolves_to_itself(self):
        assert [zoo.info(name).name for name in zoo.list_models()] == zoo.list_models()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "resunt-v1",
                r"^Unknown model: 'resunt-v1'; did you mean 'resunet-v1'.*\? zoo\.list_models\(\) and `zoo list` show all",
            ),
            ("Resunet-V1", r"^Ill-formed model name: 'Resunet-V1'.*did you mean 'resunet-v1'"),
            ("qqq", r"^Unknown model: 'qqq'\. zoo\.list_models\(\)"),
            ("resunet-v1-f64-d5", r"^Ill-formed .* depth before filters"),
            (None, r"^A model name is a string such as 'resunet-v1-d5-f64'\. Received: None"),
            (5, r"Received: 5"),
        ],
    )
    def test_a_wrong_name_is_refused_in_words(self, name, message):
        with pytest.raises(UnknownModelError, match=message) as caught:
            zoo.info(name)
        assert ".." not in str(caught.value)
        assert ".;" not in str(caught.value)

    def test_a_size_out_of_range_is_refused(self):
        with pytest.raises(
            ConfigError, match=r"`depth` must be a whole number from 2 to 10; the nearest is 10\. Received: depth=11"
        ):
            zoo.info("resunet-v1-d11")

    def test_a_size_that_the_family_lacks_is_refused(self, own_registry):
        zoo.register(entry(OtherConfig()), build=build)
        with pytest.raises(UnknownModelError, match=r"^'other' takes no size in its name\. Received: 'other-d3'.*; use 'other'$"):
            zoo.info("other-d3")

    def test_errors_are_of_the_kinds_that_python_expects(self):
        with pytest.raises(LookupError):
            zoo.info("nothing")
        with pytest.raises(ValueError, match="depth"):
            zoo.get("resunet-v1", depth=0)


class TestGet:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ({"clases": 2}, r"`clases` is not a field of resunet-v1; did you mean 'classes'\?"),
            (
                {"input_shape": (64, 64, 64, 1)},
                r"resunet-v1-d5-f64 is 2D and .* is 3D; use 'resunet-v1-3d.*' for 3D, or a shape such as",
            ),
            ({"input_shape": (250, 250, 3)}, r"height 250 is not a multiple of 16; use 240 or 256"),
            ({"input_shape": (256, 256)}, r"one spatial axis \(1D\)"),
        ],
    )
    def test_a_bad_override_is_refused_in_words(self, overrides, message):
        with pytest.raises(ConfigError, match=message):
            zoo.get("resunet-v1", **overrides)

    @pytest.mark.parametrize(("name", "weights"), [("unet.some-v1", None), ("unet", "some-v1"), ("unet-d3-f8.some-v1", None)])
    def test_weights_that_do_not_exist_are_an_error(self, name, weights):
        with pytest.raises(WeightsError, match=r"^unet-d\d-f\d+ has no weights 'some-v1'.*Use weights=None"):
            zoo.get(name, weights=weights)

    def test_a_model_is_what_its_name_says(self):
        model = zoo.get("resunet-v1-d2-f2", classes=3, input_shape=(None, None, 1))
        assert model.name == "resunet-v1-d2-f2"
        assert model.input_shape == (None, None, None, 1)
        assert model.output_shape == (None, None, None, 3)

    def test_overridden_sizes_show_in_the_model_name(self):
        assert zoo.get("resunet-v1", depth=2, filters=2).name == "resunet-v1-d2-f2"


class TestBuild:
    @pytest.mark.parametrize("config", ["resunet-v1", None, 5, {"depth": 3}, MineConfig])
    def test_what_is_no_config_is_refused(self, config):
        with pytest.raises(
            ConfigError, match=r"^`config` must be a zoo\.ModelConfig, such as zoo\.info\('resunet-v1'\)\.config\."
        ):
            zoo.build(config)

    def test_a_config_that_nobody_builds_is_refused(self):
        local = dataclasses.make_dataclass("Stray", [], bases=(ModelConfig,), frozen=True, kw_only=True)
        local.__module__ = "nowhere"
        with pytest.raises(ConfigError, match=r"^No function builds a Stray: give one to zoo\.register.*in nowhere\."):
            zoo.build(local())


@pytest.mark.usefixtures("own_registry")
class TestRegister:
    def test_a_family_of_ones_own_behaves_like_the_others(self):
        zoo.register(entry(), entry(MineConfig(depth=3)))
        assert zoo.list_models("mine*") == ["mine-d2-f4", "mine-d3-f4"]
        assert zoo.list_models("mine") == ["mine-d2-f4"]
        assert zoo.list_models(family="mine", ndim=3) == []
        assert zoo.info("mine").name == "mine-d2-f4"
        assert zoo.info("mine-f9").config == MineConfig(filters=9)
        model = zoo.get("mine-f9", classes=2, input_shape=(8, 8, 1))
        assert (model.name, model.output_shape) == ("mine-d2-f9", (None, 8, 8, 2))
        with pytest.raises(UnknownModelError, match=r"did you mean 'mine'"):
            zoo.info("mime")

    def test_its_numbers_are_analysed_where_they_are_asked_for(self):
        zoo.register(entry(analysis_shape=(8, 8, 3)))
        assert zoo.info("mine").numbers.macs == 8 * 8 * 3
        assert zoo.list_models("mine", max_params=4) == ["mine-d2-f4"]
        assert zoo.list_models("mine", max_params=3) == []

    def test_a_function_can_be_given(self):
        zoo.register(entry(OtherConfig()), build=build)
        assert zoo.get("other").name == "other"

    def test_a_variant_and_a_variant_name_of_ones_own(self):
        zoo.register(entry(MineConfig(classes=2), name="mine-wide-d2-f4"))
        assert zoo.info("mine-wide").config.classes == 2
        assert zoo.info("mine-wide-d3").name == "mine-wide-d3-f4"

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (lambda: entry(zoo.info("resunet-v1").config), r"^The model name 'resunet-v1-d5-f64' is taken already\."),
            (lambda: entry(), r"^The model name 'mine-d2-f4' is taken already\. Choose another; zoo\.list_models\(\) shows"),
            (lambda: "mine", r"^zoo\.register takes zoo\.Entry values\. Received: 'mine'"),
            (lambda: MineConfig(), r"^zoo\.register takes zoo\.Entry values\. Received: MineConfig"),
        ],
    )
    def test_a_failing_registration_adds_nothing(self, bad, message):
        with pytest.raises(RegistryError, match=message):
            zoo.register(entry(), bad(), build=build)
        assert zoo.list_models("mine*") == []
        assert catalog.registered == {}
        assert MineConfig not in registry._builders

    def test_a_name_cannot_be_registered_again(self):
        zoo.register(entry())
        with pytest.raises(RegistryError, match="taken already"):
            zoo.register(entry())

    def test_an_entry_that_nobody_builds_is_refused(self):
        stray = dataclasses.make_dataclass("Stray", [], bases=(ModelConfig,), frozen=True, kw_only=True)
        stray.__module__ = "nowhere"
        with pytest.raises(ConfigError, match=r"^No function builds a Stray"):
            zoo.register(entry(stray(), name="stray"))
        assert catalog.registered == {}

    def test_a_function_for_new_names_does_not_change_old_ones(self):
        before = registry.builder_of(zoo.info("resunet-v1").config)
        with pytest.raises(RegistryError, match=r"^ResUNetV1Config is built by .* already"):
            zoo.register(entry(zoo.info("resunet-v1").config, name="mine"), build=build)
        assert registry.builder_of(zoo.info("resunet-v1").config) is before


class TestEntry:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("mine-d3-f4", r"^The name 'mine-d3-f4' states .*3.*, its config has .*2.*\. Give both the same sizes\."),
            ("mine_d2", r"^Ill-formed model name: 'mine_d2'"),
            ("Mine", r"^Ill-formed model name: 'Mine'"),
        ],
    )
    def test_a_name_must_be_well_formed_and_agree_with_the_config(self, name, message):
        with pytest.raises(RegistryError, match=message):
            entry(name=name)

    def test_a_size_that_the_config_lacks_cannot_be_in_the_name(self):
        with pytest.raises(RegistryError, match="states"):
            entry(OtherConfig(), name="other-d3")

    def test_the_analysis_shape_fits_the_network(self):
        deep = zoo.info("resunet-v1-d10-f1")
        assert deep.analysis_shape == (512, 512, 3)
        deep.config.replace(input_shape=deep.analysis_shape)
        assert zoo.info("resunet-v1-3d").analysis_shape == (64, 64, 64, 1)
        assert entry(MineConfig(input_shape=(40, None, 1))).analysis_shape == (40, 256, 1)


KNOWN = st.sampled_from([*zoo.list_models(), *{zoo.info(name).base for name in zoo.list_models()}])
SIZED = st.builds(
    lambda name, depth, filters: (
        name + (f"-d{depth}" if depth is not None else "") + (f"-f{filters}" if filters is not None else "")
    ),
    KNOWN,
    st.none() | st.integers(-1, 12),
    st.none() | st.integers(0, 5000),
)
SLIP = st.builds(
    lambda name, place, letter: name[: place % len(name)] + letter + name[place % len(name) + 1 :],
    KNOWN,
    st.integers(0, 30),
    st.sampled_from(["", "x", "-", "5", "D", ".", " "]),
)


@given(st.one_of(SIZED, SLIP, st.text(max_size=12), st.from_regex(r"[a-z]{1,8}(-[a-z0-9]{1,4}){0,4}", fullmatch=True)))
def test_a_random_name_is_an_entry_or_a_zoo_error(name):
    try:
        found = zoo.info(name)
    except ZooError as error:
        assert repr(name) in str(error) or "Received" in str(error)
    else:
        assert zoo.info(found.name).config == found.config


@given(KNOWN, st.lists(st.none() | st.integers(1, 200), min_size=2, max_size=5))
def test_a_random_shape_keeps_the_dimension_of_the_entry(name, shape):
    found = zoo.info(name)
    try:
        config = registry.resolve(found, input_shape=tuple(shape))
    except ZooError as error:
        assert "input_shape" in str(error)
    else:
        assert config.ndim == found.ndim


def test_a_weightless_build_leaves_nothing_to_fill():
    """Keras keeps a list of variables without values and fills them all later; ours are not on the caller's list."""
    from keras.src.backend.common.global_state import get_global_attribute

    network = registry.build_weightless(zoo.info("resunet-v1-d3-f8").config)
    assert not get_global_attribute("uninitialized_variables")
    keras.KerasTensor((1, 2))
    keras.ops.add(keras.KerasTensor((1, 2)), 1)
    with keras.StatelessScope():
        pass  # leaving it fills what is on the list
    assert all(variable._value is None for variable in network.variables)


def test_a_weightless_build_follows_the_dtype_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert registry.build_weightless(zoo.info("resunet-v1-d3-f8").config).get_layer("enc0_conv1").compute_dtype == "float16"
    finally:
        keras.config.set_dtype_policy(before)
