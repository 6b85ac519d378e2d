#!/usr/bin/env bash
# Runs one command of gitreg. Nothing of the inputs is ever read as shell. Its exit code is the step's.
set -euo pipefail

lines() { # the lines of a text that are not blank, into the array `found`
  local line
  found=()
  while IFS= read -r line || [ -n "$line" ]; do
    if [ -n "${line//[[:space:]]/}" ]; then found+=("$line"); fi
  done <<<"$1"
}

read -r -a words <<<"$GITREG_COMMAND"
if [ "${#words[@]}" -eq 0 ]; then
  echo "::error title=gitreg::the input command is empty; \"none\" installs gitreg alone"
  exit 2
fi
call=(-C "$GITREG_DIRECTORY" "${words[@]}")

summary=
case ${words[0]} in
  verify | audit | validate)
    call+=("--format=$GITREG_FORMAT")
    lines "$GITREG_REPORTS"
    for report in ${found[@]+"${found[@]}"}; do
      file=${report#*=}
      # gitreg takes paths to be below -C, people the workspace.
      case $file in /*) ;; *) file=$GITHUB_WORKSPACE/$file ;; esac
      call+=("--report=${report%%=*}=$file")
    done
    # gitreg replaces a report; the step's summary may have words in it already.
    summary=$(mktemp "$RUNNER_TEMP/gitreg-summary.XXXXXX")
    call+=("--report=summary=$summary")
    ;;
esac

lines "$GITREG_ARGUMENTS"
call+=(${found[@]+"${found[@]}"})

code=0
gitreg "${call[@]}" || code=$?
if [ -n "$summary" ]; then
  cat "$summary" >>"$GITHUB_STEP_SUMMARY"
  rm -f "$summary"
fi
exit "$code"
