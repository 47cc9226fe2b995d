use super::*;
use std::net::TcpListener;
use std::thread;

/// What a server does with each of its connections; the request is given.
type Serve = fn(&mut TcpStream, &str) -> io::Result<()>;

/// A server on this machine that takes one connection for each of `serve`. Returns its address.
pub fn server(serve: Vec<Serve>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for serve in serve {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![];
            let mut piece = [0; 4096];
            while find(&request, b"\r\n\r\n").is_none() {
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
            }
            // The client may hang up in the middle.
            let _ = serve(&mut stream, &String::from_utf8_lossy(&request));
        }
    });
    format!("http://{address}")
}

fn get(url: &str) -> Result<String, String> {
    let fetched = fetch(url, None, 1000, Duration::from_secs(20));
    let text = fetched.map(|octets| String::from_utf8(octets).unwrap());
    text.map_err(|error| error.to_string())
}

fn answer(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())
}

#[test]
fn urls_are_taken_apart_and_bad_ones_are_refused() {
    let url = |text: &str| {
        let url = Url::parse(text).unwrap();
        (url.host, url.port, url.target)
    };
    let parts = |host: &str, port, target: &str| (host.to_owned(), port, target.to_owned());
    assert_eq!(url("http://crl.example"), parts("crl.example", 80, "/"));
    assert_eq!(
        url("HTTP://crl.example:8080/a/b.crl?x=1#y"),
        parts("crl.example", 8080, "/a/b.crl?x=1")
    );
    assert_eq!(
        url("http://[2001:db8::1]:81?q"),
        parts("2001:db8::1", 81, "/?q")
    );
    assert_eq!(url("http://[::1]/"), parts("::1", 80, "/"));
    for bad in [
        "",
        "crl.example/ca.crl",
        "https://crl.example/",
        "ldap://crl.example/",
        "http:///ca.crl",
        "http://user@crl.example/",
        "http://crl.example:99999/",
        "http://crl.example/a b",
        "http://crl.example/a\r\nX: y",
        "http://crl.ex\u{e4}mple/",
    ] {
        assert!(matches!(Url::parse(bad), Err(HttpError::Url(_))), "{bad}");
    }
}

#[test]
fn the_content_comes_whole_by_get_and_by_post() {
    let at = server(vec![
        |stream, request| {
            let wanted = "GET /ca.crl?a=b HTTP/1.0\r\nHost: 127.0.0.1:";
            assert!(request.starts_with(wanted), "{request}");
            answer(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-LENGTH: 4\r\n\r\nlist and more",
            )
        },
        |stream, request| {
            assert!(request.starts_with("POST / HTTP/1.0\r\n"), "{request}");
            assert!(request.contains("\r\nContent-Type: application/ocsp-request\r\n"));
            assert!(
                request.contains("\r\nContent-Length: 3\r\n\r\n"),
                "{request}"
            );
            answer(stream, "HTTP/1.0 200\r\n\r\nto the end")
        },
    ]);
    assert_eq!(get(&format!("{at}/ca.crl?a=b")).unwrap(), "list");
    let body = Body {
        media_type: "application/ocsp-request",
        octets: b"ask",
    };
    let answered = fetch(&at, Some(body), 10, Duration::from_secs(20));
    assert_eq!(answered.unwrap(), b"to the end");
}

#[test]
fn redirections_are_followed_to_a_bound() {
    let at = server(vec![
        |stream, _| answer(stream, "HTTP/1.1 301 Moved\r\nLocation: /new\r\n\r\n"),
        |stream, request| {
            assert!(request.starts_with("GET /new "), "{request}");
            answer(stream, "HTTP/1.1 200 OK\r\n\r\nfound")
        },
    ]);
    assert_eq!(get(&format!("{at}/old")).unwrap(), "found");
    let round: Serve = |stream, _| answer(stream, "HTTP/1.1 307 x\r\nLocation: /\r\n\r\n");
    let at = server(vec![round; 4]);
    assert_eq!(get(&at).unwrap_err(), "more than 3 redirections");
    let at = server(vec![|stream, _| {
        answer(stream, "HTTP/1.1 302 x\r\nLocation: https://a/\r\n\r\n")
    }]);
    assert_eq!(get(&at).unwrap_err(), "`https://a/` is not a URL of HTTP");
}

#[test]
fn bad_answers_are_refused_by_name() {
    let cases: Vec<(Serve, &str)> = vec![
        (
            |s, _| answer(s, "HTTP/1.1 404 Not Found\r\n\r\n"),
            "the server answers 404 Not Found",
        ),
        (
            |s, _| answer(s, "HTTP/1.1 302 Found\r\n\r\n"),
            "the server answers 302 Found",
        ),
        (
            |s, _| answer(s, "SSH-2.0-OpenSSH\r\n\r\n"),
            "the answer is no HTTP: its first line",
        ),
        (
            |s, _| answer(s, "HTTP/1.1 2"),
            "the answer is no HTTP: it ends within its head",
        ),
        (
            |s, _| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234"),
            "the answer ends after 4 of 9 octets",
        ),
        (
            |s, _| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"),
            "the answer has more than 1000 octets",
        ),
        (
            |s, _| {
                answer(s, "HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    s.write_all(&[b'x'; 512])?;
                }
            },
            "the answer has more than 1000 octets",
        ),
        (
            |s, _| loop {
                answer(s, "HTTP/1.1 200 OK\r\nX: y\r\n")?;
            },
            "the answer is no HTTP: its head does not end",
        ),
        (
            |s, _| {
                answer(
                    s,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                )
            },
            "the answer is no HTTP: it is encoded for transfer, which was not asked for",
        ),
    ];
    for (serve, expected) in cases {
        assert_eq!(get(&server(vec![serve])).unwrap_err(), expected);
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    // It is silent until the client has hung up.
    let at = server(vec![|stream, _| stream.read(&mut [0; 8]).map(drop)]);
    let silent = fetch(&at, None, 1000, Duration::from_millis(200));
    let error = silent.unwrap_err().to_string();
    assert_eq!(error, "the server takes too long");
    // Nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(get(&at).unwrap_err().contains("refused"));
}
