#!/bin/sh
# Runs this package's tests for ctest. 77: something is missing that ./dev setup installs.
cd "$(dirname "$0")/.." || exit 1
for program in node npm chromium; do
  command -v "$program" >/dev/null || { echo "skipped: no $program here; run ./dev setup"; exit 77; }
done
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund || exit 1
exec npm test
