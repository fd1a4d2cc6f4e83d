"""The Jupyter server extension: configuration, REST, WebSockets."""
