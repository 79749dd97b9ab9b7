"""The pages people use: templates, their view models, and the few scripts that make them live."""
