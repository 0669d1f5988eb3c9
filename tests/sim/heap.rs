//! The heap of this thread, counted to the byte: so that a world can be seen to leave nothing
//! behind, however many there were before it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;

thread_local! {
    /// Bytes allocated by this thread and not freed. A world does not leave its thread.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Bytes that this thread has in use.
pub(crate) fn live() -> isize {
    LIVE.get()
}

fn count(change: isize) {
    // A thread that ends may still free what it held, when its counter is gone.
    let _ = LIVE.try_with(|live| live.set(live.get() + change));
}

// SAFETY: all is left to the system's allocator, whose promises are these; the counter does not
// allocate, for it is constant at first and nothing has to be done when it goes.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller promises what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above; the pointer came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
