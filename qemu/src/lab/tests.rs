use super::{LOCK, Lab};

fn scratch(name: &str) -> std::path::PathBuf {
    let unique = format!("ravelin-lab-{name}-{}", std::process::id());
    std::env::temp_dir().join(unique)
}

fn inside(base: &std::path::Path) -> Lab {
    Lab::inside(&base.join("a"), &base.join("s"), &base.join("d")).unwrap()
}

#[test]
fn artifacts_stay_and_the_rest_goes() {
    let base = scratch("stay");
    let lab = inside(&base);
    for folder in [lab.artifacts(), lab.sockets(), lab.disks()] {
        std::fs::write(folder.join("x"), "x").unwrap();
    }
    let (sockets, disks) = (lab.sockets().to_owned(), lab.disks().to_owned());
    let artifact = lab.artifacts().join("x");
    drop(lab);
    assert!(artifact.exists() && !sockets.exists() && !disks.exists());
    let again = inside(&base);
    assert!(!artifact.exists(), "an earlier run's artifact was kept");
    drop(again);
    std::fs::remove_dir_all(base).unwrap();
}

#[test]
fn what_the_dead_left_goes_and_what_the_living_have_stays() {
    let base = scratch("sweep");
    let living = inside(&base);
    let dead = base.join("d").join("1-0");
    std::fs::create_dir(&dead).unwrap();
    std::fs::write(dead.join(LOCK), "").unwrap();
    let foreign = base.join("d").join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    let other = inside(&base);
    assert!(!dead.exists());
    assert!(living.disks().exists() && other.disks().exists() && foreign.exists());
    assert_ne!(living.disks(), other.disks());
    drop((living, other));
    std::fs::remove_dir_all(base).unwrap();
}

#[test]
fn a_name_that_somebody_has_is_passed_over() {
    let base = scratch("names");
    let disks = base.join("d");
    let next = super::COUNT.load(std::sync::atomic::Ordering::Relaxed);
    // As another process of the same id, in another pid namespace.
    for number in next..next + 40 {
        let taken = format!("{}-{number}", std::process::id());
        std::fs::create_dir_all(disks.join(taken)).unwrap();
    }
    let lab = inside(&base);
    assert!(lab.disks().join(LOCK).exists());
    drop(lab);
    std::fs::remove_dir_all(base).unwrap();
}
