use super::{Options, USAGE};
use ravelin_qemu::NicModel;
use std::path::PathBuf;

fn parse(line: &str) -> Result<Option<Options>, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    Options::parse(&words)
}

#[test]
fn what_is_not_said_has_a_default() {
    let options = parse("run --image a.qcow2").unwrap().unwrap();
    assert_eq!(options.image, PathBuf::from("a.qcow2"));
    assert_eq!(
        (options.nics, options.cpus, options.memory_mib),
        (2, 2, 2048)
    );
    assert!(options.iommu && !options.uefi && options.disk.is_none());
    assert_eq!(options.model(), NicModel::virtio_iommu());
}

#[test]
fn all_can_be_said() {
    let line = "run --image a --nic vmxnet3 --nics 3 --uefi --seed s.iso --seed t --cpus 4 --memory 4096 --disk d --ssh-port 22 --no-iommu";
    let options = parse(line).unwrap().unwrap();
    assert_eq!(options.model(), NicModel::Vmxnet3);
    assert_eq!(
        (
            options.nics,
            options.cpus,
            options.memory_mib,
            options.ssh_port
        ),
        (3, 4, 4096, 22)
    );
    assert_eq!(options.seeds, [PathBuf::from("s.iso"), PathBuf::from("t")]);
    assert_eq!(options.disk, Some(PathBuf::from("d")));
    assert!(options.uefi && !options.iommu);
    let virtio = parse("run --image a --no-iommu").unwrap().unwrap();
    assert_eq!(virtio.model(), NicModel::virtio());
    let igb = parse("run --image a --nic igb-vf").unwrap().unwrap();
    assert_eq!(igb.model(), NicModel::Igb);
}

#[test]
fn what_is_wrong_is_named() {
    for (line, part) in [
        ("", "unknown command"),
        ("walk", "walk"),
        ("run", "--image is missing"),
        ("run --image", "--image"),
        ("run --image a --nic e1000", "virtio, vmxnet3 or igb-vf"),
        ("run --image a --nics 12", "from 0 to 11"),
        ("run --image a --cpus many", "--cpus many"),
        ("run --image a --speed 9", "--speed"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn help_fits_its_line() {
    assert_eq!(parse("run --help"), Ok(None));
    assert_eq!(parse("help"), Ok(None));
    assert!(USAGE.lines().all(|line| line.len() <= 100));
}
