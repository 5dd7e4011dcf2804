#!/usr/bin/env bash
# A whole sweep on one node with several GPUs: its runs are shared out over them, pack=... to a GPU, since one alone leaves a GPU idle.
# Command   sbatch scripts/slurm/node.sh sweep=strategies pack=auto          (whatever train.py takes)
#           sbatch --gpus-per-node=4 scripts/slurm/node.sh -m perturb=noise,blur pack=8
#           Without a GPU: sbatch --gpus-per-node=0 --cpus-per-task=32 scripts/slurm/node.sh sweep=strategies_mnist pack=32
# What is cut off by the time limit, by preemption or with a node is queued again and goes on where it was.
#SBATCH --job-name=robust
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=robust-%j.log
set -euo pipefail

trap 'echo "time is up: queued again"; scontrol requeue "$SLURM_JOB_ID"' USR1
"${PYTHON:-python}" train.py "$@" &
wait $! || wait $! # a signal ends the first wait, not the sweep
