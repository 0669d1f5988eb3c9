use super::*;
use std::ffi::OsStr;
use std::process;

/// A folder that is removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("readyd-sandbox-{name}-{}", process::id()));
        fs::create_dir_all(path.join("real")).expect("a folder");
        let path = fs::canonicalize(path).expect("it is there");
        fs::write(path.join("real/file"), "").expect("a file");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_and_the_file_behind_a_link_may_both_be_replaced() {
    let folder = Folder::new("links");
    let (link, real) = (folder.0.join("link"), folder.0.join("real"));
    std::os::unix::fs::symlink("real/file", &link).expect("a link");
    assert_eq!(folders_of(&real.join("file")), [real.clone(), real.clone()]);
    assert_eq!(folders_of(&link), [real, folder.0.clone()]);
    assert_eq!(folders_of(&folder.0.join("not there yet")), vec![folder.0.clone()]);
    for name in ["/dev/null", "/dev/stdin", "/dev/fd/0"] {
        let folders = folders_of(Path::new(name));
        assert!(
            folders.iter().all(|path| !path.ends_with("dev") && !path.ends_with("fd")),
            "{name}"
        );
    }
}

#[test]
fn the_places_of_a_zone_hold_no_secrets() {
    let utc = places_of_zone(&ZoneSource::Utc);
    assert!(utc.is_empty());
    let machine = ZoneSource::Machine("/etc/localtime".into());
    let places = places_of_zone(&machine);
    assert!(places.contains(&ZONEINFO.into()) && places.contains(&"/etc/localtime".into()));
    assert!(!places.contains(&"/etc".into()), "{places:?}");
    let folder = Folder::new("zones");
    let name = ZoneSource::Name { name: "file".into(), folder: folder.0.join("real") };
    assert!(places_of_zone(&name).iter().all(|place| *place == folder.0.join("real")));
    let rule = OsStr::new("CET-1").to_owned();
    let rule = ZoneSource::Name { name: rule, folder: ZONEINFO.into() };
    assert!(places_of_zone(&rule).contains(&ZONEINFO.into()));
}

#[test]
fn one_line_tells_what_is_in_force() {
    let line = |abi, read: &[&str], remove: &[&str]| {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let kept = Kept { read: paths(read), remove: paths(remove) };
        InForce(&Confined { abi, kept }).to_string()
    };
    assert_eq!(line(7, &[], &[]), "sandboxed by Landlock ABI 7: opens no file");
    assert_eq!(
        line(6, &["/a", "/b"], &["/run"]),
        "sandboxed by Landlock ABI 6: reads only beneath /a, /b, removes only beneath /run"
    );
    assert_eq!(
        line(4, &[], &[]),
        "sandboxed by Landlock ABI 4: opens no file; not forbidden: ioctl of devices (Linux 6.10), \
         abstract unix sockets and signals of others (Linux 6.12)"
    );
    let too_old = SandboxError::TooOld(3).to_string();
    assert!(too_old.contains("cannot forbid bind and connect over TCP (Linux 6.7), "), "{too_old}");
}
