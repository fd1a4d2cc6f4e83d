"""Install Debian's programs that the tests run, where they are missing: Chromium (for JupyterLab), vim, less, tmux.

    python scripts/install_browser.py

What is there is left alone, so a second run takes no time. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "chromium": ("chromium", "fonts-liberation"),  # without a font a page has no text to click on
    "vim": ("vim",),
    "less": ("less",),
    "tmux": ("tmux",),
}


def main() -> int:
    """Install what is missing; the exit status is 1 where that is not possible."""
    missing = [program for program in PACKAGES if not shutil.which(program)]
    if not missing:
        return 0
    apt = shutil.which("apt-get")
    if apt is None:
        print(f"install_browser: no apt-get: install {', '.join(missing)} yourself.", file=sys.stderr)
        return 1
    become_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    # Another program may hold apt's lock just now: that is waited for.
    command = [*become_root, apt, "-qq", "-y", "-o", "DPkg::Lock::Timeout=600"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = [package for program in missing for package in PACKAGES[program]]
    for step in (["update"], ["install", "--no-install-recommends", *packages]):
        done = subprocess.run([*command, *step], env=quiet, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            print(f"install_browser: {' '.join([*command, *step])} failed ({done.returncode}).", file=sys.stderr)
            return 1
    print(f"installed {', '.join(missing)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
