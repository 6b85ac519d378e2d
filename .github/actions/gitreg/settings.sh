#!/usr/bin/env bash
# Judges the action's inputs, and says where its cache is. macOS has bash 3.2: nothing newer is used here.
set -euo pipefail

refuse() {
  echo "::error title=gitreg::$1"
  exit 2
}

[[ $GITREG_VERSION =~ ^(installed|[0-9][0-9a-z.+!-]*)?$ ]] || refuse "the input version takes a release's number, or installed"
[[ $GITREG_REMOTE =~ ^[a-z0-9]*$ ]] || refuse "the input remote takes a kind of DVC remote, such as s3"

case $GITREG_CACHE in
  true | false) cache=$GITREG_CACHE ;;
  auto)
    # A cache that a pull request's run restores may be one that an earlier commit of it has written, with a workflow
    # that nobody reviewed: whoever writes pip's downloads decides what judges.
    case $GITHUB_EVENT_NAME in
      pull_request* | merge_group | issue_comment | workflow_run) cache=false ;;
      *) cache=true ;;
    esac
    ;;
  *) refuse "the input cache takes true, false or auto" ;;
esac

folder=$RUNNER_TEMP/gitreg-cache
mkdir -p "$folder/pip" "$folder/gitreg"

# The action's own files are of the commit that is installed.
pinned=$(git hash-object "$GITHUB_ACTION_PATH/../../../pyproject.toml" 2>/dev/null || echo none)
{
  echo "cache=$cache"
  echo "cache-folder=$folder"
  echo "cache-key=gitreg-$RUNNER_OS-$RUNNER_ARCH-$pinned-${GITREG_VERSION:-own}-${GITREG_REMOTE:-none}"
} >>"$GITHUB_OUTPUT"
{
  echo "PIP_CACHE_DIR=$folder/pip"
  echo "GITREG_CACHE_DIR=$folder/gitreg"
} >>"$GITHUB_ENV"
