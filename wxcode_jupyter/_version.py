"""The package's version, read by hatchling and by ``wxcode_jupyter.__version__``."""

__version__ = "0.1.0.dev0"
