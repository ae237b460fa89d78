#!/bin/sh
# A wrapper of rustc for scripts/sanitize.sh: this workspace's crates, and what is linked of
# them, with AddressSanitizer, which the stable compiler has but does not offer.
case "$*" in
    *--crate-name\ build_script_build* | *--crate-type\ cdylib*) exec "$@" ;;
esac
RUSTC_BOOTSTRAP=1 exec "$@" -Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer \
    -Cdebug-assertions -Coverflow-checks -Cstrip=none
