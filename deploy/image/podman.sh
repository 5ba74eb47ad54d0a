# To be sourced, with $work set: a podman of our own, which keeps everything below $work.
# The kernel's limits are set because podman asks for more than a small machine allows.
mkdir -p "$work/storage" /run/backtest-image
cat >"$work/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
export CONTAINERS_CONF=$work/containers.conf

podman() {
  command podman --root "$work/storage" --runroot /run/backtest-image --log-level error "$@"
}
