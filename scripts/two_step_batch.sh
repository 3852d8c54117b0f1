#!/usr/bin/env bash
# Runs many clips in several styles in two steps, G-buffers first; what is done is skipped, so it can be run again.
#
#   scripts/two_step_batch.sh "snowy_winter night" clips/*.mp4
#
# Each clip gets a folder in $OUTPUTS (default outputs/batch). $ALAYA, $INVERSE_ARGS and $EDIT_ARGS name the command
# and further options of each step. With $INVERSE_PYTHON and $EDITING_PYTHON the steps run in two environments.
# A clip that fails is named and does not stop the others; the exit code is then 1, and 2 for wrong use.
set -uo pipefail

if [ $# -lt 2 ]; then
    echo "usage: scripts/two_step_batch.sh \"STYLE ...\" CLIP ..." >&2
    exit 2
fi

read -r -a styles <<<"$1"
shift
outputs=${OUTPUTS:-outputs/batch}
read -r -a inverse_args <<<"${INVERSE_ARGS:-}"
read -r -a edit_args <<<"${EDIT_ARGS:-}"

command_of() { # the command, by the Python of a step's environment where one is named
    if [ -n "$1" ]; then
        command=("$1" -c "from pipelines.cli import main; main()")
    else
        command=("${ALAYA:-alaya}")
    fi
}

style_args=()
for style in "${styles[@]}"; do
    style_args+=(--style "$style")
done

failed=()
for clip in "$@"; do
    name=$(basename "$clip")
    folder=$outputs/${name%.*}
    command_of "${INVERSE_PYTHON:-}"
    "${command[@]}" inverse --input "$clip" --output "$folder" --no-report ${inverse_args[@]+"${inverse_args[@]}"}
    code=$?
    [ "$code" -ge 128 ] && exit "$code" # stopped by a signal
    if [ "$code" -ne 0 ]; then
        failed+=("$clip")
        continue
    fi
    command_of "${EDITING_PYTHON:-}"
    "${command[@]}" edit --gbuffers "$folder" "${style_args[@]}" ${edit_args[@]+"${edit_args[@]}"}
    code=$?
    [ "$code" -ge 128 ] && exit "$code"
    [ "$code" -ne 0 ] && failed+=("$clip")
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
