"""Fixtures of all tests."""

from __future__ import annotations

from tests.support.mongod_fixtures import mongo_url, mongod

__all__ = ["mongo_url", "mongod"]
