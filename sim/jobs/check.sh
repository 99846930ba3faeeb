#!/usr/bin/env bash
# Checks a build of keepalived beside its reference in CI; the GitHub action and the GitLab job call it.
#
#   sim/jobs/check.sh NEW [OLD] [further arguments of `treefall check`]
#
# NEW and OLD are programs, or targets of treefall; if OLD is empty, the nearest replica is the reference. The answer
# goes to standard output and to $CHECK_OUT/answer.txt, findings go to $CHECK_OUT (default: reports/check), JUnit XML
# goes to $CHECK_OUT/check.xml. TREEFALL names the command (default: treefall). Exit status: that of `treefall check`.
set -euo pipefail

[ $# -ge 1 ] && [ -n "$1" ] || { echo "usage: sim/jobs/check.sh NEW [OLD] [ARGUMENT..]" >&2; exit 2; }
new=$1 old=${2:-}
shift $(($# > 1 ? 2 : 1))

out=${CHECK_OUT:-reports/check}
mkdir -p "$out"
arguments=(check "$new" --out "$out" --junit "$out/check.xml")
[ -z "$old" ] || arguments+=(--against "$old")

status=0
"${TREEFALL:-treefall}" "${arguments[@]}" "$@" | tee "$out/answer.txt" || status=${PIPESTATUS[0]}

# GitHub shows this file on the page of the run.
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  { echo '```text'; cat "$out/answer.txt"; echo '```'; } >> "$GITHUB_STEP_SUMMARY"
fi
exit "$status"
