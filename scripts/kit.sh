#!/bin/sh
# Packs `propainter check` for a machine with nothing but NVIDIA's driver and glibc 2.36 or later:
# target/kit/propainter-kit-x86_64.tar.xz holds the program, the libraries that it links beyond glibc,
# and run.sh, which runs the check and writes its report beside itself and nothing anywhere else.
#
#   kit.sh [--no-build]    --no-build packs the program that was built before
set -eu
cd "$(dirname "$0")/.."
name=propainter-kit-x86_64
folder=target/kit/$name
archive=target/kit/$name.tar.xz
program=target/release/propainter-check
most=60000000

# With the same features of every dependency as what is installed.
[ "${1:-}" = --no-build ] ||
    cargo build --release -p propainter-cli --features kit --bin propainter-check

rm -rf "$folder"
mkdir -p "$folder/lib"
cp "$program" "$folder/"

# Prints the libraries that a file asks for by name.
needed() {
    readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'
}

# Whether a library is glibc's own, which every machine has.
is_glibc() {
    case $1 in
        libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | ld-linux-x86-64.so.2) ;;
        *) return 1 ;;
    esac
}

# Copies what a file asks for, and what that asks for.
pack_needed() {
    for library in $(needed "$1"); do
        if is_glibc "$library" || [ -e "$folder/lib/$library" ]; then
            continue
        fi
        case $library in
            libgst* | libglib* | libcuda* | libnvidia*)
                echo "kit: $1 links $library, which the kit is to run without" >&2
                exit 1
                ;;
        esac
        place=$(ldd "$program" | sed -n "s|^[[:space:]]*$library => \(/[^ ]*\) .*|\1|p")
        if [ -z "$place" ]; then
            echo "kit: $library, which $1 links, is not found" >&2
            exit 1
        fi
        cp -L "$place" "$folder/lib/$library"
        pack_needed "$folder/lib/$library"
    done
}
pack_needed "$folder/propainter-check"

# The newest glibc that anything in the kit asks for.
newest=$(for file in "$folder/propainter-check" "$folder"/lib/*; do
    readelf -V "$file" | grep -o 'GLIBC_2\.[0-9]*'
done | sort -u -t. -k2n | tail -n 1)
if [ "${newest#GLIBC_2.}" -gt 36 ]; then
    echo "kit: something asks for $newest, and the kit is to run with glibc 2.36" >&2
    exit 1
fi

cat >"$folder/run.sh" <<'EOF'
#!/bin/sh
# Checks a GPU: `./run.sh`, or `./run.sh --device cuda:1`; `./run.sh --help` lists the options. The
# report goes to the folder `report` beside this file, and so does everything else that is written.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
# The driver keeps what it has assembled; here, not in the home folder.
export CUDA_CACHE_PATH="$here/report/cache"
export XDG_CACHE_HOME="$here/report/cache"
case " $* " in
    *" --help "* | *" -h "* | *" --version "* | *" --report"*) exec "$here/propainter-check" "$@" ;;
esac
exec "$here/propainter-check" --report "$here/report" "$@"
EOF
chmod 755 "$folder/run.sh"
cp docs/cards.md LICENSE-APACHE LICENSE-MIT "$folder/"

tar --create --directory target/kit --owner 0 --group 0 --numeric-owner --sort name "$name" |
    xz --threads 0 -6 >"$archive.part"
mv "$archive.part" "$archive"
size=$(stat -c %s "$archive")
if [ "$size" -gt $most ]; then
    echo "kit: $archive has $size bytes, and $most are allowed" >&2
    exit 1
fi
echo "kit: $archive, $((size / 1000000)) MB, needs $newest"
