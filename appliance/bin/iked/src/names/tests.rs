use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    names: Names,
    asked: mpsc::Receiver<String>,
    now: Time,
}

impl Scene {
    fn new(wanted: &[&str]) -> Self {
        let (resolver, asked) = mpsc::channel(4);
        let mut scene = Self {
            names: Names::new(resolver),
            asked,
            now: Time(5_000_000),
        };
        scene.want(wanted);
        scene
    }

    fn want(&mut self, wanted: &[&str]) {
        let wanted = wanted.iter().map(|name| (*name).to_owned()).collect();
        self.names.want(&wanted, self.now);
    }

    /// Lets so much time pass; what is asked then, in alphabetical order.
    fn after(&mut self, time: Duration) -> Vec<String> {
        self.now = self.now + time;
        self.names.settle(self.now);
        let mut all = Vec::new();
        while let Ok(name) = self.asked.try_recv() {
            all.push(name);
        }
        all.sort();
        all
    }

    fn found(&mut self, name: &str, found: &[&str]) {
        let found = found.iter().map(|a| a.parse().unwrap()).collect();
        self.names.found((name.to_owned(), Ok(found)), self.now);
    }

    fn fails(&mut self, name: &str) {
        let why = "no such host".to_owned();
        self.names.found((name.to_owned(), Err(why)), self.now);
    }

    fn answer(&self, name: &str) -> (String, Option<String>) {
        let answer = self.names.answers().get(name).cloned().unwrap_or_default();
        (list(&answer.addresses), answer.error)
    }
}

#[test]
fn a_name_is_asked_each_minute_and_once_at_a_time() {
    let mut scene = Scene::new(&["a"]);
    assert_eq!(scene.after(Duration::ZERO), ["a"]);
    assert!(scene.after(REFRESH * 10).is_empty(), "it is being asked");
    scene.found("a", &["192.0.2.1", "2001:db8::1"]);
    assert_eq!(scene.names.settle(scene.now), scene.now + REFRESH);
    assert_eq!(scene.answer("a"), ("192.0.2.1, 2001:db8::1".into(), None));
    assert!(scene.after(REFRESH - SECOND).is_empty());
    assert_eq!(scene.after(SECOND), ["a"]);
    // Another order is no news.
    let before = Arc::clone(scene.names.answers());
    scene.found("a", &["2001:db8::1", "192.0.2.1"]);
    scene.after(Duration::ZERO);
    assert!(Arc::ptr_eq(&before, scene.names.answers()));
}

#[test]
fn failures_keep_what_is_known_and_are_asked_again_ever_more_rarely() {
    let mut scene = Scene::new(&["a"]);
    scene.after(Duration::ZERO);
    scene.found("a", &["192.0.2.1"]);
    assert_eq!(scene.after(REFRESH), ["a"]);
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        scene.fails("a");
        assert!(scene.after(SECOND * (pause - 1)).is_empty());
        assert_eq!(scene.after(SECOND), ["a"]);
    }
    let failed = ("192.0.2.1".into(), Some("no such host".into()));
    assert_eq!(scene.answer("a"), failed);
    scene.found("a", &["0.0.0.0", "224.0.0.1"]);
    scene.after(Duration::ZERO);
    let none = ("192.0.2.1".into(), Some("it has no address".into()));
    assert_eq!(scene.answer("a"), none);
    scene.after(REFRESH);
    scene.found("a", &["192.0.2.2", "192.0.2.2"]);
    scene.after(Duration::ZERO);
    assert_eq!(scene.answer("a"), ("192.0.2.2".into(), None));
}

#[test]
fn news_waits_for_the_other_answers_but_not_for_long() {
    let mut scene = Scene::new(&["a", "b", "c"]);
    assert_eq!(scene.after(Duration::ZERO), ["a", "b", "c"]);
    scene.found("a", &["192.0.2.1"]);
    assert_eq!(scene.names.settle(scene.now), scene.now + SECOND);
    assert_eq!(scene.answer("a").0, "");
    scene.after(SECOND);
    assert_eq!(scene.answer("a").0, "192.0.2.1");
    scene.found("b", &["192.0.2.2"]);
    scene.found("c", &["192.0.2.3"]);
    scene.after(Duration::ZERO);
    assert_eq!(scene.answer("c").0, "192.0.2.3");
}

#[test]
fn names_that_leave_are_forgotten_and_a_queue_that_is_full_loses_none() {
    let mut scene = Scene::new(&["a", "b", "c", "d", "e"]);
    assert_eq!(scene.after(Duration::ZERO).len(), 4);
    assert_eq!(scene.after(RETRY_FIRST).len(), 1);
    scene.want(&["a"]);
    scene.found("b", &["192.0.2.2"]);
    scene.found("a", &["192.0.2.1"]);
    scene.after(SECOND);
    assert_eq!(scene.names.answers().len(), 1);
    scene.want(&["a", "b"]);
    assert_eq!(scene.after(Duration::ZERO), ["b"]);
}

#[test]
fn who_waits_for_a_name_is_not_kept_waiting() {
    let mut scene = Scene::new(&["a", "b"]);
    scene.after(Duration::ZERO);
    scene.names.hurry("a", scene.now);
    assert!(scene.after(SECOND).is_empty(), "it is being asked");
    scene.fails("a");
    scene.found("b", &["192.0.2.2"]);
    for name in ["a", "b", "unknown"] {
        scene.names.hurry(name, scene.now);
    }
    assert_eq!(scene.after(Duration::ZERO), ["a"]);
}

#[tokio::test]
async fn the_system_resolves() {
    let (names, asked) = mpsc::channel(4);
    let (answers, mut found) = mpsc::channel(4);
    tokio::spawn(resolve(asked, answers));
    names.send("192.0.2.7".to_owned()).await.unwrap();
    let there = vec!["192.0.2.7".parse().unwrap()];
    assert_eq!(found.recv().await.unwrap().1, Ok(there));
    names.send("a..b".to_owned()).await.unwrap();
    assert!(found.recv().await.unwrap().1.is_err());
}
