use super::*;

#[test]
fn a_client_gets_in_and_the_mode_is_the_groups() {
    let dir = tempfile::tempdir().unwrap();
    let run_dir = dir.path().join("run");
    let listener = Listener::bind(&run_dir, "netd").unwrap();
    let path = run_dir.join("netd.sock");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, SOCKET_MODE);
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
}

#[test]
fn a_second_run_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let listener = Listener::bind(dir.path(), "netd").unwrap();
    let Err(error) = Listener::bind(dir.path(), "netd") else {
        panic!("bound twice")
    };
    assert!(
        error
            .to_string()
            .ends_with("netd.lock: another ravelin-netd is running")
    );
    let _client = UnixStream::connect(dir.path().join("netd.sock")).unwrap();
    listener.accept().unwrap();
}

#[test]
fn the_socket_of_a_dead_run_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    drop(Listener::bind(dir.path(), "netd").unwrap());
    let path = dir.path().join("netd.sock");
    assert!(path.exists());
    let listener = Listener::bind(dir.path(), "netd").unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
}

#[test]
fn a_lock_that_outlives_its_run_for_a_moment_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let old = Listener::bind(dir.path(), "netd").unwrap();
    let dying = std::thread::spawn(move || {
        let moment = std::process::Command::new("sleep").arg("0.2").status();
        drop(old);
        moment.unwrap()
    });
    let listener = Listener::bind(dir.path(), "netd").unwrap();
    assert!(dying.join().unwrap().success());
    let _client = UnixStream::connect(dir.path().join("netd.sock")).unwrap();
    listener.accept().unwrap();
}

#[test]
fn what_stands_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("netd.sock")).unwrap();
    let Err(error) = Listener::bind(dir.path(), "netd") else {
        panic!("a folder was replaced")
    };
    assert!(error.to_string().contains("netd.sock"));
}
