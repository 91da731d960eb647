"""What importing and listing load and cost; the last tests prove that the first ones can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo import catalog

BACKENDS = ("keras", "tensorflow", "jax", "torch", "numpy")
DRAWING = ("rich", "typer", "pydot", "graphviz", "pygraphviz")
COSTLY = ("dataclasses", "inspect", "typing", "pathlib", "importlib.metadata", "zoo.config", "zoo.entry", "zoo.registry")
ZOO = Path(sys.executable).with_name("zoo")


def loaded(code: str, watched: tuple[str, ...], *folders: Path) -> set[str]:
    """Runs code in a fresh Python; returns which of the watched modules it left loaded that were not there before."""
    program = f"""
import sys
sys.path[:0] = {[str(folder) for folder in folders]!r}
before = set(sys.modules)
try:
    exec({code!r})
except SystemExit:
    pass
print("\\n", *(name for name in {watched!r} if name in sys.modules and name not in before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; zoo.losses.Dice; zoo.metrics.Dice",
        "from zoo.losses import Dice",
        "from zoo.metrics import Dice",
        "import keras, zoo",
    ],
)
def test_losses_and_metrics_can_be_the_first_thing_that_is_imported(code):
    assert loaded(code, ("keras",)) == {"keras"}


@pytest.mark.parametrize(
    ("code", "watched"),
    [
        ("import zoo", (*BACKENDS, *DRAWING, *COSTLY, "json", "re", "zoo.catalog", "zoo.errors")),
        ("import zoo; zoo.list_models()", (*BACKENDS, *DRAWING, *COSTLY)),
        ("import zoo; zoo.list_models('*', family='unet', ndim=2, max_params=1e9, max_macs=1)", (*BACKENDS, *DRAWING, *COSTLY)),
        ("import zoo; zoo.info('resunet-v1-d5-f64').numbers.flops", (*BACKENDS, *DRAWING)),
        ("import zoo; zoo.info('resunet-v1-d3-f12').config.replace(classes=3)", (*BACKENDS, *DRAWING)),
        ("import zoo\nfor name in zoo.list_models(): zoo.info(name).numbers.macs", (*BACKENDS, *DRAWING)),
        ("import zoo\ntry: zoo.get('resunt')\nexcept zoo.UnknownModelError: pass", (*BACKENDS, *DRAWING)),
        ("import zoo\ntry: zoo.get('unet', classes=0)\nexcept zoo.ConfigError: pass", (*BACKENDS, *DRAWING)),
        ("import zoo, zoo.analysis, zoo.render, zoo.plugins; zoo.analyze, zoo.plot, zoo.Report", (*BACKENDS, *DRAWING)),
        ("import zoo; zoo.list_weights(); zoo.weights_info(zoo.list_weights()[0]).config", (*BACKENDS, *DRAWING)),
        ("import zoo; zoo.get, zoo.load_weights, zoo.convert, zoo.download, zoo.verify, zoo.Adapt", (*BACKENDS, *DRAWING)),
        ("import zoo; zoo.predict, zoo.ImageError", (*BACKENDS, *DRAWING, "PIL", "tifffile", "imagecodecs")),
        ("import sys; sys.argv = ['zoo', 'predict', '--help']; from zoo.cli import main; main()", (*BACKENDS, "rich", "PIL")),
        ("import sys; sys.argv = ['zoo', 'weights', 'list']; from zoo.cli import main; main()", (*BACKENDS, "rich")),
        ("import sys; sys.argv = ['zoo', 'list']; from zoo.cli import main; main()", (*BACKENDS, "rich", "zoo.entry")),
        ("import sys; sys.argv = ['zoo', 'list', '--json']; from zoo.cli import main; main()", (*BACKENDS, "rich")),
        ("import sys; sys.argv = ['zoo', 'info', 'resunet-v1']; from zoo.cli import main; main()", (*BACKENDS, "rich")),
        ("import sys; sys.argv = ['zoo', '--help']; from zoo.cli import main; main()", (*BACKENDS, "rich")),
    ],
)  # fmt: skip
def test_no_backend_and_nothing_costly_is_loaded(code, watched):
    assert loaded(code, watched) == set()


@pytest.mark.parametrize("module", catalog.family_modules())
def test_a_family_loads_no_backend_until_it_builds(module):
    assert loaded(f"import zoo.architectures.{module}", BACKENDS) == set()


def test_the_check_sees_a_module_that_is_loaded(tmp_path):
    (tmp_path / "careless.py").write_text("import numpy\nfrom zoo import list_models\n")
    assert loaded("import careless", BACKENDS, tmp_path) == {"numpy"}


def test_the_check_sees_a_careless_family(tmp_path):
    (tmp_path / "careless.py").write_text("import zoo\nzoo.info('resunet-v1')\nfrom zoo import blocks\n")
    assert {"keras", "numpy"} <= loaded("import careless", BACKENDS, tmp_path)


def test_every_public_name_is_there_and_an_unknown_one_is_not():
    assert all(getattr(zoo, name) is not None for name in zoo.__all__)
    assert set(zoo.__all__) <= set(dir(zoo))
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'nothing'"):
        _ = zoo.nothing


@pytest.mark.parametrize(
    ("command", "most"),
    [
        ([sys.executable, "-c", "import zoo; zoo.list_models()"], 6),
        ([str(ZOO), "list"], 20),
    ],
    ids=["import and list", "zoo list"],
)
def test_listing_costs_few_times_a_bare_python(command, most):
    bare = min(processor_seconds(sys.executable, "-c", "pass") for _ in range(10))
    listing = min(processor_seconds(*command) for _ in range(10))
    assert listing / bare <= most


def processor_seconds(*command: str) -> float:
    """The processor time of a command, which hardly depends on what else the machine does."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime
