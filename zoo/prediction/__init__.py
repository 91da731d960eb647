"""Prediction on images of any size: reading, tiling, running, blending, writing."""
