"""resunet-zoo: residual U-Nets for Keras 3, with exact numbers and pictures of every architecture.

    import zoo
    model = zoo.get("resunet-v2")

Importing `zoo` loads no backend: each public name is imported when it is first used.
"""

from __future__ import annotations

from zoo.saved_layers import register_with_keras as _register_with_keras

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo import losses as losses
    from zoo import metrics as metrics
    from zoo.analysis import Report as Report
    from zoo.analysis import analyze as analyze
    from zoo.catalog import list_models as list_models
    from zoo.config import ModelConfig as ModelConfig
    from zoo.entry import Entry as Entry
    from zoo.entry import Numbers as Numbers
    from zoo.entry import Reference as Reference
    from zoo.errors import AnalysisError as AnalysisError
    from zoo.errors import ConfigError as ConfigError
    from zoo.errors import DownloadError as DownloadError
    from zoo.errors import ImageError as ImageError
    from zoo.errors import IntegrityError as IntegrityError
    from zoo.errors import MissingExtraError as MissingExtraError
    from zoo.errors import RegistryError as RegistryError
    from zoo.errors import RenderError as RenderError
    from zoo.errors import UnknownModelError as UnknownModelError
    from zoo.errors import UnknownWeightsError as UnknownWeightsError
    from zoo.errors import WeightsError as WeightsError
    from zoo.errors import ZooError as ZooError
    from zoo.prediction.call import predict as predict
    from zoo.registry import build as build
    from zoo.registry import get as get
    from zoo.registry import info as info
    from zoo.registry import register as register
    from zoo.render.diff import diff as diff
    from zoo.render.diff_types import Diff as Diff
    from zoo.render.picture import Picture as Picture
    from zoo.render.picture import plot as plot
    from zoo.weights.adapt import Adapt as Adapt
    from zoo.weights.convert import convert as convert
    from zoo.weights.entry import Card as Card
    from zoo.weights.entry import Metric as Metric
    from zoo.weights.entry import Recipe as Recipe
    from zoo.weights.entry import Repeat as Repeat
    from zoo.weights.entry import WeightsEntry as WeightsEntry
    from zoo.weights.export import export_weights as export_weights
    from zoo.weights.fetchers import register_fetcher as register_fetcher
    from zoo.weights.hooks import add_hook as add_hook
    from zoo.weights.library import add_weights as add_weights
    from zoo.weights.library import list_weights as list_weights
    from zoo.weights.library import weights_info as weights_info
    from zoo.weights.load import LoadReport as LoadReport
    from zoo.weights.preprocessing import Preprocessing as Preprocessing
    from zoo.weights.pretrained import Verification as Verification
    from zoo.weights.pretrained import download as download
    from zoo.weights.pretrained import load_weights as load_weights
    from zoo.weights.pretrained import verify as verify

_HOMES = {
    "zoo.catalog": ("list_models",),
    "zoo.registry": ("build", "get", "info", "register"),
    "zoo.analysis": ("Report", "analyze"),
    "zoo.render.diff": ("diff",),
    "zoo.render.diff_types": ("Diff",),
    "zoo.render.picture": ("Picture", "plot"),
    "zoo.config": ("ModelConfig",),
    "zoo.entry": ("Entry", "Numbers", "Reference"),
    "zoo.errors": (
        "AnalysisError", "ConfigError", "DownloadError", "ImageError", "IntegrityError", "MissingExtraError", "RegistryError",
        "RenderError", "UnknownModelError", "UnknownWeightsError", "WeightsError", "ZooError",
    ),
    "zoo.prediction.call": ("predict",),
    "zoo.weights.adapt": ("Adapt",),
    "zoo.weights.convert": ("convert",),
    "zoo.weights.entry": ("Card", "Metric", "Recipe", "Repeat", "WeightsEntry"),
    "zoo.weights.fetchers": ("register_fetcher",),
    "zoo.weights.hooks": ("add_hook",),
    "zoo.weights.library": ("add_weights", "list_weights", "weights_info"),
    "zoo.weights.load": ("LoadReport",),
    "zoo.weights.preprocessing": ("Preprocessing",),
    "zoo.weights.export": ("export_weights",),
    "zoo.weights.pretrained": ("Verification", "download", "load_weights", "verify"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = ("losses", "metrics")

__all__ = [*sorted(_HOME_OF), *_MODULES]


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module 'zoo' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"zoo.{name}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


_register_with_keras()
