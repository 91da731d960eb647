"""Makes the zoo's own layers, losses and metrics known to Keras, so that saved networks load wherever `zoo` is imported.

Keras finds a foreign layer of a `.keras` file only where it was registered before, which importing their modules does. But
`import zoo` must not import Keras: where Keras is not there yet, a finder waits for it and then steps aside.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def register_with_keras() -> None:
    """Registers them now where Keras is loaded, else as soon as it is."""
    if "keras" in sys.modules:
        _import_all()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _import_all() -> None:
    import zoo.depthwise
    import zoo.layers
    import zoo.losses
    import zoo.metrics.streaming  # noqa: F401


class _AfterKeras:
    """Finder of the module `keras` alone: the usual one finds it, and the zoo's classes are imported once it is complete."""

    looking = False

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder.find_spec`; others may ask without loading, as TensorFlow does."""
        if name != "keras" or self.looking:
            return None
        from importlib.util import find_spec

        self.looking = True
        spec = find_spec(name)
        self.looking = False
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            sys.meta_path.remove(self)
            load(module)
            _import_all()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
