"""From a name to a description to a network: `info`, `build`, `get`, `register`.

A name resolves in two steps: its base (`resunet-v1-3d`) finds an entry of the catalog, its sizes (`-d4-f16`) replace
fields of that entry's config. So any valid size resolves, listed or not.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from zoo import catalog
from zoo.config import ModelConfig
from zoo.entry import Entry
from zoo.errors import ConfigError, RegistryError, UnknownModelError, WeightsError, close_matches
from zoo.names import parse_name, split_tag
from zoo.plugins import broken_plugins, plugin_entries

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import keras

    from zoo.weights.adapt import Adapt

    Builder = Callable[[Any], keras.Model]

_builders: dict[type[ModelConfig], Builder] = {}
_configs: WeakKeyDictionary[keras.Model, ModelConfig] = WeakKeyDictionary()


def info(name: str) -> Entry:
    """Returns what is known about an entry, without loading a backend for entries of the catalog.

    Args:
        name: Any name of the grammar: a listed one (`"resunet-v1-d5-f64"`), a base (`"resunet-v1"`, its default entry), or
            any other valid size (`"resunet-v1-d3-f12"`).

    Raises:
        UnknownModelError: No entry has this base; the message has close matches and names plug-ins that failed to load.
        ConfigError: The family cannot be built at this size.
    """
    if not isinstance(name, str):
        message = f"A model name is a string such as 'resunet-v1-d5-f64'. Received: {name!r}"
        raise UnknownModelError(message)
    try:
        base, sizes = parse_name(name)
    except RegistryError as error:
        raise UnknownModelError(str(error).rstrip(".") + _suggestions(name)) from None
    variants = _entries_with_base(base, name)
    default = variants[0]
    unknown = [size for size in sizes if size not in default.config.sizes]
    if unknown:
        allowed = ", ".join(default.config.sizes) or "no size"
        message = (
            f"{base!r} takes {allowed} in its name. Received: {name!r}, which states {', '.join(unknown)}; use {default.name!r}"
        )
        raise UnknownModelError(message)
    wanted = {**default.config.sizes, **sizes}
    for entry in variants:
        if entry.config.sizes == wanted:
            return entry
    return default.resized(**wanted)


def get(
    name: str, weights: str | os.PathLike[str] | None = None, *, adapt: str | Adapt | None = None, **overrides: Any
) -> keras.Model:
    """Builds the network of a name, with pretrained weights where they are asked for.

    Args:
        name: See `info`; `"<entry>.<tag>"` also asks for weights, such as `"resunet-v1-d3-f8.nuclei-v1"`.
        weights: Tag of published weights, `"default"` for the entry's default ones, or the path of a file that
            `zoo.export_weights` or Keras wrote; None leaves the network freshly initialised. Nothing is downloaded unless
            asked for.
        adapt: What may be changed to make weights fit other channels or classes: `"mean"`, `"repeat"`, `"zero"`, `"fresh"`,
            `"encoder"` or a `zoo.Adapt`.
        **overrides: Fields of the config with other values, such as `input_shape`, `classes` or `filters`; of the weights'
            config where there are weights, of the entry's else.

    Returns:
        A functional `keras.Model`, `(N, H, W, C) -> (N, H, W, classes)` or `(N, D, H, W, C) -> (N, D, H, W, classes)`.

    Raises:
        UnknownModelError: See `info`.
        ConfigError: An override is not a field or has a value that is not allowed.
        WeightsError: There are no such weights, they are for another network, or `adapt` would be needed.
        DownloadError: They cannot be fetched.
        IntegrityError: Their file is damaged.
    """
    name, tag = split_tag(name) if isinstance(name, str) else (name, None)
    entry = info(name)
    if tag is not None and weights is not None and weights != tag:
        message = f"Two sets of weights are asked for: {tag!r} in the name and weights={weights!r}. Leave one of them out."
        raise WeightsError(message)
    wanted = weights if weights is not None else tag
    if wanted is not None:
        from zoo.weights.pretrained import network_with_weights

        return network_with_weights(entry, wanted, adapt, overrides)
    if adapt is not None:
        message = f"`adapt` says how weights are changed, and none are asked for. Received: adapt={adapt!r}, weights=None"
        raise WeightsError(message)
    return build(resolve(entry, **overrides))


def resolve(entry: Entry, **overrides: Any) -> ModelConfig:
    """Returns the entry's config with overrides; the number of spatial axes stays that of the entry."""
    config = entry.config.replace(**overrides)
    if config.ndim != entry.ndim:
        other = config.base if config.base != entry.base else f"an entry of {config.ndim}D"
        message = (
            f"{entry.name} is {entry.ndim}D and input_shape={config.input_shape} is {config.ndim}D; "
            f"use {other!r} for {config.ndim}D, or a shape such as {entry.config.input_shape}."
        )
        raise ConfigError(message)
    return config


def build(config: ModelConfig) -> keras.Model:
    """Builds the network that a config describes; this loads Keras.

    Raises:
        ConfigError: `config` is not a config of a family that can be built.
    """
    model = builder_of(config)(config)
    _configs[model] = config
    return model


def config_of(model: keras.Model) -> ModelConfig | None:
    """Returns the config of which a network was built in this process; None for all other networks, copies too."""
    return _configs.get(model)


def build_weightless(config: ModelConfig) -> keras.Model:
    """Builds the network with shapes and names but without values for its weights, however many they are.

    Keras remembers variables that were made so and gives all of them values when it next leaves any stateless scope, in a
    list of the thread: hence a thread of its own, with which that list goes.

    Raises:
        ConfigError: See `build`.
    """
    from concurrent.futures import ThreadPoolExecutor

    import keras

    policy = keras.config.dtype_policy()

    def work() -> keras.Model:
        keras.config.set_dtype_policy(policy)  # a setting of the thread, too
        with keras.StatelessScope(initialize_variables=False):
            return build(config.weightless if isinstance(config, ModelConfig) else config)

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def builder_of(config: ModelConfig) -> Builder:
    """Returns the function that builds this kind of config: a registered one, else `build` of its class's module."""
    if not isinstance(config, ModelConfig):
        message = f"`config` must be a zoo.ModelConfig, such as zoo.info('resunet-v1').config. Received: {config!r}"
        raise ConfigError(message)
    kind = type(config)
    builder = _known_builder(kind)
    if builder is None:
        message = (
            f"No function builds a {kind.__name__}: give one to zoo.register(..., build=...), "
            f"or define `build` in {kind.__module__}."
        )
        raise ConfigError(message)
    return builder


def _known_builder(kind: type[ModelConfig]) -> Builder | None:
    return _builders.get(kind) or getattr(sys.modules.get(kind.__module__), "build", None)


def register(*entries: Entry, build: Builder | None = None) -> None:
    """Adds entries of your own to the catalog of this process.

    Args:
        *entries: What to add; a family's default size comes first.
        build: Function from the entries' config to a functional `keras.Model`; by default `build` of the module that
            defines the config's class.

    Raises:
        RegistryError: A name is taken or given twice, a value is not an `Entry`, or its config has another builder already;
            nothing is added then.
    """
    taken = {name for name, _ in catalog.catalog_rows()}
    for entry in entries:
        if not isinstance(entry, Entry):
            message = f"zoo.register takes zoo.Entry values. Received: {entry!r}"
            raise RegistryError(message)
        if entry.name in taken:
            message = f"The model name {entry.name!r} is taken already. Choose another; zoo.list_models() shows the names in use."
            raise RegistryError(message)
        taken.add(entry.name)
        known = _known_builder(type(entry.config))
        if build is None:
            builder_of(entry.config)
        elif known not in (None, build):
            message = (
                f"{type(entry.config).__name__} is built by {known.__module__}.{known.__qualname__} already. Leave `build` out, "
                "or give the entry a config class of its own."
            )
            raise RegistryError(message)
    for entry in entries:
        catalog.registered[entry.name] = entry
        if build is not None:
            _builders[type(entry.config)] = build


def family_entries(module: str) -> tuple[Entry, ...]:
    """Returns the entries that a file of `zoo.architectures` lists."""
    return importlib.import_module(f"zoo.architectures.{module}").ENTRIES


def _entries_with_base(base: str, name: str) -> list[Entry]:
    """Returns the entries of one base, its default first; `name` is what the user typed."""
    module = _module_with_base(base)
    owners: dict[str, list[Entry]] = {}
    if module is not None:
        owners["the zoo"] = [entry for entry in family_entries(module) if entry.base == base]
    for plugin, entries in plugin_entries().items():
        owners[f"plug-in {plugin}"] = [entry for entry in entries if entry.base == base]
    owners["zoo.register"] = [entry for entry in catalog.registered.values() if entry.base == base]
    owners = {owner: entries for owner, entries in owners.items() if entries}
    found = [entry for entries in owners.values() for entry in entries]
    names = [entry.name for entry in found]
    twice = {entry_name for entry_name in names if names.count(entry_name) > 1}
    if twice:
        message = f"The model name {min(twice)!r} is defined twice: by {' and by '.join(owners)}. Remove or rename one of them."
        raise RegistryError(message)
    if not found:
        raise UnknownModelError(f"Unknown model: {name!r}{_suggestions(name)}")
    return found


def _module_with_base(base: str) -> str | None:
    """Returns the family file that lists entries of this base."""
    for module in catalog.family_modules():
        rows = catalog.stored_rows(module)
        names = rows if rows is not None else [entry.name for entry in family_entries(module)]
        if any(catalog.base_of(name) == base for name in names):
            return module
    return None


def _suggestions(name: str) -> str:
    """Says what the user may have meant, how to list names, and which plug-ins could not be asked."""
    names: set[str] = set()
    for module in catalog.family_modules():
        names |= set(catalog.stored_rows(module) or [entry.name for entry in family_entries(module)])
    names |= {entry.name for entries in plugin_entries().values() for entry in entries} | set(catalog.registered)
    near = close_matches(name.lower(), sorted(names | {catalog.base_of(known) for known in names})) or "."
    text = f"{near} zoo.list_models() and `zoo list` show all names."
    for plugin, reason in broken_plugins().items():
        text += f" The plug-in {plugin} could not be loaded and may define it: {reason}"
    return text
