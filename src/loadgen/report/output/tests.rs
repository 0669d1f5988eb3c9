use super::*;
use crate::loadgen::report::Report;
use crate::loadgen::report::sample::sample;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A directory of a test's own, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("readyc-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_saved_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
    let scratch = Scratch::new("save");
    let path = scratch.0.join("report.json");
    save(&path, b"old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    save(&path, sample().to_json().as_bytes()).unwrap();
    assert_eq!(Report::read(&path).unwrap().achieved, sample().achieved);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(scratch.names(), ["report.json"]);
}

#[test]
fn a_link_goes_on_leading_to_the_file() {
    let scratch = Scratch::new("link");
    let (file, link) = (scratch.0.join("file"), scratch.0.join("link"));
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    save(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"new");
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    save(Path::new("/dev/null"), b"gone").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    // The device that is always full.
    let error = save(Path::new("/dev/full"), b"too much").unwrap_err();
    assert_eq!(error.error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().starts_with("cannot write to /dev/full: "), "{error}");
}

#[test]
fn a_failure_says_what_could_not_be_written_and_leaves_nothing() {
    let scratch = Scratch::new("failure");
    let error = save(&scratch.0.join("no/such/report.json"), b"x").unwrap_err();
    assert!(
        error.to_string().contains("cannot write ") && error.to_string().contains("report.json")
    );
    let folder = scratch.0.join("folder");
    fs::create_dir(&folder).unwrap();
    for path in [folder, scratch.0.join("new/"), PathBuf::from(""), scratch.0.join("folder/..")] {
        let error = Output::open(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{path:?}: {error}");
    }
    let long = scratch.0.join("x".repeat(256));
    assert!(Output::open(&long).is_err(), "a name that is too long");
    assert_eq!(scratch.names(), ["folder"]);
}

#[test]
fn field_load_13_a_file_is_opened_first_and_replaced_last() {
    let scratch = Scratch::new("output");
    let long = scratch.0.join("x".repeat(255));
    fs::write(&long, "old").unwrap();
    let output = Output::open(&long).unwrap();
    assert_eq!(scratch.names().len(), 2, "a temporary file is beside it");
    assert_eq!(fs::read(&long).unwrap(), b"old");
    output.write(b"new").unwrap();
    assert_eq!((scratch.names().len(), fs::read(&long).unwrap()), (1, b"new".to_vec()));
    // Without a write, nothing is left behind.
    drop(Output::open(&long).unwrap());
    assert_eq!((scratch.names().len(), fs::read(&long).unwrap()), (1, b"new".to_vec()));
}

#[test]
fn field_load_13_temporary_files_of_others_are_not_touched() {
    let scratch = Scratch::new("others");
    let stale = scratch.0.join(format!(".readyc-{}-0.tmp", std::process::id()));
    fs::write(&stale, "another process's").unwrap();
    let [a, b] = ["a", "b"].map(|name| Output::open(&scratch.0.join(name)).unwrap());
    a.write(b"A").unwrap();
    b.write(b"B").unwrap();
    assert_eq!(fs::read(&stale).unwrap(), b"another process's");
    assert_eq!(["a", "b"].map(|name| fs::read(scratch.0.join(name)).unwrap()), [b"A", b"B"]);
}

#[test]
fn field_load_13_a_file_that_cannot_be_replaced_is_kept_beside() {
    let scratch = Scratch::new("kept");
    let path = scratch.0.join("report.json");
    let output = Output::open(&path).unwrap();
    // While the run went on, somebody made a folder of it.
    fs::create_dir(&path).unwrap();
    let error = output.write(b"a night's work").unwrap_err().to_string();
    let names = scratch.names();
    let kept = names.iter().find(|name| name.ends_with(".tmp")).expect("the temporary file");
    assert!(error.contains(kept), "{error}");
    assert_eq!(fs::read(scratch.0.join(kept)).unwrap(), b"a night's work");
}

#[test]
fn field_load_13_a_file_is_known_under_all_its_names() {
    let scratch = Scratch::new("names");
    let at = |name: &str| scratch.0.join(name);
    fs::write(at("old"), "").unwrap();
    fs::hard_link(at("old"), at("hard")).unwrap();
    symlink("old", at("link")).unwrap();
    symlink("new", at("dangling")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("..", at("folder/up")).unwrap();
    let is_same = |a: &str, b: &str| {
        let [a, b] = [a, b].map(|name| Output::open(&at(name)).unwrap());
        assert_eq!(a.is_same_file(&b), b.is_same_file(&a));
        a.is_same_file(&b)
    };
    for (a, b) in [
        ("old", "old"),
        ("old", "./old"),
        ("old", "link"),
        ("old", "hard"),
        ("old", "folder/../old"),
        ("new", "new"),
        ("new", "dangling"),
        ("new", "folder/up/new"),
    ] {
        assert!(is_same(a, b), "{a} {b}");
    }
    for (a, b) in [("old", "new"), ("new", "other"), ("new", "folder/new")] {
        assert!(!is_same(a, b), "{a} {b}");
    }
    let special = |path: &str| Output::open(Path::new(path)).unwrap();
    assert!(special("-").is_same_file(&special("/dev/stdout")));
    assert!(!special("/dev/null").is_same_file(&special("/dev/null")), "it mixes nothing up");
    // A dangling link stays a link, to the new file.
    save(&at("dangling"), b"new").unwrap();
    assert!(fs::symlink_metadata(at("dangling")).unwrap().is_symlink());
    assert_eq!(fs::read(at("new")).unwrap(), b"new");
}

#[test]
fn field_load_13_a_fifo_is_written_to_as_it_is() {
    let scratch = Scratch::new("fifo");
    let fifo = scratch.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // There is no reader yet, and nobody waits for one.
    let [early, second] = [(); 2].map(|()| Output::open(&fifo).unwrap());
    assert!(early.is_same_file(&second));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read(&fifo).unwrap());
        early.write(b"through it").unwrap();
        assert_eq!(reader.join().unwrap(), b"through it");
    });
    assert_eq!(scratch.names(), ["fifo"]);
}
