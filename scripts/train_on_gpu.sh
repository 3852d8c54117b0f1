#!/usr/bin/env bash
# Makes worlds and trains the larger embedded pair on one CUDA machine, in steps of less than ten minutes each.
#
#   scripts/train_on_gpu.sh doctor | data | inverse | editing | eval | benchmark
#
# Run it in the repository's root, in this order. $MINUTES limits data (default 5.5), inverse and editing (7.5 each);
# a training fits its phases into them and ends with a checkpoint. Worlds lie in data/, runs in $RUNS (default runs/gpu);
# data goes on where it stopped, a training that was cut short too. $WORKERS: processes (default: all cores).
# Where $OUT names a folder, checkpoints, logs and figures are copied there, files above 15 MiB in parts that `cat`
# joins again. $PYTHON names the interpreter.
# SMOKE=1 goes the same way with tiny worlds and networks on a CPU, in a folder of your own, to try the machinery.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
workers=${WORKERS:-$(nproc)}
runs=${RUNS:-runs/gpu}
smoke=${SMOKE:-}
size=256x144 heldout=114 stills=12000 wide=6000 clips=4000 device=cuda
if [ -n "$smoke" ]; then
    size=64x40 heldout=2 stills=2 wide=2 clips=2 device=cpu
fi

alaya() { "$python" -m pipelines.cli "$@"; }
say() { echo "train_on_gpu: $*" >&2; }

hand_out() { # folder, file ...: copies files that there are into a folder of $OUT
    [ -n "${OUT:-}" ] || return 0
    mkdir -p "$OUT/$1"
    local file
    for file in "${@:2}"; do
        if [ -n "$(find "$file" -type f -size +15M 2>/dev/null)" ]; then
            split -b 12M "$file" "$OUT/$1/$(basename "$file").part-"
        elif [ -f "$file" ]; then
            cp "$file" "$OUT/$1/"
        fi
    done
}

doctor() { # what worlds and training need of the machine
    local missing=() name
    for name in torch accelerate av click einops moderngl numpy PIL safetensors; do
        "$python" -c "import $name" 2>/dev/null || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] || say "missing Python packages: ${missing[*]}"
    "$python" -c "import torch; print('torch', torch.__version__, 'cuda', torch.cuda.is_available())"
    echo "cores $(nproc)  memory $(free -g | awk '/Mem/ {print $2}') GiB  /dev/shm $(df -h /dev/shm | awk 'END {print $4}') free"
    renderer || true
    [ ${#missing[@]} -eq 0 ]
}

renderer() { # names the GL that EGL gives, or says what is missing
    local found
    if found=$("$python" -c "from worlds.gpu import create_context; print(create_context().info['GL_RENDERER'])" 2>&1); then
        echo "worlds are drawn by $found"
        return
    fi
    say "${found##*$'\n'}"
    local cache library
    cache=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
    for library in libEGL.so.1 libGL.so.1; do # what moderngl opens, and what those two link
        grep -q "$library " <<<"$cache" || say "missing shared library: $library"
        ldd "$(awk -v name="$library" '$1 == name {print $NF; exit}' <<<"$cache")" 2>/dev/null | grep 'not found' >&2 || true
    done
    grep -q libEGL_ <<<"$cache" || say "missing: a driver of EGL (libEGL_nvidia.so.0 or libEGL_mesa.so.0)"
    say "NVIDIA's driver is found through __EGL_VENDOR_LIBRARY_FILENAMES=.../10_nvidia.json where it is installed apart"
    say "without EGL: make worlds elsewhere (alaya worlds make --out data/train-gpu-a --clips 120 --frames 1 --targets 4"
    say "  --seed 61), and data/heldout; tar -cJf worlds.tar.xz data/train-gpu-a data/heldout; unpack it here"
    return 1
}

draw() { # folder, minutes, options ...: worlds, as many clips as the time gives; an unfinished set is used as it is
    local code=0
    timeout --signal=INT --kill-after=20 "${2}m" "$python" -m pipelines.cli worlds make --out "$1" --size "$size" \
        --workers "$workers" "${@:3}" || code=$?
    # a set that the clock stopped holds whole clips
    if [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && [ "$code" -ne 130 ] && [ "$code" -ne 137 ]; then
        return "$code"
    fi
    "$python" - "$1" <<'END'
import sys
from worlds.dataset import DatasetReader
count = len(DatasetReader(sys.argv[1]).clips)
print(count, "clips in", sys.argv[1])
sys.exit(0 if count else "train_on_gpu: the time gave no clip; give $MINUTES more")
END
}

part() { awk "BEGIN {print ${MINUTES:-5.5} * $1}"; }

data() {
    renderer
    # a whole one made elsewhere will do
    grep -qs '"complete": true' data/heldout/dataset.json ||
        draw data/heldout "$(part 0.3)" --split heldout --clips "$heldout" --frames 3 --targets 13 --seed 5
    draw data/train-gpu-stills "$(part 0.33)" --clips "$stills" --frames 1 --targets 4 --seed 61
    draw data/train-gpu-wide "$(part 0.12)" --clips "$wide" --frames 1 --targets 4 --seed 81 --variety wide
    draw data/train-gpu-clips "$(part 0.25)" --clips "$clips" --frames 3 --stride 6 --targets 3 --seed 71
    du -sh data/*
}

recipe_of() { # the recipe of a stage; for a smoke a tiny one
    local recipe=$root/training/recipes/$1-medium.toml
    if [ -n "$smoke" ]; then
        mkdir -p "$runs"
        sed -e 's/"medium"/"tiny"/; s/^width = .*/width = 32/; s/^height = .*/height = 16/; s/^batch = .*/batch = 1/' \
            -e 's/^workers = .*/workers = 1/' "$recipe" >"$runs/$1.toml"
        recipe=$runs/$1.toml
    fi
    echo "$recipe"
}

train() { # stage: its training, from its start or from where it was cut short
    local folder=$runs/$1 more=() code=0
    [ ! -d "$folder/state" ] || more=(--resume)
    [ ! -d "$folder/checkpoint" ] || { say "$folder/checkpoint is there; remove $folder to train again"; return; }
    alaya train "$(recipe_of "$1")" --out "$folder" --minutes "${MINUTES:-7.5}" ${more[@]+"${more[@]}"} || code=$?
    hand_out "$1" "$folder"/checkpoint/* "$folder/log.jsonl" "$(find "$folder/sheets" -name '*.png' 2>/dev/null | sort | tail -n 1)"
    return "$code"
}

evaluate() { # the new pair and the committed one, on the same clips
    mkdir -p "$runs/figures"
    local stage
    for stage in inverse editing; do
        [ -d "$runs/$stage/checkpoint" ] || { say "no $runs/$stage/checkpoint; train it first"; continue; }
        alaya eval "$stage" --device "$device" --model "$runs/$stage/checkpoint" --out "$runs/figures/$stage-medium.json"
        [ -n "$smoke" ] || alaya eval "$stage" --device "$device" --out "$runs/figures/$stage-small.json"
        hand_out figures "$runs"/figures/*.json
    done
}

benchmark() { # the published models' speed, where the script for it is there
    [ -f "$root/scripts/benchmark_published.py" ] || { say "no scripts/benchmark_published.py here"; return 1; }
    mkdir -p "$runs/figures"
    "$python" -m scripts.benchmark_published --out "$runs/figures/published.json" "$@"
    hand_out figures "$runs/figures/published.json"
}

case "${1:-}" in
doctor | data | benchmark) "$@" ;;
inverse | editing) train "$1" ;;
eval) evaluate ;;
*)
    echo "usage: scripts/train_on_gpu.sh doctor|data|inverse|editing|eval|benchmark" >&2
    exit 2
    ;;
esac
