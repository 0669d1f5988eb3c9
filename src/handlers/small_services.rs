//! The small services: time (RFC 868), echo (RFC 862), discard (RFC 863), chargen (RFC 864).
//!
//! TCP only. Over UDP a forged sender address makes two of these services answer each other for
//! ever, or makes one answer a victim (CVE-2024-2169). Discard has no code: it does not reply.

use super::Context;
use crate::conn::{Outcome, Work};
use crate::protocol::reply::ReplyWriter;
use crate::server::close::CloseReason;

/// Seconds from 1900-01-01 to 1970-01-01, RFC 868.
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

/// Appends the time as RFC 868 has it: seconds since 1900, 32 bits, which wrap in 2036.
pub(super) fn time(context: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Outcome {
    let since_1970 = context.system.wall_time().seconds;
    // Wraps as the 32 bits do, so that no clock is too far ahead.
    let since_1900 = since_1970.wrapping_add(SECONDS_1900_TO_1970);
    reply.push(&(since_1900 as u32).to_be_bytes());
    Outcome::Finish(CloseReason::Served)
}

/// Sends the bytes back.
pub(super) fn echo(
    bytes: &[u8],
    _: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    _: &mut Work,
) -> Outcome {
    reply.echo(bytes);
    Outcome::Continue
}

const LINE_LEN: usize = 72;
const FIRST: u8 = b' ';
/// The 95 printable characters of ASCII; each line starts one further along.
const PRINTABLE: usize = 95;
const CYCLE_LEN: usize = PRINTABLE * (LINE_LEN + 2);

/// The pattern RFC 864 suggests, once through. A whole cycle at a time, no place in it need be
/// remembered between one send and the next.
static CYCLE: [u8; CYCLE_LEN] = chargen_cycle();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
const fn chargen_cycle() -> [u8; CYCLE_LEN] {
    let mut cycle = [0; CYCLE_LEN];
    let mut line = 0;
    while line < PRINTABLE {
        let start = line * (LINE_LEN + 2);
        let mut column = 0;
        while column < LINE_LEN {
            cycle[start + column] = FIRST + ((line + column) % PRINTABLE) as u8;
            column += 1;
        }
        cycle[start + LINE_LEN] = b'\r';
        cycle[start + LINE_LEN + 1] = b'\n';
        line += 1;
    }
    cycle
}

/// Cycles appended at once: 56 KiB, so that a reader who keeps up costs few system calls, and one
/// who does not costs no more memory than that.
const CYCLES_AT_ONCE: usize = 8;

/// Appends more of the endless pattern.
pub(super) fn chargen(reply: &mut ReplyWriter<'_>) {
    for _ in 0..CYCLES_AT_ONCE {
        reply.push(&CYCLE);
    }
}
