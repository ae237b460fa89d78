#!/bin/sh
# burn's CUDA backend links LLVM. Its build helper downloads a bundle into the user's data folder.
# Where that download works this script changes nothing; where it cannot be reached, it points the
# same folder at Debian's LLVM 22, which satisfies the same bindings.
#
#   setup-llvm.sh choose      prints whose LLVM it will be: there (in place), bundle or debian
#   setup-llvm.sh missing     prints Debian's packages that are wanted and not installed
#   setup-llvm.sh there|bundle|debian
set -eu

version=23.1.0-4 # of tracel-llvm-bundler in Cargo.lock
bundle="https://github.com/tracel-ai/tracel-llvm/releases/download/v$version/linux-x64.checksums.json"
folder="${XDG_DATA_HOME:-$HOME/.local/share}/tracel/tracel-llvm-$version"
debian=/usr/lib/llvm-22
packages="llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev libxml2-dev libz3-dev libffi-dev"

# Whether the bundle can be downloaded, by whatever program is there before the packages are.
reachable() {
    if command -v curl >/dev/null; then
        curl --fail --silent --location --max-time 20 --output /dev/null "$bundle"
    elif command -v wget >/dev/null; then
        wget --quiet --timeout=20 --tries=1 --output-document=/dev/null "$bundle"
    else
        # Without either the build finds out.
        true
    fi
}

case ${1:-} in
choose)
    if [ -e "$folder/.tracel-llvm-installed" ] && [ -e "$folder/include/llvm-c/Core.h" ]; then
        echo there
    elif reachable; then
        echo bundle
    else
        echo debian
    fi
    ;;
missing)
    for package in $packages; do
        dpkg -s "$package" >/dev/null 2>&1 || printf '%s ' "$package"
    done
    ;;
there) echo "setup-llvm: LLVM is in place at $folder" ;;
bundle) echo "setup-llvm: the LLVM bundle can be downloaded; the build will fetch it" ;;
debian)
    mkdir -p "$folder/bin"
    ln -sfn "$debian/lib" "$folder/lib"
    ln -sfn "$debian/include" "$folder/include"
    for program in "$debian"/bin/*; do
        [ "${program##*/}" = llvm-config ] || ln -sfn "$program" "$folder/bin/"
    done
    # Debian's llvm-config names libz3.so by absolute path; the build helper wants -lz3.
    cat >"$folder/bin/llvm-config" <<EOF
#!/bin/sh
"$debian/bin/llvm-config" "\$@" | sed 's|/[^ ]*/libz3\\.so|-lz3|g'
EOF
    chmod +x "$folder/bin/llvm-config"
    touch "$folder/.tracel-llvm-installed"
    echo "setup-llvm: the LLVM bundle cannot be downloaded; linked $debian into $folder"
    ;;
*)
    echo "usage: setup-llvm.sh choose|missing|there|bundle|debian" >&2
    exit 2
    ;;
esac
