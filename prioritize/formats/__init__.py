"""Files -> Source. One module a format; its name is the `format` of a scenario."""
