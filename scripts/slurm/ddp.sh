#!/usr/bin/env bash
# One large run over the GPUs of several nodes: a process for each (distributed data parallelism), a batch divided among all.
# Command   sbatch scripts/slurm/ddp.sh data=cifar10 perturb=noise data.batch_size=800     (whatever train.py takes for one run)
#           sbatch --nodes=4 --gpus-per-node=4 --ntasks-per-node=4 scripts/slurm/ddp.sh ...
#           Without a GPU: sbatch --nodes=1 --gpus-per-node=0 --ntasks-per-node=2 scripts/slurm/ddp.sh ...
# What is cut off by the time limit, by preemption or with a node is queued again and goes on from its last checkpoint.
#SBATCH --job-name=robust
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=robust-%j.log
set -euo pipefail

trap 'echo "time is up: queued again"; scontrol requeue "$SLURM_JOB_ID"' USR1
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" "${PYTHON:-python}" train.py "$@" trainer=ddp trainer.devices="$SLURM_NTASKS_PER_NODE" &
wait $! || wait $! # a signal ends the first wait, not the run
