//! Loading the table: at the start, and again in a thread.

use crate::background::{Ordered, Repeatable};
use crate::interruptible;
use crate::service_manager::ServiceManager;
use crate::start::StartError;
use readyd::config::Config;
use readyd::counted::counted;
use readyd::os::files;
use readyd::reactor::Reactor;
use readyd::table::{ColumnOrder, LoadError, Table};
use std::path::PathBuf;

/// Where the lookup table comes from.
#[derive(Clone, Debug)]
pub(crate) struct TableSource {
    pub(crate) path: Option<PathBuf>,
    order: ColumnOrder,
    limit: u64,
    /// Whether it was a pipe at the start.
    was_pipe: bool,
}

impl TableSource {
    /// The table that the configuration names.
    pub(crate) fn of(config: &Config) -> TableSource {
        TableSource {
            path: config.table.clone(),
            order: config.table_order,
            limit: config.table_limit,
            was_pipe: false,
        }
    }

    /// Loads the table at the start: the embedded one if there is no file. Reading a pipe blocks
    /// until its writer has closed it.
    pub(crate) fn load(&mut self) -> Result<Table, LoadError> {
        let Some(path) = &self.path else { return Ok(Table::embedded()) };
        self.was_pipe = files::is_pipe(path);
        Table::load(path, self.order, self.limit)
    }

    /// Loads the table while the server serves, only from a regular file: a pipe would block this
    /// load and all later ones.
    fn load_again(&self) -> Result<Table, String> {
        let Some(path) = &self.path else { return Ok(Table::embedded()) };
        Table::load_again(path, self.order, self.limit).map_err(|error| match error {
            // `/dev/fd/63` may be closed by now, or be another file of this process.
            LoadError::Open { .. } | LoadError::Kind { .. } if self.was_pipe => format!(
                "table {path:?} was a pipe at the start, and its text cannot be read again; \
                 to load another table, start with a regular file as --table"
            ),
            error => error.to_string(),
        })
    }
}

/// The result of a load, or why it failed.
type Outcome<T> = Result<T, String>;

/// Loads tables in a thread, and converts each to a `T`.
pub(crate) struct Loader<T> {
    path: Option<PathBuf>,
    loads: Repeatable<Outcome<T>>,
}

impl<T: Send + 'static> Loader<T> {
    /// A loader that wakes `reactor` when there is something to [take](Loader::take).
    pub(crate) fn new(
        source: TableSource,
        make: fn(Table) -> Outcome<T>,
        reactor: &Reactor,
    ) -> Loader<T> {
        let path = source.path.clone();
        // This closure runs in the thread.
        let load = move || source.load_again().and_then(make);
        Loader { path, loads: Repeatable::new(reactor, load) }
    }

    /// Whether there is a file to load.
    pub(crate) fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// Orders a load of the file.
    pub(crate) fn order(&mut self) {
        let Some(path) = &self.path else {
            log::warn!("no table to reload: the table is the embedded one (see --table)");
            return;
        };
        let path = path.display();
        match self.loads.order() {
            Ordered::Begun => log::info!("loading table {path}"),
            Ordered::OnceMore => {
                log::info!("table {path} is still loading; it will be loaded once more after that");
            }
            Ordered::NoThread(error) => {
                self.loads.leave(Err(format!("cannot start a thread: {error}")));
            }
        }
    }

    /// Whether a load has begun and not ended.
    pub(crate) fn is_loading(&self) -> bool {
        self.loads.is_at_work()
    }

    /// The result of a load, if one has ended. If another was ordered meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Outcome<T>> {
        let (outcome, ordered_again) = self.loads.take()?;
        if ordered_again {
            self.order();
        }
        Some(outcome)
    }
}

/// Loads the table for the first time, and converts it to a `T`. Reading a file may block, so it is
/// done in a thread.
pub(crate) fn first_table<T: Send + 'static>(
    config: &Config,
    make: fn(Table) -> Result<T, String>,
    manager: &mut ServiceManager,
    reactor: &mut Reactor,
) -> Result<(T, TableSource), StartError> {
    let mut source = TableSource::of(config);
    let Some(path) = source.path.clone() else {
        let table = make(Table::embedded()).map_err(StartError::SharedTable)?;
        return Ok((table, source));
    };
    let is_logged = !config.check_only;
    if is_logged {
        log::info!("loading table {}", path.display());
    }
    let load = move || {
        let table = source.load().map_err(StartError::Table)?;
        if is_logged {
            log::info!("table {} has {}", path.display(), counted(table.len(), "key"));
        }
        Ok((make(table).map_err(StartError::SharedTable)?, source))
    };
    interruptible::run_and_tell(reactor, load, &mut || manager.on_loading())?
}
