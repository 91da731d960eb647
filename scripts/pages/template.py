"""What the generated pages share."""

NOTE = "<!-- Written by scripts/render.py from the catalog; edit zoo/architectures instead. -->"
