"""Losses for segmentation, as `keras.losses.Loss`: whole-number labels, a label that is ignored, one value per image."""

from __future__ import annotations

import keras  # noqa: F401  (before ours: importing Keras imports the losses and metrics, see `zoo.saved_layers`)

from zoo.losses.base import PixelLoss
from zoo.losses.centreline import ClDice
from zoo.losses.combined import LOSSES, DiceCrossentropy, Sum, from_settings
from zoo.losses.entropy import Crossentropy, Focal
from zoo.losses.lovasz import LovaszHinge, LovaszSoftmax
from zoo.losses.overlap import Dice, FocalTversky, Jaccard, Overlap, Tversky

__all__ = [
    "LOSSES", "ClDice", "Crossentropy", "Dice", "DiceCrossentropy", "Focal", "FocalTversky", "Jaccard", "LovaszHinge",
    "LovaszSoftmax", "Overlap", "PixelLoss", "Sum", "Tversky", "from_settings",
]  # fmt: skip
