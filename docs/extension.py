"""An extension of mkdocstrings: changes to the docstrings that it reads."""

from __future__ import annotations

from typing import Any

import griffe

from docs.docstrings import apart, markdown


class Docstrings(griffe.Extension):
    """Applies `markdown` to every docstring that mkdocstrings reads."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = apart(markdown(obj.docstring.value))
