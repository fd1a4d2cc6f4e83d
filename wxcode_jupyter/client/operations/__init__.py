"""The requests of ``Client``, one file per subject; each method is one request, or a few."""
