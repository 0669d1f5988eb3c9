//! Which reports are on which side of a comparison, and what the sides are called.

use super::Arguments;
use crate::failure::Failure;
use readyd::loadgen::report::{ReadError, Report, Side};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Reads the reports of both sides.
pub(super) fn read(arguments: &Arguments) -> Result<[Side; 2], Failure> {
    let (before, after) = match (arguments.before.as_slice(), arguments.after.as_slice()) {
        ([before, after], []) => (std::slice::from_ref(before), std::slice::from_ref(after)),
        (_, []) => {
            let how = "put -- between the reports before and after: A1 A2 -- B1 B2";
            return Err(Failure::Usage(how.to_owned()));
        }
        sides => sides,
    };
    let names = match arguments.label.as_slice() {
        [] => names(before, after),
        [before, after] => [before.clone(), after.clone()],
        _ => return Err(Failure::Usage("give --label twice, once for each side".to_owned())),
    };
    let files = [files(before)?, files(after)?];
    let is_of_many = files.iter().any(|files| files.len() > 1);
    let mut known: Vec<(String, PathBuf)> = Vec::new();
    let mut sides = Vec::new();
    for files in files {
        let mut reports: Vec<Report> = Vec::new();
        let shown = files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        for path in files {
            let report = super::read(&path)?;
            if let Some((_, earlier)) = known.iter().find(|(id, _)| is_of_many && *id == report.id)
            {
                return Err(Failure::Usage(same_run(earlier, &path)));
            }
            known.push((report.id.clone(), path));
            reports.push(report);
        }
        sides.push((reports, shown));
    }
    let mut sides = names
        .into_iter()
        .zip(sides)
        .map(|(name, (reports, files))| Side::new(name, reports).with_files(files));
    match (sides.next(), sides.next()) {
        (Some(before), Some(after)) => Ok([before, after]),
        _ => Err(Failure::Usage("give two sides".to_owned())),
    }
}

fn same_run(earlier: &Path, path: &Path) -> String {
    format!(
        "{} and {} are reports of the same run, which must not count twice",
        earlier.display(),
        path.display()
    )
}

/// The files that are meant: of a folder, those whose names end with `.json`, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let failed = |error| Failure::Report(path.clone(), ReadError::File(error));
        let entries: Vec<_> =
            fs::read_dir(path).and_then(Iterator::collect::<io::Result<_>>).map_err(failed)?;
        let reports = entries.iter().map(fs::DirEntry::path);
        let mut reports: Vec<PathBuf> =
            reports.filter(|file| file.extension().is_some_and(|end| end == "json")).collect();
        if reports.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "no *.json in this folder");
            return Err(failed(error));
        }
        reports.sort();
        files.append(&mut reports);
    }
    Ok(files)
}

/// The sides' names: the first of these in which they differ.
fn names(before: &[PathBuf], after: &[PathBuf]) -> [String; 2] {
    let candidates: [fn(&Path) -> Option<String>; 3] = [
        // The file or folder that was given.
        |path| Some(path.file_name()?.to_string_lossy().into_owned()),
        // The folder that it is in.
        |path| Some(format!("{}/", path.parent()?.file_name()?.to_string_lossy())),
        |path| Some(path.display().to_string()),
    ];
    let name = |paths: &[PathBuf], of: fn(&Path) -> Option<String>| of(paths.first()?);
    let differing = candidates.into_iter().find_map(|of| {
        let [before, after] = [name(before, of)?, name(after, of)?];
        (before != after).then_some([before, after])
    });
    differing.unwrap_or_else(|| ["A".to_owned(), "B".to_owned()])
}
