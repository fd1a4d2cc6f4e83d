"""Notebooks as files have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def code_notebook(cells: Sequence[str]) -> dict[str, Any]:
    """Return a notebook of code cells, whose ids are c0, c1..."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"c{number}",
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
