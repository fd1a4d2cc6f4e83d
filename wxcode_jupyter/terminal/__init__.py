"""The terminal: keeper, journal, screen, session. Carries bytes and knows no Claude.

The journal is the spine: a keeper process reads every PTY and appends to its journal, everything else follows the
journal by offset. Use ``pool.TerminalPool``; it gives ``session.TerminalSession``. This module imports nothing, so
that the keeper's and the emulator's processes start fast.
"""
