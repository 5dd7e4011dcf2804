#!/usr/bin/env bash
# with_slurm.sh COMMAND...: runs a command beside a Slurm of one node, on the loopback interface, without systemd: installs it where it
# is missing (Debian, as root), starts it, and stops what it started. Two pretend GPUs, so that jobs can ask for one.
# Its state lies in ROBUST_SLURM_ROOT (/tmp/robust-slurm); job numbers go on rising there from one time to the next.
set -euo pipefail

ROOT=${ROBUST_SLURM_ROOT:-/tmp/robust-slurm}
HOST=$(hostname -s)
export SLURM_CONF=$ROOT/slurm.conf

if [ "$(id -u)" != 0 ]; then
  echo "error: starting a Slurm needs root; this is $(id -un)." >&2
  exit 1
fi

is_alive() { [ -s "$1" ] && kill -0 "$(cat "$1" 2>/dev/null)" 2>/dev/null; }

install_missing() {
  local name
  for name in slurmctld slurmd sbatch munged; do
    command -v "$name" >/dev/null && continue
    command -v apt-get >/dev/null || { echo "error: $name is missing, and this is no Debian to install slurm-wlm from." >&2; exit 1; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge >"$ROOT/log/apt.log" 2>&1 ||
      { tail -5 "$ROOT/log/apt.log" >&2; exit 1; }
    return
  done
}

configure() {
  local memory
  memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  [ -f /etc/munge/munge.key ] || {
    dd if=/dev/urandom of=/etc/munge/munge.key bs=128 count=1 status=none
    chown munge: /etc/munge/munge.key
    chmod 400 /etc/munge/munge.key
  }
  # cgroup plugins kill every job where there is no systemd; a credential's life is how long a requeued job waits
  cat >"$SLURM_CONF" <<CONF
ClusterName=robust
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=6817
SlurmdPort=6818
SlurmctldPidFile=$ROOT/run/slurmctld.pid
SlurmdPidFile=$ROOT/run/slurmd.pid
StateSaveLocation=$ROOT/state
SlurmdSpoolDir=$ROOT/spool
SlurmctldLogFile=$ROOT/log/slurmctld.log
SlurmdLogFile=$ROOT/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
KillWait=2
JobRequeue=1
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory Gres=gpu:2 State=UNKNOWN
PartitionName=debug Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
CONF
  printf 'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n' >"$ROOT/gres.conf"
}

started=() # pid files of what this started
start() {
  if ! munge -n >/dev/null 2>&1; then
    install -d -o munge -g munge -m 755 /run/munge
    install -d -o munge -g munge -m 700 /var/log/munge /var/lib/munge
    setpriv --reuid munge --regid munge --clear-groups munged
    started+=(/run/munge/munged.pid)
  fi
  local name
  for name in slurmctld slurmd; do
    is_alive "$ROOT/run/$name.pid" && continue
    "$name"
    started=("$ROOT/run/$name.pid" "${started[@]}") # the last one started is stopped first
  done
  for _ in $(seq 60); do
    case $(sinfo --noheader --format=%t 2>/dev/null) in
      idle | mix | alloc) return ;;
      down* | drain*) scontrol update NodeName="$HOST" State=RESUME 2>/dev/null || true ;;
    esac
    sleep 0.5
  done
  echo "error: Slurm did not come up; its last words:" >&2
  tail -20 "$ROOT"/log/slurm*.log >&2
  exit 1
}

stop() {
  [ ${#started[@]} = 0 ] && return # somebody else's
  scancel --user="$(id -un)" 2>/dev/null || true
  local file
  for file in "${started[@]}"; do
    is_alive "$file" || continue
    kill "$(cat "$file")" 2>/dev/null || continue
    for _ in $(seq 60); do is_alive "$file" || break; sleep 0.25; done
  done
}

install -d -m 755 "$ROOT" "$ROOT"/{state,spool,log,run}
install_missing
configure
trap stop EXIT
start
"$@"
