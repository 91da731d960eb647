"""Pretrained weights: what there is, fetching it, checking it, loading it, and files of one's own."""
