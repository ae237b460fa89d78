#!/bin/sh
# Many short clips in one process against one process each; and memory over very many clips.
#
#   folders.sh [PROGRAM [CLIPS [MANY [OPTION ...]]]]
#
# PROGRAM is target/release/propainter, CLIPS 100, MANY 1000; the options are those of `propainter run`,
# --model propagation by default. Clips have 12 frames of 160x96.
set -eu
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/release/propainter}")
clips=${2:-100}
many=${3:-1000}
[ $# -le 3 ] && set -- --model propagation || shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir one few many
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=s=160x96:r=25:d=0.48 -c:v libx264 one/clip.mp4
ffmpeg -nostdin -loglevel error -f lavfi -i color=black:s=160x96,drawbox=60:30:32:24:white:fill \
    -frames:v 1 mask.png
for number in $(seq -w 1 "$clips"); do ln one/clip.mp4 "few/$number.mp4"; done
for number in $(seq -w 1 "$many"); do ln one/clip.mp4 "many/$number.mp4"; done

now() { date +%s%N; }
seconds() { echo "$1 $2" | awk '{printf "%.1f s", ($2 - $1) / 1e9}'; }

# Each file is in the page cache, and the program has run once.
"$program" run one/clip.mp4 --mask mask.png "$@" --quiet -o warm.mp4
echo "options: $*; $(uptime | sed 's/.*load/load/')"
start=$(now)
"$program" run few --mask mask.png "$@" --quiet -o out
echo "$clips clips in one process: $(seconds "$start" "$(now)")"
mkdir each
start=$(now)
for clip in few/*.mp4; do
    "$program" run "$clip" --mask mask.png "$@" --quiet -o "each/${clip#few/}"
done
echo "$clips clips in a process each: $(seconds "$start" "$(now)")"

# The memory of the process each time that a tenth of the clips has ended.
mkfifo lines
"$program" run many --mask mask.png "$@" --json -o many-out > lines &
process=$!
done=0
while read -r line; do
    case $line in *'"result":"made"'*) done=$((done + 1)) ;; *) continue ;; esac
    if [ $((done % (many / 10))) = 0 ]; then
        echo "after $done clips: $(awk '/^VmRSS/ {r = $2} /^VmHWM/ {h = $2} /^Threads/ {t = $2}
            END {printf "%.1f MiB resident, peak %.1f MiB, %d threads", r / 1024, h / 1024, t}' \
            /proc/$process/status), $(find /proc/$process/fd -mindepth 1 | wc -l) files open"
    fi
done < lines
wait $process
