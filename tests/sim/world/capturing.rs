//! A world whose server is captured.

use super::{SERVICES, World};
use crate::setup::Setup;
use crate::tables;
use readyd::capture::start::{Listener, Start};
use readyd::capture::{Sink, Tape};
use readyd::handlers::Service;
use readyd::handlers::daytime::DateCache;
use readyd::testkit::kernel::Kernel;
use readyd::testkit::prng::Prng;
use std::cell::RefCell;
use std::rc::Rc;

impl World {
    /// A world in which the input of the server is captured. The sink is given a beginning and
    /// then turns.
    pub(crate) fn captured(setup: Setup, mut sink: Box<dyn Sink>) -> World {
        let table = tables::text(0).into_bytes();
        let listener = |service: Service| Listener {
            serves: service.into(),
            is_own: true,
            address: String::new(),
        };
        let kernel = Kernel::new(Prng::new(setup.seed), setup.knobs, setup.window);
        let start = Start {
            now: kernel.now,
            limits: setup.limits.clone(),
            table: table.into(),
            zone: DateCache::utc().rules().as_bytes().to_vec().into(),
            listeners: SERVICES.map(listener).into(),
            ..Start::default()
        };
        assert!(sink.turn(&Tape::beginning(&start).expect("a short table")));
        World::with_capture(setup, Some(Rc::new(RefCell::new(Tape::new(&start, sink)))))
    }
}
