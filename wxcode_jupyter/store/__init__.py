"""Where things are kept: one contract, MongoDB or SQLite behind it."""
