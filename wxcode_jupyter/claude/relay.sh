#!/bin/sh
# wxcode_jupyter's hook relay: one event on standard input becomes one file in spool/, complete or not there at all
# (written aside, then renamed), and a byte in the fifo `poke` wakes the server if there is one. It prints nothing (the CLI
# would read that) and always exits 0 (2 would block the user's prompt). Opening a fifo for both keeps it from
# blocking while no server reads. Only sh and coreutils: nothing that an upgrade of Python can take away.
#
# With the argument `asks` it stays, once the event is told, until the server writes a line into the fifo that is named as
# the event, in answers/; then it prints the file beside it, where there is one (claude/open_hook.py). The keeper
# ends it with its CLI.
here=${0%/*}
umask 077
aside=$here/spool/.$$
if ! cat >"$aside" 2>/dev/null; then
    rm -f "$aside" 2>/dev/null
    exit 0
fi
key=$(date +%s%N)-$$.json
door=$here/answers/$key

tell() {
    mv "$aside" "$here/spool/$key" 2>/dev/null
    printf . 1<>"$here/poke" 2>/dev/null
}

if [ "$1" = asks ] && mkfifo "$door" 2>/dev/null; then
    { # open before anybody is told of it, and until the answer is said
        tell
        read -r _
        cat "$door.answer" 2>/dev/null
        rm -f "$door.answer" "$door" 2>/dev/null
    } 0<>"$door"
else
    tell
fi
exit 0
