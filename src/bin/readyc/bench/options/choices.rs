//! The values of options that are one of several words.

use readyd::loadgen::report::Quantity;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Progress {
    Auto,
    Lines,
    None,
}

/// What `--find` looks for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::bench) enum Find {
    Rate,
    Connections,
}

impl From<Find> for Quantity {
    fn from(find: Find) -> Quantity {
        match find {
            Find::Rate => Quantity::Rate,
            Find::Connections => Quantity::Connections,
        }
    }
}

/// A plain service.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::bench) enum Service {
    Echo,
    Discard,
    Daytime,
    Time,
    Chargen,
    Greeting,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::bench) enum CloseName {
    Fin,
    Rst,
}
