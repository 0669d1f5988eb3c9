use super::*;
use crate::protocol::framing::Framing;

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost:9100\r\n\r\n";

fn asked(head: &str) -> Result<Asked<'_>, HeadError> {
    parse(head.as_bytes()).map(|asked| asked.expect("more than an empty line"))
}

fn end(bytes: &[u8]) -> Result<End, FrameError> {
    find_end(bytes, 0)
}

#[test]
fn a_head_ends_behind_its_empty_line() {
    for head in [GET, b"GET / HTTP/1.0\n\n", b"GET / HTTP/1.0\r\n\n", b"a\n\r\n", b"\r\n", b"\n"] {
        let stream = [head, GET].concat();
        assert_eq!(end(&stream), Ok(End::At(head.len())), "{}", head.escape_ascii());
        for len in 0..head.len() {
            assert_eq!(end(&head[..len]), Ok(End::Incomplete { needed: 1 }), "{len}");
        }
    }
    // A CR alone ends no line.
    assert_eq!(end(b"GET / HTTP/1.0\r\r\n"), Ok(End::Incomplete { needed: 1 }));
}

#[test]
fn what_was_searched_need_not_be_searched_again() {
    for head in [GET, b"GET / HTTP/1.0\n\n", b"\r\n"] {
        for searched in 0..head.len() {
            assert_eq!(find_end(head, searched), Ok(End::At(head.len())), "{searched}");
        }
    }
}

#[test]
fn a_head_of_8_kib_is_accepted_and_no_longer_one() {
    let limit = Err(FrameError::HeadOverLimit { limit: MAX_HEAD });
    let head = |len: usize| {
        let around = "GET / HTTP/1.1\r\nHost: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(len - around)).into_bytes()
    };
    let longest = head(MAX_HEAD);
    assert_eq!(end(&longest), Ok(End::At(MAX_HEAD)));
    assert!(parse(&longest).is_ok());
    let longer = head(MAX_HEAD + 1);
    assert_eq!(end(&longer), limit);
    // It is known as soon as the head cannot end in time any more, and not before.
    assert_eq!(end(&longer[..MAX_HEAD]), limit);
    assert_eq!(end(&longer[..MAX_HEAD - 1]), Ok(End::Incomplete { needed: 1 }));
}

#[test]
fn another_protocol_is_known_by_its_first_byte() {
    for byte in 0..=u8::MAX {
        let is_accepted = byte.is_ascii_alphabetic() || byte == b'\r' || byte == b'\n';
        assert_eq!(end(&[byte]).is_ok(), is_accepted, "{byte:#x}");
        assert_eq!(end(&[byte, b'E', b'\n', b'\n']).is_ok(), is_accepted, "{byte:#x}");
    }
}

/// In whatever pieces the bytes come, the same heads and the same errors are found.
#[test]
fn heads_do_not_depend_on_how_they_were_chopped() {
    use crate::io::buffer::ByteQueue;
    use crate::io::clock::Moment;
    use crate::protocol::framing::{Message, ReadCursor, next_message};
    let too_long = [b"GET /".to_vec(), vec![b'x'; MAX_HEAD]].concat();
    for last in [&b""[..], b"\x16\x03\x01", &too_long] {
        let stream = [b"\r\n", GET, GET, b"HEAD / HTTP/1.0\n\n", last].concat();
        let heads_of = |sizes: &mut dyn Iterator<Item = usize>| {
            let (mut heads, mut held, mut rest) = (Vec::new(), ByteQueue::default(), &stream[..]);
            while !rest.is_empty() {
                let (read, behind) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
                rest = behind;
                let (mut input, mut searched) = (ReadCursor::new(read), held.len());
                loop {
                    let framing = Framing::Http;
                    let now = Moment::START;
                    match next_message(framing, &mut held, &mut input, searched, now) {
                        Ok(Some(Message::Read(head))) => heads.push(head.to_vec()),
                        Ok(Some(Message::Held(len))) => {
                            heads.push(held.bytes()[..len].to_vec());
                            held.consume(len, now);
                        }
                        Ok(None) => break,
                        Err(error) => return (heads, Some(error)),
                    }
                    searched = 0;
                }
            }
            (heads, None)
        };
        let whole = heads_of(&mut std::iter::once(stream.len()));
        assert_eq!(whole.0.len(), 4);
        assert_eq!(whole.1.is_some(), !last.is_empty());
        for size in 1..=GET.len() + 3 {
            assert_eq!(heads_of(&mut std::iter::repeat(size)), whole, "pieces of {size}");
        }
        let first = stream.len() - last.len();
        for cut in 1..first {
            assert_eq!(heads_of(&mut [cut, stream.len()].into_iter()), whole, "cut at {cut}");
        }
    }
}

#[test]
fn a_request_says_what_it_asks_for() {
    let get = |path| Ok(Asked { method: Method::Get, path, then: Then::KeepOpen });
    assert_eq!(parse(GET), get(b"/metrics").map(Some));
    assert_eq!(parse(b"\r\n"), Ok(None));
    assert_eq!(parse(b"\n"), Ok(None));
    let host = "Host: x\r\n\r\n";
    assert_eq!(asked(&format!("GET /metrics?a=b?c HTTP/1.1\r\n{host}")), get(b"/metrics"));
    assert_eq!(asked(&format!("GET http://x:1/readyz HTTP/1.1\r\n{host}")), get(b"/readyz"));
    assert_eq!(asked(&format!("GET HTTP://x HTTP/1.1\r\n{host}")), get(b"/"));
    assert_eq!(asked(&format!("GET HTTP://x?y HTTP/1.1\r\n{host}")), get(b"/"));
    assert_eq!(asked(&format!("GET / HTTP/1.9\r\n{host}")), get(b"/"));
    for method in ["HEAD", "GET"] {
        let head = format!("{method} / HTTP/1.1\r\n{host}");
        assert_eq!(is_head_request(head.as_bytes()), method == "HEAD");
        assert_eq!(asked(&head).map(|asked| asked.method == Method::Head), Ok(method == "HEAD"));
    }
    for method in ["POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] {
        let method = asked(&format!("{method} / HTTP/1.1\r\n{host}")).map(|asked| asked.method);
        assert_eq!(method, Ok(Method::NotAllowed));
    }
}

#[test]
fn the_connection_is_closed_where_the_client_wants_it() {
    for (version, fields, then) in [
        ("1.0", "", Then::Close),
        ("1.0", "Connection: keep-alive\r\n", Then::Close),
        ("1.1", "Host: x\r\n", Then::KeepOpen),
        ("1.1", "Host: x\r\nConnection: keep-alive\r\n", Then::KeepOpen),
        ("1.1", "Host: x\r\nCONNECTION: upgrade , Close\r\n", Then::Close),
        ("1.1", "Host: x\r\nConnection: closed\r\n", Then::KeepOpen),
        ("1.1", "Host: x\r\nContent-Length: 0\r\n", Then::KeepOpen),
    ] {
        let head = format!("GET / HTTP/{version}\r\n{fields}\r\n");
        assert_eq!(asked(&head).map(|asked| asked.then), Ok(then), "{head}");
    }
    // The body of a request that is not allowed is not read.
    let post = asked("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    let closes = Asked { method: Method::NotAllowed, path: b"/", then: Then::Close };
    assert_eq!(post, Ok(closes));
}

#[test]
fn what_breaks_the_grammar_is_refused() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /\r\nHost: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET / http/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1\r\nHost: x\r\n\r\n",
        "GET / HTTP/11.1\r\nHost: x\r\n\r\n",
        "GET metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\u{e4} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\t HTTP/1.1\r\nHost: x\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(matches!(asked(head), Err(HeadError::Bad(_))), "{head:?}: {:?}", asked(head));
    }
}

#[test]
fn what_is_not_done_here_is_told_apart() {
    let host = "Host: x\r\n\r\n";
    for version in ["0.9", "2.0", "3.0"] {
        assert_eq!(asked(&format!("GET / HTTP/{version}\r\n{host}")), Err(HeadError::Version));
    }
    assert_eq!(asked("PRI * HTTP/2.0\r\n\r\n"), Err(HeadError::Version));
    for method in ["get", "BREW", "GETT"] {
        let head = format!("{method} / HTTP/1.1\r\n{host}");
        assert_eq!(asked(&head), Err(HeadError::UnknownMethod), "{method}");
    }
    for (field, error) in [
        ("Content-Length: 1", HeadError::Body),
        ("content-length: 0018446744073709551616", HeadError::Body),
        ("Transfer-Encoding: Chunked", HeadError::Body),
        ("Transfer-Encoding: gzip, chunked", HeadError::UnknownCoding),
    ] {
        assert_eq!(asked(&format!("GET / HTTP/1.1\r\n{field}\r\n{host}")), Err(error), "{field}");
    }
}

/// Whatever follows a request line, the head is judged, and what is accepted has the path.
#[test]
fn every_short_head_is_judged() {
    const PARTS: [&str; 9] =
        ["\r", "\n", " ", ":", "0", "Host:x", "Content-Length:", "Transfer-Encoding:", "\0"];
    let most = PARTS.len().pow(5);
    let mut accepted = 0;
    for mut number in 0..most {
        let mut head = b"GET /path HTTP/1.1\n".to_vec();
        while number > 0 {
            head.extend_from_slice(PARTS[number % PARTS.len()].as_bytes());
            number /= PARTS.len();
        }
        head.extend_from_slice(b"\n\n");
        let Ok(End::At(len)) = end(&head) else { panic!("{}", head.escape_ascii()) };
        if let Ok(Some(asked)) = parse(&head[..len]) {
            assert_eq!(asked.path, b"/path");
            accepted += 1;
        }
    }
    assert!((100..most / 10).contains(&accepted), "{accepted}");
}
