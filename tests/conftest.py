"""Fixtures and settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.support.mongod_fixtures import mongo_url, mongod

__all__ = ["mongo_url", "mongod"]

# The same examples in each run, so that a change is judged by what it changes; `HYPOTHESIS_PROFILE=default` looks for
# new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
