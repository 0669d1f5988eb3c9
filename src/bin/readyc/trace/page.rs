//! `readyc trace --html`: the events as a page.

use super::Arguments;
use super::filter::Filter;
use crate::failure::Failure;
use readyd::counted::counted;
use readyd::loadgen::report::Output;
use readyd::trace::decode::Entry;
use readyd::trace::page::{self, Page, Program, Source};
use readyd::trace::reader::Reader;
use std::io::{self, Write};
use std::path::Path;

/// Writes the page to `out`, and says on standard output what is in it.
pub(super) fn write(
    arguments: &Arguments,
    reader: &mut Reader,
    path: &Path,
    out: Output,
) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut source = Source::new(&name, Program::Readyd);
    let mut filter = Filter::new(arguments);
    let read = reader.for_each(|_, entry| {
        match entry {
            Some(entry) => filter.pass(entry, &mut |entry: &Entry| source.push(entry)),
            None => source.gap(),
        }
        true
    });
    read.map_err(|error| Failure::Trace(path.to_owned(), error))?;
    let said = match (source.dropped(), source.pushed()) {
        (0, pushed) => counted(pushed, "event").to_string(),
        (dropped, pushed) => format!(
            "the last {} of {} (--between chooses others)",
            pushed - dropped,
            counted(pushed, "event")
        ),
    };
    let is_standard_output = out.is_standard_output();
    let page = Page { title: format!("The loop of {name}"), sources: vec![source] };
    let mut contents = Vec::new();
    page::write(&mut contents, &page).map_err(Failure::Output)?;
    out.write(&contents).map_err(Failure::Save)?;
    if is_standard_output {
        let _ = writeln!(io::stderr(), "the page has {said}");
        return Ok(());
    }
    writeln!(io::stdout(), "the page has {said}").map_err(Failure::Output)
}
