//! Tells builds of the library apart: a sum of its sources, for the header of a capture.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=Cargo.toml");
    let mut files = vec![PathBuf::from("Cargo.toml")];
    collect(Path::new("src"), &mut files);
    files.sort();
    // FNV-1a, 64 bits.
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let path = file.to_string_lossy().replace('\\', "/").into_bytes();
        let text = fs::read(&file).unwrap_or_default();
        for byte in path.into_iter().chain([0]).chain(text) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    println!("cargo::rustc-env=READYD_SOURCES={sum:016x}");
}

/// All files of a folder, but those of the programs.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path == Path::new("src/bin") {
            continue;
        }
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}
