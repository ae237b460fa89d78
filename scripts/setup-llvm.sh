#!/bin/sh
# burn's CUDA backend links LLVM. Its build helper downloads a bundle into the
# user's data folder. Where that download works this script changes nothing;
# where it cannot be reached, it points the same folder at Debian's LLVM 22,
# which satisfies the same bindings.
set -eu

version=23.1.0-4 # of tracel-llvm-bundler in Cargo.lock
bundle="https://github.com/tracel-ai/tracel-llvm/releases/download/v$version/linux-x64.checksums.json"
folder="${XDG_DATA_HOME:-$HOME/.local/share}/tracel/tracel-llvm-$version"
debian=/usr/lib/llvm-22

if [ -e "$folder/.tracel-llvm-installed" ] && [ -e "$folder/include/llvm-c/Core.h" ]; then
    echo "setup-llvm: LLVM is in place at $folder"
    exit 0
fi
if curl --fail --silent --location --max-time 20 --output /dev/null "$bundle"; then
    echo "setup-llvm: the LLVM bundle can be downloaded; the build will fetch it"
    exit 0
fi

echo "setup-llvm: the LLVM bundle cannot be downloaded; using Debian's LLVM 22"
packages="llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev libxml2-dev libz3-dev libffi-dev"
if ! dpkg -s $packages >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    $as_root apt-get install -y --no-install-recommends $packages
fi

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
echo "setup-llvm: linked $debian into $folder"
