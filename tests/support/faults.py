"""How much of the faults is tested: in `make test` what shows them, in `make test-faults` as long as they may last."""

from __future__ import annotations

import os

from tests.support.cli import CLI_VERSIONS

#: Whether this is the long form; `WXCODE_FAULT_RUNS` says how many runs the randomised tests make, 20 by default.
LONG = int(os.environ.get("WXCODE_FAULT_RUNS", "20")) > 20

#: For faults in which the CLI plays no part of its own: the newest will do, in the long form each.
FAULT_CLI_VERSIONS = CLI_VERSIONS if LONG else CLI_VERSIONS[-1:]
