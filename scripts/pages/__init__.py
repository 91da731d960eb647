"""The generated pages of the site as text, one module per kind of page; pure but for tracing."""
