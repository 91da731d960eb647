"""Pictures and tables of networks; nothing here but `dot` and `plot` ever sees a Keras model."""

from zoo.render.picture import plot

__all__ = ["plot"]
