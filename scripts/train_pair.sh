#!/usr/bin/env bash
# Makes the worlds, trains the embedded pair from nothing and measures it; what is finished is not done again.
#
#   scripts/train_pair.sh
#
# $CLIPS training clips (default 1200), drawn by $WORKERS processes (default: all cores); $RUNS names the folder of the
# two runs. The two trainings share the cores. An interrupted run goes on where it was when the same command is given.
# The cards in checkpoints/small/ name the commands, legs and clips that made the committed weights.
set -euo pipefail

workers=${WORKERS:-$(nproc)}
runs=${RUNS:-runs/pair}
threads=$(((workers + 1) / 2))

alaya worlds make --out data/train-pair --clips "${CLIPS:-1200}" --frames 3 --stride 6 --seed 11 --workers "$workers"
alaya worlds make --out data/train-pair-wide --clips "$((${CLIPS:-1200} / 3))" --frames 3 --stride 6 --seed 13 \
    --variety wide --workers "$workers"
alaya worlds make --out data/heldout --split heldout --clips 114 --frames 3 --targets 13 --seed 5 --workers "$workers"

train() { # one stage, from its start or from where it stopped
    local more=()
    [ -d "$runs/$1/state" ] && more=(--resume)
    [ -d "$runs/$1/checkpoint" ] || alaya train "training/recipes/$1-small.toml" --out "$runs/$1" --threads "$threads" "${more[@]}"
}

train inverse &
first=$!
train editing
wait "$first"

alaya eval inverse --model "$runs/inverse/checkpoint" --out "$runs/inverse.json"
alaya eval editing --model "$runs/editing/checkpoint" --out "$runs/editing.json"
