"""Which card the weights of a network in memory have, so that prediction prepares images as training did."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zoo.weights.entry import Card

if TYPE_CHECKING:
    import keras

    from zoo.weights.load import LoadReport

_cards: WeakKeyDictionary[keras.Model, Card] = WeakKeyDictionary()


def remember(model: keras.Model, card: Card, report: LoadReport) -> None:
    """Keeps what still holds of a card after loading.

    Where tensors were changed to fit, or kept their values, the classes are no longer those of the card; how images are
    prepared is, as long as the network reads as many channels.
    """
    plain = {field.name: getattr(card, field.name) for field in dataclasses.fields(Card)}
    prepare = card.preprocessing
    if prepare is not None and len(prepare.channels) != model.inputs[0].shape[-1]:
        plain["preprocessing"] = None
    if report.adapted or report.fresh:
        plain = {"preprocessing": plain["preprocessing"]}
    _cards[model] = Card(**plain)


def card_of(model: keras.Model) -> Card:
    """Returns the card of the weights that were loaded into a network in this process; an empty one for all others."""
    return _cards.get(model) or Card()
