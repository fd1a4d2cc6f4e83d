#!/bin/sh
# Stands in claude's place where a test is about the server and not about the CLI. Called as
#   sh stand_in.sh <python> <arguments of claude>
# it runs what is typed, line by line, in the terminal's cooked mode; with --box among the arguments it shows an input box
# instead (stand_in_box.py). `hook NAME [more JSON]` reports a hook event as the CLI does.
python=$1
shift
for argument; do
    case $argument in
        --box) exec "$python" -S "${0%.sh}_box.py" "$@" ;;
    esac
    case $before in
        --settings) folder=${argument%/*} ;;
        --session-id | --resume) session=$argument how=${before#--} ;;
    esac
    before=$argument
done

hook() {
    printf '{"hook_event_name":"%s","session_id":"%s","transcript_path":"","source":"startup"%s}' \
        "$1" "$session" "${2:+,$2}" | sh "$folder/relay.sh"
}

echo "stand-in up: $how"
while IFS= read -r line; do
    eval "$line"
done
