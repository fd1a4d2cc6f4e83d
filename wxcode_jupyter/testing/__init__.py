"""For tests, ours and others': the scripted model, the store's conformance suite, a pytest plugin."""
