#!/usr/bin/env bash
# Runs each test in a process of its own, one after the other, and prints the slowest: seconds of
# computing on all cores, seconds that passed, name. Run `make test` first: this builds nothing.
#
#   test-times.sh [FILTER]
set -euo pipefail
cd "$(dirname "$0")/../tests"
export G_DEBUG=fatal-warnings TIMEFORMAT='%U %S %R'
for binary in all memory; do
    # The newest, where there are several.
    name=$(ls -t ../target/release/deps | grep -E "^$binary-[0-9a-f]+$" | sed -n 1p)
    program=../target/release/deps/$name
    for test in $("$program" --list "${1:-}" | sed -n 's/: test$//p'); do
        # Tests that are too long for `make test` are not run here either.
        taken=$({ time "$program" --exact "$test" >/dev/null 2>&1 || echo FAILED; } 2>&1 | tr '\n' ' ')
        echo "$taken $binary::$test"
    done
done | awk '{ $1 = sprintf("%.1f", $1 + $2); $2 = sprintf("%.1f", $3); $3 = ""; print
              computing += $1; passed += $2 }
            END { printf "%.1f %.1f in all\n", computing, passed }' | sort -rn | head -n 40
