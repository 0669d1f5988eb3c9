use super::*;
use std::os::unix::fs::FileExt;

#[test]
fn the_parts_follow_each_other() {
    let sealed = seal(c"test", &[b"one", b"", b"two"]).expect("memory");
    let first = SealedMemfd::of_sealed(&sealed).expect("it is sealed");
    let second = SealedMemfd::of_sealed(&sealed).expect("as often as one likes");
    drop(sealed);
    assert_eq!((&*first, &*second), (&b"onetwo"[..], &b"onetwo"[..]));
    drop(first);
    assert_eq!(&*second, b"onetwo");
}

#[test]
fn what_is_sealed_stays_as_it_is() {
    let file = File::from(seal(c"test", &[&[7; 10_000]]).expect("memory"));
    let mapping = SealedMemfd::of_sealed(&file).expect("it is sealed");
    let refused = |result: io::Result<()>| {
        assert_eq!(result.expect_err("sealed").kind(), io::ErrorKind::PermissionDenied);
    };
    refused(file.write_all_at(b"8", 0));
    refused(file.set_len(1));
    refused(file.set_len(20_000));
    assert!(mapping.iter().all(|&byte| byte == 7) && mapping.len() == 10_000);
}

#[test]
fn what_could_change_is_not_mapped() {
    let error = |file: &File| SealedMemfd::of_sealed(file).expect_err("not sealed").to_string();
    let open = memfd_create(c"test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING);
    let open = File::from(open.expect("a descriptor"));
    open.set_len(4096).expect("memory");
    assert_eq!(error(&open), "not memory that is sealed");
    let half = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&open, FcntlArg::F_ADD_SEALS(half)).expect("it can be sealed");
    assert_eq!(error(&open), "not memory that is sealed");
    let file = File::open("/proc/self/exe").expect("this program");
    assert_eq!(error(&file), "not memory that is sealed");
    assert_eq!(error(&File::from(seal(c"test", &[]).expect("a descriptor"))), "empty");
}
