"""One module per original: its table, what its file tells about the network, and how it names its tensors."""
