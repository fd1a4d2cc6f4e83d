"""The terminal: keeper, journal, screen, session. Carries bytes and knows no Claude."""
