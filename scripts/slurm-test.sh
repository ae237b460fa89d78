#!/bin/sh
# Runs deploy/slurm.sbatch with a Slurm of its own: one controller and two nodes on this machine. A
# clip is planned in four segments; one task is killed in the middle and requeued; the joined file has
# the pixels and the times of one run. Needs root, and installs slurm-wlm and munge.
#
#   slurm-test.sh [PROGRAM]    PROGRAM is target/release/propainter by default
set -eu
cd "$(dirname "$0")/.."
root=$PWD
program=$(realpath "${1:-target/release/propainter}")
[ "$(id -u)" = 0 ] || { echo "slurm-test: run it as root, as it starts Slurm's daemons"; exit 1; }
[ -x "$program" ] || { echo "slurm-test: $program is missing: run make first"; exit 1; }
for package in slurm-wlm munge; do
    dpkg -s "$package" >/dev/null 2>&1 && continue
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
    break
done

# Short, as the path of a socket has a limit.
dir=$(mktemp -d /tmp/slurm-test.XXXXXX)
stop() {
    for pid in "$dir"/*.pid; do
        [ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
    done
    if [ "${passed:-}" = yes ]; then
        rm -rf "$dir"
    else
        echo "slurm-test: FAILED; everything is in $dir"
    fi
}
trap stop EXIT

# --- Slurm ---------------------------------------------------------------------------------------
mkdir "$dir/state" "$dir/spool1" "$dir/spool2"
host=$(hostname -s)
cat > "$dir/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=7817
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
SlurmUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool%n
SlurmctldPidFile=$dir/ctld.pid
SlurmdPidFile=$dir/node%n.pid
SlurmctldLogFile=$dir/ctld.log
SlurmdLogFile=$dir/node%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
NodeName=[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[7821-7822] CPUs=1 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES State=UP
END
export SLURM_CONF="$dir/slurm.conf"
head -c 128 /dev/urandom > "$dir/key"
chmod 600 "$dir/key"
munged --key-file "$dir/key" --socket "$dir/munge.socket" --pid-file "$dir/munge.pid" \
    --log-file "$dir/munge.log" --seed-file "$dir/seed" --force
slurmctld -c
sleep 2
slurmd -N 1
slurmd -N 2

# Waits until a command succeeds.
until_true() {
    end=$(($(date +%s) + 300))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $end ] || { echo "slurm-test: timed out: $*"; exit 1; }
        sleep 0.2
    done
}
idle() { [ "$(sinfo -h -N -t idle | wc -l)" = 2 ]; }
until_true idle

# --- A clip, planned -----------------------------------------------------------------------------
cd "$dir"
# Four scenes of 50 frames: segments begin at scene cuts.
ffmpeg -nostdin -loglevel error -f lavfi -i "
    testsrc2=s=160x96:r=25:d=2 [a]; testsrc2=s=160x96:r=25:d=2, negate [b];
    mandelbrot=s=160x96:r=25, trim=duration=2, setpts=PTS-STARTPTS [c]; smptebars=s=160x96:r=25:d=2 [d];
    [a][b][c][d] concat=n=4, format=yuv420p" -f lavfi -i sine=d=8 -c:v ffv1 -c:a flac clip.mkv
ffmpeg -nostdin -loglevel error -f lavfi -i color=black:s=160x96,drawbox=60:30:32:24:white:fill \
    -frames:v 1 mask.png
settings="--mask mask.png --model propagation --mode sliding"
# shellcheck disable=SC2086 # $settings is several words.
"$program" plan clip.mkv $settings --segment-frames 50 -o job | tee plan.log
segments=$(ls job/segments | wc -l)
grep -q "in 4 segments" plan.log || { echo "slurm-test: the plan has not 4 segments"; exit 1; }
[ "$segments" = 0 ] || { echo "slurm-test: there are segments before any task"; exit 1; }

# What a task runs: the program. The first time, task 1 is killed as soon as a part of its segment is
# on the disk, and hangs as on a machine that is gone.
cat > task.sh <<END
#!/bin/sh
echo "task \${SLURM_ARRAY_TASK_ID:-join}, restart \${SLURM_RESTART_COUNT:-0}" >> "$dir/tasks.log"
[ "\${SLURM_ARRAY_TASK_ID:-}.\${SLURM_RESTART_COUNT:-0}" = 1.0 ] || exec "$program" "\$@"
"$program" "\$@" & pid=\$!
while kill -0 \$pid 2>/dev/null; do
    if find /proc/\$pid/fd -lname '*.part' | grep -q .; then
        kill -9 \$pid
        touch "$dir/killed"
        exec sleep 600
    fi
done
END
chmod +x task.sh

# --- The array, a kill, and the join -------------------------------------------------------------
script=$root/deploy/slurm.sbatch
# Two cores and no memory to share out: the sizes of the file are for real machines.
small="--cpus-per-task=1 --mem=0 --time=10"
# shellcheck disable=SC2086
array=$(sbatch --parsable $small --array=0-3 --export=ALL,JOB=job,PROPAINTER="$dir/task.sh" "$script")
# shellcheck disable=SC2086
sbatch $small --dependency=afterok:"$array" --export=ALL,JOB=job,OUT=clean.mkv,PROPAINTER="$dir/task.sh" "$script"
until_true test -e killed
[ ! -e job/segments/0001.mkv ] || { echo "slurm-test: a killed task left a segment"; exit 1; }
scontrol requeue "${array}_1"
# Slurm would wait for two minutes.
begin() { scontrol update JobId="${array}_1" StartTime=now; }
until_true begin
done_() { [ -z "$(squeue -h)" ]; }
until_true done_
cat tasks.log
grep -q "^task 1, restart 1" tasks.log || { echo "slurm-test: task 1 was not requeued"; exit 1; }
[ -e clean.mkv ] || { cat propainter-*.log; echo "slurm-test: nothing was joined"; exit 1; }

# --- Equal to one run ----------------------------------------------------------------------------
# shellcheck disable=SC2086
"$program" run clip.mkv $settings --crop-mode off --quiet -o one.mkv
for file in one clean; do
    ffmpeg -nostdin -loglevel error -i $file.mkv -map 0:v -map 0:a -f framemd5 - > $file.md5
done
frames=$(grep -c '^0,' clean.md5)
[ "$frames" = 200 ] || { echo "slurm-test: $frames frames in place of 200"; exit 1; }
cmp one.md5 clean.md5
ffmpeg -nostdin -loglevel error -i clip.mkv -map 0:v -f framemd5 - > clip.md5
! cmp -s clip.md5 one.md5 || { echo "slurm-test: nothing was removed"; exit 1; }
passed=yes
echo "slurm-test: passed: 4 tasks, one of them killed and requeued; 200 frames and the sound equal one run's"
