"""One file is one family: a config, the ENTRIES that the catalog lists, and `build`."""
