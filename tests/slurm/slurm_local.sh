#!/usr/bin/env bash
# slurm_local.sh {install|start|stop|status|env}: one-node Slurm without systemd, loopback only, idempotent (root).
# SLURM_LOCAL_ROOT: state folder. SLURM_LOCAL_DBD=1: with slurmdbd + MariaDB, so that sacct (which submitit polls) answers.
# SLURM_LOCAL_FAKE_GPUS=1: two pretend GPUs (gres over /dev/null and /dev/zero) for testing --gpus-per-node.
set -euo pipefail
ROOT=${SLURM_LOCAL_ROOT:-/tmp/robust-slurm}
export SLURM_CONF=$ROOT/slurm.conf
H=$(hostname -s)
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
DBD=${SLURM_LOCAL_DBD:-0} GPUS=${SLURM_LOCAL_FAKE_GPUS:-0} SOCK=/run/mysqld/mysqld.sock
install_() {
  local need="slurmctld slurmd sbatch munged" pk="slurm-wlm munge" c
  [ "$DBD" = 1 ] && { need="$need slurmdbd mariadbd"; pk="$pk slurmdbd mariadb-server"; }
  for c in $need; do command -v "$c" >/dev/null || {
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends $pk >/tmp/slurm_apt.log 2>&1 ||
      { apt-get update -qq && apt-get install -y --no-install-recommends $pk >/tmp/slurm_apt.log 2>&1; }; return; }; done
}
dbd() {  # MariaDB over a unix socket only, then slurmdbd
  install -d -o mysql -g mysql -m 755 /run/mysqld "$ROOT/db"
  [ -d "$ROOT/db/mysql" ] || mariadb-install-db --user=mysql --datadir="$ROOT/db" --skip-test-db >"$ROOT/log/db-install.log" 2>&1
  if ! alive "$ROOT/db/m.pid"; then   # plain `A || B &` would leave a subshell holding the caller's stdout: a pipe would hang
    setsid setpriv --reuid mysql --regid mysql --clear-groups mariadbd --no-defaults --datadir="$ROOT/db" --socket=$SOCK \
      --skip-networking --pid-file="$ROOT/db/m.pid" --innodb-buffer-pool-size=64M >"$ROOT/log/mariadb.log" 2>&1 </dev/null &
  fi
  for _ in $(seq 100); do mysqladmin --no-defaults -u root --socket=$SOCK ping >/dev/null 2>&1 && break; sleep 0.2; done
  mysql --no-defaults -u root --socket=$SOCK -e "create database if not exists slurm_acct_db; create user if not exists 'slurm'@'localhost' identified by 'x'; grant all on slurm_acct_db.* to 'slurm'@'localhost'"
  cat >"$ROOT/slurmdbd.conf" <<C
AuthType=auth/munge
DbdHost=$H
DbdAddr=127.0.0.1
DbdPort=6819
SlurmUser=root
LogFile=$ROOT/log/slurmdbd.log
PidFile=$ROOT/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=x
StorageLoc=slurm_acct_db
CommunicationParameters=NoInAddrAny
C
  chmod 600 "$ROOT/slurmdbd.conf"
  alive "$ROOT/run/slurmdbd.pid" || slurmdbd
  for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/6819) 2>/dev/null && break; sleep 0.2; done
}
conf() {
  install -d -m 755 "$ROOT" "$ROOT"/{state,spool,log,run}
  [ -f /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=128 count=1 status=none; chown munge: /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }
  local mem; mem=$(awk '/MemTotal/{print int($2/1024*0.9)}' /proc/meminfo)
  cat >"$SLURM_CONF" <<C
ClusterName=local
SlurmctldHost=$H(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CredType=cred/munge
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
$( [ "$DBD" = 1 ] && printf 'JobAcctGatherType=jobacct_gather/linux\nAccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\nAccountingStoragePort=6819' || printf 'JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none')
$( [ "$GPUS" = 1 ] && echo GresTypes=gpu)
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
KillWait=10
MinJobAge=3600
JobRequeue=1
NodeName=$H NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$mem $( [ "$GPUS" = 1 ] && echo Gres=gpu:2) State=UNKNOWN
PartitionName=debug Nodes=$H Default=YES MaxTime=INFINITE State=UP
C
  if [ "$GPUS" = 1 ]; then printf 'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n' >"$ROOT/gres.conf"; else rm -f "$ROOT/gres.conf"; fi
}
start() {
  conf
  if ! munge -n >/dev/null 2>&1; then
    install -d -o munge -g munge -m 755 /run/munge; install -d -o munge -g munge -m 700 /var/log/munge /var/lib/munge
    setpriv --reuid munge --regid munge --clear-groups /usr/sbin/munged
  fi
  [ "$DBD" = 1 ] && dbd
  alive "$ROOT/run/slurmctld.pid" || slurmctld
  alive "$ROOT/run/slurmd.pid" || slurmd
  for _ in $(seq 60); do
    case "$(sinfo -h -o %t 2>/dev/null)" in idle|mix|alloc) return 0;; down*|drain*) scontrol update NodeName="$H" State=RESUME 2>/dev/null || true;; esac; sleep 0.5
  done; echo "slurm did not come up" >&2; tail -20 "$ROOT"/log/*.log >&2; return 1
}
stop() {
  command -v scancel >/dev/null && scancel -f -u "$(id -un)" 2>/dev/null || true
  local p; for p in slurmd slurmctld slurmdbd; do alive "$ROOT/run/$p.pid" && kill "$(cat "$ROOT/run/$p.pid")" || true; done
  for _ in $(seq 40); do alive "$ROOT/run/slurmd.pid" || alive "$ROOT/run/slurmctld.pid" || alive "$ROOT/run/slurmdbd.pid" || break; sleep 0.25; done
  alive "$ROOT/db/m.pid" && kill "$(cat "$ROOT/db/m.pid")" || true
  [ -s /run/munge/munged.pid ] && kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true
  rm -rf "$ROOT/spool"   # $ROOT/state is kept, so job ids go on rising (submitit names its files by job id)
}
case "${1:-}" in install) install_;; start) install_; start;; stop) stop;; status) sinfo; squeue;; env) echo "export SLURM_CONF=$SLURM_CONF";; *) sed -n 2p "$0"; exit 2;; esac
