# Functions that the scripts in this folder share; each of them sources this file.
#
#   begin OUT INPUT ...   sets $part, the file to write in place of OUT. It refuses an OUT that is
#                         one of the inputs under whatever name, and one that exists unless $force
#                         is yes. An input may be a pattern such as mask%05d.png.
#   run COMMAND ...       runs a command to its end; removes $part when interrupted
#   finish                moves $part to OUT
#   encoder VIDEO         sets $encode to an encoder for the bit depth of the video
#   sound VIDEO           sets $streams, the caps that decodebin outputs, and $sound, a branch for
#                         each stream of sound: copied where all of it is AAC, else encoded to AAC

fail() {
    echo "${0##*/}: $1" >&2
    exit 1
}

begin() {
    named=$1
    target=$(readlink -f -- "$named") && [ -d "$(dirname -- "$target")" ] ||
        fail "$named: there is no such folder; create it first"
    shift
    if [ -e "$target" ]; then
        for input in "$@"; do
            case $input in
            *%*) set -- "${input%%\%*}"*"${input##*d}" ;;
            *) set -- "$input" ;;
            esac
            for file in "$@"; do
                [ ! "$file" -ef "$target" ] ||
                    fail "$named is read as $file, so it cannot be written: name another output"
            done
        done
        [ -f "$target" ] || fail "$named is not a regular file: name another output"
        [ "$force" = yes ] || fail "$named exists: --force, as the first word, replaces it"
    fi
    part=$(mktemp "$(dirname -- "$target")/.propainter-XXXXXX")
    trap 'rm -f -- "$part"' EXIT
    # The usual permissions of a new file.
    chmod "$(printf %o $((0666 & ~$(umask))))" "$part"
}

run() {
    "$@" &
    child=$!
    trap 'kill "$child"; exit 130' INT
    trap 'kill "$child"; exit 143' TERM HUP
    wait "$child"
    trap - INT TERM HUP
}

finish() {
    mv -f -- "$part" "$target"
    trap - EXIT
}

encoder() {
    case $(ffprobe -v error -select_streams v:0 -show_entries stream=pix_fmt -of csv=p=0 "$1" || true) in
    *p1[0-6][lb]e* | p01*) encode="x265enc option-string=crf=18:bframes=0:log-level=none ! h265parse" ;;
    *) encode="x264enc pass=qual quantizer=18 option-string=bframes=0 ! h264parse" ;;
    esac
}

sound() {
    # The element holds frames back, so sound waits longer than the defaults of a queue allow.
    queue="queue max-size-buffers=0 max-size-bytes=0 max-size-time=0"
    found=$(gst-discoverer-1.0 "$1" | grep "^ *audio" || true)
    if echo "$found" | grep -qv AAC; then
        streams="video/x-raw; audio/x-raw"
        branch="d. ! audio/x-raw ! $queue ! audioconvert ! audioresample ! avenc_aac ! mux."
    else
        streams="video/x-raw; audio/mpeg, mpegversion=(int)4"
        branch="d. ! audio/mpeg ! $queue ! aacparse ! mux."
    fi
    sound=""
    for _ in $(echo "$found" | grep -o "^ *audio"); do
        sound="$sound $branch"
    done
}
