use super::*;
use crate::scratch::Scratch;
use crate::zone::tests::tzif;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::fs::symlink;

/// What the value of `TZ` means, with `folder` as the folder of zones.
fn load(folder: &Scratch, tz: impl AsRef<OsStr>) -> Result<ZoneRules, ZoneError> {
    ZoneSource::new(Zone::Local, Some(tz.as_ref()), Some(folder.path().as_os_str())).load()
}

/// The rules' offset today.
fn offset(rules: Result<ZoneRules, ZoneError>) -> i32 {
    rules.unwrap_or_else(|error| panic!("{error}")).offset_at(1_800_000_000)
}

fn error(rules: Result<ZoneRules, ZoneError>) -> String {
    rules.expect_err("no zone").to_string()
}

#[test]
fn the_variable_says_where_to_look() {
    let source = |tz: Option<&str>, tzdir: Option<&str>| {
        ZoneSource::new(Zone::Local, tz.map(OsStr::new), tzdir.map(OsStr::new))
    };
    let name =
        |name: &str, folder: &str| ZoneSource::Name { name: name.into(), folder: folder.into() };
    assert_eq!(source(None, Some("/zones")), ZoneSource::Machine(LOCALTIME.into()));
    for utc in ["", ":", "UTC", ":UTC"] {
        assert_eq!(source(Some(utc), None), ZoneSource::Utc);
    }
    for tz in ["/zones/Here", ":/zones/Here"] {
        assert_eq!(source(Some(tz), None), ZoneSource::File("/zones/Here".into()));
    }
    for tz in ["Europe/Lisbon", ":Europe/Lisbon"] {
        assert_eq!(source(Some(tz), None), name("Europe/Lisbon", ZONEINFO));
        assert_eq!(source(Some(tz), Some("")), name("Europe/Lisbon", ZONEINFO));
        assert_eq!(source(Some(tz), Some("/zones")), name("Europe/Lisbon", "/zones"));
    }
    let utc = ZoneSource::new(Zone::Utc, Some("JST-9".as_ref()), None);
    assert_eq!(utc, ZoneSource::Utc);
    assert_eq!(offset(utc.load()), 0);
}

#[test]
fn a_name_is_a_file_first_and_a_rule_if_there_is_none() {
    let folder = Scratch::new();
    folder.file("EST5EDT", tzif("JST-9"));
    let deep = folder.file("Europe/Here", tzif("CET-1"));
    for (tz, expected) in [
        ("EST5EDT", 32_400),
        (":EST5EDT", 32_400),
        ("Europe/Here", 3600),
        (deep.to_str().expect("UTF-8"), 3600),
        ("JST-9", 32_400),
        ("<+03>-3", 10_800),
        (":<+03>-3", 10_800),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 3600),
    ] {
        assert_eq!(offset(load(&folder, tz)), expected, "{tz}");
    }
    // Below a file, for which open(2) has another error: ENOTDIR.
    assert!(matches!(load(&folder, "EST5EDT/2"), Err(ZoneError::Unknown { .. })));
    // Longer than a file's name can be.
    assert_eq!(offset(load(&folder, format!("{}-5", "A".repeat(5000)))), 18_000);
}

#[test]
fn field_server_11_each_kind_of_wrong_zone_has_its_own_error() {
    let folder = Scratch::new();
    let zones = folder.path().display();
    folder.file("Broken", b"TZif");
    folder.file("Large", vec![0; MAX_SIZE + 1]);
    folder.file("Empty", b"");
    folder.file("Rule", b"CET-1");
    folder.file("Folder/Here", b"");
    symlink("loop", folder.path().join("loop")).expect("make a link");
    let at = |name: &str| format!("cannot read the time zone from {zones}/{name}: ");
    for (tz, expected) in [
        ("Broken", at("Broken") + "the TZif file is shorter than its header says"),
        ("Large", at("Large") + "it has more than 1048576 bytes"),
        ("Empty", at("Empty") + "it is not a TZif file"),
        ("Rule", at("Rule") + "it is not a TZif file"),
        ("Folder", at("Folder") + "it is not a regular file"),
        ("loop", at("loop") + "Too many levels of symbolic links (os error 40)"),
        (
            "Europe/Atlantis",
            format!(
                "unknown time zone TZ=\"Europe/Atlantis\": {zones} has no file of this name, and \
                 it is no POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3"
            ),
        ),
        (
            "../../etc/passwd",
            "unknown time zone TZ=\"../../etc/passwd\": a name may not contain \"..\" (give an \
             absolute path)"
                .to_owned(),
        ),
        (
            "/nowhere/zone",
            "cannot read the time zone from /nowhere/zone: No such file or directory (os error \
             2)"
            .to_owned(),
        ),
    ] {
        assert_eq!(error(load(&folder, tz)), expected);
    }
    let hostile = error(load(&folder, OsStr::from_bytes(b"\xff\n\x1b[2J")));
    assert!(hostile.starts_with("unknown time zone TZ=\"\\xff\\n\\x1b[2J\": "), "{hostile}");
}

/// The test would not end if open(2) waited for a writer.
#[test]
fn field_server_11_a_fifo_or_a_device_is_refused_at_once() {
    let folder = Scratch::new();
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("make a FIFO");
    for path in [fifo.as_path(), Path::new("/dev/zero"), Path::new("/dev/urandom")] {
        let said = error(load(&folder, path));
        assert_eq!(
            said,
            format!("cannot read the time zone from {}: it is not a regular file", path.display())
        );
    }
}

#[test]
fn a_machine_without_a_zone_is_in_utc() {
    let folder = Scratch::new();
    let gone = ZoneSource::Machine(folder.path().join("localtime"));
    assert_eq!(gone.load().expect("UTC"), ZoneRules::utc());
    let path = folder.file("localtime", tzif("CET-1"));
    assert_eq!(offset(ZoneSource::Machine(path).load()), 3600);
    let broken = folder.file("localtime", b"TZif");
    assert!(ZoneSource::Machine(broken).load().is_err());
}
