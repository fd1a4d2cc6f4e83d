#!/bin/sh
# wxcode_jupyter's hook relay: one event on standard input becomes one file in spool/, complete or not there at all
# (written aside, then renamed), and a byte in the fifo `poke` wakes the server if there is one. It prints nothing (the CLI
# would read that) and always exits 0 (2 would block the user's prompt). Opening the fifo for both keeps it from
# blocking while no server reads. Only sh, cat, date, mv and rm: nothing that an upgrade of Python can take away.
here=${0%/*}
umask 077
aside=$here/spool/.$$
if cat >"$aside" 2>/dev/null; then
    mv "$aside" "$here/spool/$(date +%s%N)-$$.json" 2>/dev/null
else
    rm -f "$aside" 2>/dev/null
fi
printf . 1<>"$here/poke" 2>/dev/null
exit 0
