use super::*;
use std::net::{TcpListener, TcpStream};

const V4: &str = "   7: 0100007F:270F 0200007F:C350 01 00000000:00000000 02:00000A2B 00000000  \
                  1000        0 21343 2 000000001c43d2a4 20 4 30 10 -1";

#[cfg(target_endian = "little")]
#[test]
fn a_line_of_each_list() {
    let row_v4 = Row {
        local: "127.0.0.1:9999".parse().unwrap(),
        remote: "127.0.0.2:50000".parse().unwrap(),
        state: State::Established,
        uid: 1000,
        inode: 21343,
    };
    assert_eq!(row(V4), Some(row_v4));
    let v6 = "   0: 000080FE00000000FF565E0201020304:0050 00000000000000000000000000000000:0000 0A \
              00000000:00000000 00:00000000 00000000     0        0 17 1 0000000000000000 100 0 0 \
              10 0";
    let row_v6 = Row {
        local: "[fe80::25e:56ff:403:201]:80".parse().unwrap(),
        remote: "[::]:0".parse().unwrap(),
        state: State::Listen,
        uid: 0,
        inode: 17,
    };
    assert_eq!(row(v6), Some(row_v6));
}

#[test]
fn every_state_has_its_number_and_its_name() {
    let names = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "SYN_RECV",
    ];
    for (number, name) in (1..).zip(names) {
        let line = V4.replace(" 01 ", &format!(" {number:02X} "));
        assert_eq!(row(&line).expect("a state").state.name(), name);
    }
    for number in ["00", "0D", "FF", "100", "x"] {
        assert_eq!(row(&V4.replace(" 01 ", &format!(" {number} "))), None, "{number}");
    }
}

#[test]
fn what_is_not_a_line_of_a_socket_is_left_out() {
    let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                  uid  timeout inode                                                     ";
    assert_eq!(row(header), None);
    for cut in 0..V4.find("21343").unwrap() {
        assert_eq!(row(&V4[..cut]), None, "{cut}");
    }
    for (from, to) in [
        ("0100007F", "0100007"),
        ("0100007F", "0100007G"),
        ("0100007F", "100000000000000000000000000000000"),
        ("0100007F", "\u{e4}\u{e4}\u{e4}\u{e4}"),
        ("270F", "1270F"),
        (":270F", ""),
        ("1000", "-1"),
        ("21343", "x"),
    ] {
        assert_eq!(row(&V4.replacen(from, to, 1)), None, "{to}");
    }
}

#[test]
fn the_kernels_list_has_our_own_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let rows: Vec<Row> = list(LISTS[0]).expect("Linux").collect();
    let is_listener = |row: &&Row| row.local == address && row.state == State::Listen;
    let row = rows.iter().find(is_listener).expect("the listener");
    assert_eq!(row.uid, nix::unistd::geteuid().as_raw());
    assert_ne!(row.inode, 0);
    let is_client = |row: &&Row| row.local == client.local_addr().unwrap() && row.remote == address;
    assert_eq!(rows.iter().find(is_client).expect("the client").state, State::Established);
    assert!(list("/nonexistent/tcp").is_err());
}

#[test]
fn the_listeners_of_a_unix_address() {
    let line = |flags: &str| {
        format!("000000005: 00000002 00000000 {flags} 0001 01 21343 /run/a place/readyd.sock")
    };
    let listens = line("00010000");
    assert_eq!(unix_listener(&listens, "/run/a place/readyd.sock"), Some(21343));
    assert_eq!(unix_listener(&listens, "/run/a"), None);
    assert_eq!(unix_listener(&line("00000000"), "/run/a place/readyd.sock"), None);
    let nameless = "000000005: 00000003 00000000 00010000 0001 03 21343";
    assert_eq!(unix_listener(nameless, ""), None);
}
