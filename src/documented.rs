//! Parts of the documentation that tests make from the code.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What makes the tests write what they would otherwise compare.
const UPDATE: &str = "UPDATE_DOCS";

/// Two tests must not write the same file at once.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares the part of the file `name` that is called `part` with `text`. With `UPDATE_DOCS=1` in
/// the environment, writes it instead. The part stands between the lines `<!-- PART: begin -->` and
/// `<!-- PART: end -->`.
///
/// # Panics
///
/// If they differ, with the command that updates the file; or if there is no such part.
pub(crate) fn compare(name: &str, part: &str, text: &str) {
    let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let whole = fs::read_to_string(&path).expect("a file that can be read");
    let (begin, end) = (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->"));
    let (before, rest) = whole.split_once(&begin).expect("the begin of the part");
    let (written, after) = rest.split_once(&end).expect("the end of the part");
    if written == text {
        return;
    }
    assert!(
        std::env::var_os(UPDATE).is_some(),
        "{name} is out of date: its part {part:?} should read\n{text}\nTo update it:\n    \
         {UPDATE}=1 cargo test --lib documented"
    );
    let updated = [before, &begin, text, &end, after].concat();
    fs::write(&path, updated).expect("a file that can be written");
}
