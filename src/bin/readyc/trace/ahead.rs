//! Work on a trace by several threads: its blocks can each be decoded alone.
//!
//! Invariant: what is made is consumed in the order of the trace, and there is at most [`AHEAD`] of
//! it for each thread at once.

use readyd::trace::reader::{Batch, ReadError};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Batches that each thread has: one that it works on, and the next.
const AHEAD: usize = 2;

/// Threads, at most: reading and writing take the rest.
const MOST_THREADS: usize = 4;

/// A batch, and what was made of an earlier one, whose memory is used again.
type Task<T> = (Batch, T);

/// What was made of a batch, as far as it could be decoded.
type Made<T> = (T, Result<(), ReadError>);

/// A thread: where its tasks go, and where what it made comes from.
type Worker<T> = (SyncSender<Task<T>>, Receiver<Made<T>>);

/// Has `work` make something of every batch that `next` brings, and `consume` take it in order.
/// Ends when that returns false.
///
/// # Errors
///
/// The first of `next` or `work`.
pub(super) fn in_order<T: Default + Send>(
    mut next: impl FnMut() -> Result<Option<Batch>, ReadError>,
    work: impl Fn(&Batch, &mut T) -> Result<(), ReadError> + Sync,
    mut consume: impl FnMut(&mut T) -> bool,
) -> Result<(), ReadError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    thread::scope(|scope| {
        let workers: Vec<Worker<T>> = (0..threads)
            .map(|_| {
                let (tasks, their_tasks) = sync_channel::<Task<T>>(AHEAD);
                let (their_made, made) = sync_channel(AHEAD);
                let work = &work;
                scope.spawn(move || {
                    for (batch, mut made) in their_tasks {
                        let outcome = work(&batch, &mut made);
                        if their_made.send((made, outcome)).is_err() {
                            break;
                        }
                    }
                });
                (tasks, made)
            })
            .collect();
        let mut spare: Vec<T> = Vec::new();
        let mut waiting = 0;
        // Batches go to the workers in turn, and come back in the same turn.
        let mut oldest = workers.iter().cycle();
        let mut newest = workers.iter().cycle();
        loop {
            let batch = if waiting < threads * AHEAD { next()? } else { None };
            if let Some(batch) = batch {
                let sent = newest
                    .next()
                    .map(|(tasks, _)| tasks.send((batch, spare.pop().unwrap_or_default())).is_ok());
                waiting += usize::from(sent == Some(true));
                continue;
            }
            if waiting == 0 {
                return Ok(());
            }
            waiting -= 1;
            let Some(Ok((mut made, outcome))) = oldest.next().map(|(_, made)| made.recv()) else {
                return Ok(());
            };
            if !consume(&mut made) {
                return Ok(());
            }
            outcome?;
            spare.push(made);
        }
    })
}
