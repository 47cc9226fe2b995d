# The text of ./x help.

help() {
	cat <<'HELP'
usage: sudo ./x [--native] COMMAND [ARGUMENTS]        (as root, sudo is not needed)

  build                          build everything
  image [OPTIONS]                build the appliance image in target/image: raw, qcow2 and what is made from them
      --update-lock              move image/packages/appliance.lock to what the mirror has now, and build nothing
      --profile dev|release      the daemons' profile (default release)
      --only raw|qcow2           only that file
      --out DIR                  somewhere else
  vm run [OPTIONS]               the image in a virtual machine, its serial console on this terminal (Ctrl-] ends it);
                                 fxp0 is reached by ssh -p 2222 admin@127.0.0.1
      --nic virtio|vmxnet3|igb-vf, --nics N   model and number of the data NICs (virtio, 2)
      --uefi, --cpus N, --memory MiB, --no-iommu, --ssh-port PORT
      --seed FILE                day-0 medium, an ISO or a disk
      --disk FILE                keep what the machine writes there; else it is new each time
  vm demo [--nic MODEL]          the image ends native ESP of a Linux kernel, between virtual machines, and returns after
                                 a reboot; MODEL: virtio (default), virtio-vfio or vmxnet3
  demo [--keep] [--quick]        strongSwan's traffic crosses the gateway; --keep leaves a CLI open,
                                 --quick: IPv4 only and little traffic
  demo --break NAME              the same with a gateway broken on purpose, which the checker must find:
                                 clear, replay, nonce, selector, route or loss
  test [--soak] [--vm] [SUITE] [FILTER]
                                 run the suites: lint tidy unit system vm fuzz demo; --soak adds the long tests.
                                 Suite vm boots the image; --vm adds its other scenarios
  lint                           cargo fmt --check, clippy -D warnings, layering and style
  bench esp [--targets|--quick|--workers|--scale] [--json FILE]
                                 the gateway beside DPDK's ipsec-secgw and the bare cipher, cycles per packet and Gbps on
                                 one core, targets met or not, in ten minutes, with a plot FILE.svg beside the JSON.
                                 --targets: only what the targets are about, two minutes; --quick: of that up to 1,000 SAs;
                                 --workers: only two workers beside one; --scale: only how long 65,536 SA pairs and a million
                                 routes take to get into planed
  bench ike [--quick|--scale] [--json FILE]
                                 tunnels that iked sets up per second of CPU time, beside strongSwan's charon, and 65,536 of them at
                                 once: time, memory, idle CPU, restart; in five minutes. --quick: one short round of the comparison;
                                 --scale: only the 65,536
  bench stages [--json FILE]     what the pipeline costs per packet inside of one process, without ports
  bench stages --update-guard    writes what the stages cost in instructions to tests/guard/instructions.txt, by which ./x test
                                 judges; after a change that is meant
  fuzz [TARGET] [SECONDS]        libFuzzer targets of tests/fuzz, with their coverage floors
  testca make FOLDER [OPTIONS]   a CA for tests, with certificates of gateways and eNodeBs and with faults on request, into a
                                 folder of the checkout; testca --help tells the options, testca faults the faults
  shell [COMMAND ...]            a root shell (or one command) in the sysroot
  help                           this text

The first run makes a Debian 13 sysroot with mmdebstrap (1.5 minutes, 1.5 GB) in ~/.cache/ravelin; everything then runs
in it, in a private mount and pid namespace of which nothing stays behind. --native uses a Debian 13 host instead.

environment
  RAVELIN_HUGEPAGES=N   2 MB hugepages to borrow while the command runs (default 512, bench 640, 0 for none)
  RAVELIN_ACCEL=kvm|tcg  how virtual machines run (default: KVM if a guest runs under it, else translated)
  RAVELIN_PROFILE=NAME  default of image --profile
  RAVELIN_MIRROR=URL    Debian mirror (default http://deb.debian.org/debian)
  XDG_CACHE_HOME        where the sysroot is kept
  CARGO_TARGET_DIR      where cargo builds (default target/ of the checkout)
  CARGO_HOME RUSTUP_HOME  taken from the user who called sudo, unless set
HELP
}
