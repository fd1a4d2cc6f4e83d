"""Pytest plugin: fixtures for projects that build on wxcode_jupyter."""
