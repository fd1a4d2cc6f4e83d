"""The frames of the terminal protocols: pure encode and decode, one module per protocol.

``wxjson`` is wxcode's JSON, ``wxterm`` the binary ``wxterm.v1``, ``terminado`` what JupyterLab's own panel speaks. What
clients ask for is the same in all, and stands in ``frames``. `PROTOCOL.md` is the page for those who write clients.
"""
