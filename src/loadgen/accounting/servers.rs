//! Which of several servers an error is counted for.

use super::RequestAccounting;
use crate::loadgen::report::ServerErrors;

impl RequestAccounting {
    /// What is counted from now on happens on a connection to this server of the plan.
    #[inline]
    pub(in crate::loadgen) fn at_server(&mut self, server: usize) {
        self.server = server;
    }

    /// The errors of that server, if there are several.
    pub(super) fn of_server(&mut self) -> Option<&mut ServerErrors> {
        self.counters.by_server.get_mut(self.server)
    }
}
