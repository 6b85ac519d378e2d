#!/usr/bin/env bash
# Installs gitreg into an environment of its own, and puts it on the PATH of the steps to come.
set -euo pipefail

venv=$RUNNER_TEMP/gitreg-venv
if [ -z "$GITREG_VERSION" ]; then
  requirement="$(cd "$GITHUB_ACTION_PATH/../../.." && pwd -P)[github]"
else
  requirement="gitreg[github]==$GITREG_VERSION"
fi
plugin=${GITREG_REMOTE:+dvc-$GITREG_REMOTE}

# In the workspace lies what is judged. Python takes modules from the folder in which it is started, so it is started
# in another one, and in isolated mode (-I).
cd "$RUNNER_TEMP"
"${PYTHON:-python3}" -I -m venv --clear "$venv"
"$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check "$requirement" ${plugin:+"$plugin"}
echo "$venv/bin" >>"$GITHUB_PATH"
"$venv/bin/gitreg" --version
