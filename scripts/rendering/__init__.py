"""How generated files are kept fresh: what each depends on, what was made of it, and processes that make the rest."""
