#!/bin/bash
# A training or a search on Slurm, from a clone's top folder on storage that every node sees:
#
#   ray get-auth-token --generate  # once; your home is the nodes' home too
#   sbatch docs/clusters/slurm.sh python run_tune.py --preset coco-1k --data.root /shared/coco --out /shared/runs --use-gpu
#
# EDIT the lines below: how many nodes, what a node has (`sinfo --format "%P %D %c %m %G %l"`), and your environment. Two
# minutes before the time is over, or at `scancel --batch --signal=TERM JOB`, the command saves and ends; --resume goes on.
#SBATCH --job-name=trs
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
source .venv/bin/activate  # EDIT
# EDIT: ImageNet weights: torchvision's, under hub/checkpoints, and timm's
export TORCH_HOME=/shared/weights HF_HOME=/shared/weights/huggingface

set -euo pipefail
export RAY_AUTH_MODE=token RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=600
# The first node, where this script runs; sed reads to the end, for whoever writes to a reader that is gone fails. Its
# own name may mean its loopback to itself, as Debian has it, where the others would not find it.
name=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed --quiet 1p)
head=$(getent ahostsv4 "$name" | sed --quiet '1s/ .*//p' || true)
case $head in 127.*) head=$(hostname -I | sed 's/ .*//') ;; "") head=$name ;; esac
address=$head:$((20000 + SLURM_JOB_ID % 20000))
command_id=$(mktemp)
# Ray starts on every node; the command runs on the head, joins it, and leaves its process's id for the signal. Since
# Slurm 22.05 a step does not take the number of CPUs over from the job: without it Ray would run on one core.
srun --cpus-per-task "$SLURM_CPUS_PER_TASK" ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" \
    -- bash -c 'echo $$ > "$1"; export RAY_ADDRESS=$2; shift 2; exec "$@"' command "$command_id" "$address" "$@" &
step=$!
# A signal that comes before the command has begun ends Ray's start.
trap 'kill -TERM "$(grep . "$command_id" || echo "$step")" || true' TERM
until wait "$step"; code=$?; ! kill -0 "$step" 2> /dev/null; do :; done
exit "$code"
