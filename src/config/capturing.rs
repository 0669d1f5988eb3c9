//! The value of `--capture`, and of the environment variable that does the same.

use super::Reason;
use super::values;
use std::path::PathBuf;
use std::str::FromStr;

/// The environment variable that does what `--capture` does, if that is not given.
pub const VARIABLE: &str = "READYD_CAPTURE";

/// The file of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFile {
    /// Where it is. `%p` stands for the number of the process.
    pub path: String,
    /// The most bytes that it may have.
    pub size: u64,
}

/// Why a text is not the file of a capture; the fault of the user who wrote it.
#[derive(Debug)]
pub struct NoCaptureFile(String);

impl std::fmt::Display for NoCaptureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl CaptureFile {
    /// 1 GiB.
    pub const USUAL_SIZE: u64 = 1 << 30;

    /// The smallest.
    pub const LEAST_SIZE: u64 = 64 << 10;

    /// The path in the process of this number. A shard, counted from 0, has a file of its own.
    pub fn path(&self, pid: u32, shard: Option<usize>) -> PathBuf {
        let mut path = self.path.replace("%p", &pid.to_string());
        if let Some(number) = shard {
            path += &format!(".{}", number + 1);
        }
        path.into()
    }
}

impl std::fmt::Display for CaptureFile {
    /// As the flag takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{SIZE}{}", self.path, self.size)
    }
}

const SIZE: &str = ",size=";

impl FromStr for CaptureFile {
    type Err = NoCaptureFile;

    /// `FILE[,size=SIZE]`. FILE may have commas, too.
    fn from_str(value: &str) -> Result<CaptureFile, NoCaptureFile> {
        read(value).map_err(|Reason(why)| NoCaptureFile(why))
    }
}

fn read(value: &str) -> Result<CaptureFile, Reason> {
    if cfg!(not(feature = "trace")) {
        return Err("this readyd was built without the feature `trace`".into());
    }
    let (path, size) = match value.rsplit_once(SIZE) {
        Some((path, size)) => (path, values::size(size)?),
        None => (value, CaptureFile::USUAL_SIZE),
    };
    if size < CaptureFile::LEAST_SIZE {
        return Err("less than 64KiB".into());
    }
    if path.is_empty() {
        return Err("no file (write FILE, or FILE,size=1GiB)".into());
    }
    Ok(CaptureFile { path: path.to_owned(), size })
}
