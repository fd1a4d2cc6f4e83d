"""Install Debian's Chromium, in which the tests run JupyterLab, where it is missing.

    python scripts/install_browser.py

A browser that is there is left alone, so a second run takes no time. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

BROWSER = "chromium"
PACKAGES = (BROWSER, "fonts-liberation")  # without a font a page has no text to click on


def main() -> int:
    """Install it; the exit status is 1 where that is not possible."""
    if shutil.which(BROWSER):
        return 0
    apt = shutil.which("apt-get")
    if apt is None:
        print(f"install_browser: {BROWSER} is missing, and there is no apt-get: install it yourself.", file=sys.stderr)
        return 1
    become_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    # Another program may hold apt's lock just now: that is waited for.
    command = [*become_root, apt, "-qq", "-y", "-o", "DPkg::Lock::Timeout=600"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run([*command, *step], env=quiet, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            print(f"install_browser: {' '.join([*command, *step])} failed ({done.returncode}).", file=sys.stderr)
            return 1
    print(f"installed {shutil.which(BROWSER)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
