from __future__ import annotations

import subprocess
import sys

import pytest

import zoo
from zoo import plugins
from zoo.errors import RegistryError, UnknownModelError

NETS = """
from dataclasses import dataclass
from typing import ClassVar
from zoo import Entry, ModelConfig, Reference
from zoo.config import integer

@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    family: ClassVar[str] = "FAMILY"
    depth: int = integer(2, low=1, high=9)

ENTRIES = (Entry(config=Config(), summary="From a plug-in.", reference=Reference(title="t", authors=("a",), year=2024, url="u")),)

def build(config):
    import keras
    inputs = keras.Input(config.input_shape, name="input")
    return keras.Model(inputs, keras.layers.Conv2D(config.classes, 1)(inputs), name=config.name)
"""
GOOD = NETS.replace("FAMILY", "plugged")
LIST = "import zoo, sys; print(*zoo.list_models('plugged*')); print('importlib.metadata' in sys.modules)"


def run(code: str, folder: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_plugin_adds_its_entries(add_plugin):
    add_plugin("nets", GOOD)
    assert zoo.list_models("plugged*") == ["plugged-d2"]
    assert zoo.info("plugged-d3").name == "plugged-d3"
    assert zoo.get("plugged", classes=2).output_shape == (None, None, None, 2)
    assert zoo.list_models(family="plugged", max_params=4) == ["plugged-d2"]
    with pytest.raises(UnknownModelError, match="did you mean 'plugged'"):
        zoo.info("pluged")


@pytest.mark.parametrize("value", ["nets", "nets:ENTRIES", "nets:ENTRY"])
def test_an_entry_point_names_a_module_or_its_entries(add_plugin, value):
    add_plugin("nets", GOOD + "ENTRY = ENTRIES[0]\n", value)
    assert zoo.get("plugged").output_shape == (None, None, None, 1)


def test_a_plugin_is_found_in_a_fresh_process(add_plugin, tmp_path):
    assert run(LIST, add_plugin("nets", GOOD)) == ["plugged-d2", "True"]


def test_without_plugins_the_costly_search_is_left_out(tmp_path):
    assert run(LIST, tmp_path) == ["", "False"]


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("raise ValueError('sorry')", None, r"ValueError: sorry"),
        ("import package_that_nobody_has", None, r"ModuleNotFoundError: No module named 'package_that_nobody_has'"),
        (
            "ENTRIES = 5",
            None,
            r"TypeError: broken must be a module with ENTRIES, a tuple of zoo\.Entry, or such a tuple; received 5",
        ),
        ("ENTRIES = ('a',)", None, r"received \('a',\)"),
        ("", None, r"received <module 'broken'"),
        ("thing = 5", "broken:thing", r"TypeError: broken:thing must be a module with ENTRIES"),
        ("", "broken:missing", r"AttributeError"),
        ("", "elsewhere", r"ModuleNotFoundError"),
        (NETS.replace("FAMILY", "Ill formed"), None, r"RegistryError: Ill-formed model name"),
        ("def :", None, r"SyntaxError"),
        ("import sys; sys.exit('bye')", None, r"SystemExit: bye"),
    ],
)
def test_a_broken_plugin_is_named_and_breaks_nothing_else(add_plugin, source, value, reason):
    before = zoo.list_models()
    add_plugin("broken", source, value)
    add_plugin("nets", GOOD)
    assert zoo.list_models() == [*before, "plugged-d2"]
    assert zoo.info("resunet-v1").name == "resunet-v1-d5-f64"
    label = rf"broken \(broken: {value or 'broken'}\)"
    with pytest.raises(
        UnknownModelError, match=rf"^Unknown model: 'my-net'.* The plug-in {label} could not be loaded .*{reason}"
    ):
        zoo.info("my-net")
    assert list(plugins.broken_plugins()) == [f"broken (broken: {value or 'broken'})"]


def test_a_name_of_two_plugins_is_refused(add_plugin):
    add_plugin("first", GOOD)
    add_plugin("second", GOOD)
    message = (
        r"^The model name 'plugged-d2' is defined twice: by plug-in first \(.*\) and by plug-in second \(.*\)\. Remove or rename"
    )
    with pytest.raises(RegistryError, match=message):
        zoo.list_models()
    with pytest.raises(RegistryError, match=message):
        zoo.info("plugged")
    assert zoo.info("resunet-v1").name == "resunet-v1-d5-f64"


def test_a_name_of_the_zoo_is_refused(add_plugin):
    add_plugin("first", "from zoo.architectures.resunet_v1 import ENTRIES, build")
    message = r"^The model name 'resunet-v1-d5-f64' is defined twice: by the zoo and by plug-in first \("
    with pytest.raises(RegistryError, match=message):
        zoo.list_models()
    with pytest.raises(RegistryError, match=r"is defined twice: by the zoo and by plug-in first"):
        zoo.info("resunet-v1")
    assert zoo.info("unet").family == "unet"


def test_a_name_of_a_plugin_cannot_be_registered(add_plugin):
    add_plugin("nets", GOOD)
    with pytest.raises(RegistryError, match=r"^The model name 'plugged-d2' is taken already"):
        zoo.register(zoo.info("plugged"))


def test_several_plugins_stand_side_by_side_in_the_order_of_their_names(add_plugin):
    add_plugin("beta", NETS.replace("FAMILY", "beta"))
    add_plugin("alpha", NETS.replace("FAMILY", "alpha"))
    assert zoo.list_models()[-2:] == ["alpha-d2", "beta-d2"]
