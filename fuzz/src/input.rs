//! How bytes of the fuzzer become what is fed to the code: streams that are mostly well formed, and
//! the portions in which they come.

use crate::reference::enveloped;
use arbitrary::{Arbitrary, Unstructured};
use readyd::protocol::framing::ReplyFraming;

/// Longest stream that is made of pieces. Longer ones are slower and find nothing else.
const LONGEST_STREAM: usize = 8 * 1024;

/// A part of a stream.
#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Frame(&'a [u8]),
    /// Frames of equal length and bytes: the lower nine bits say how long, the next three how many
    /// more than one.
    Row(u16),
    Number(u64),
    Spaces(u8),
    Line(&'a [u8]),
    LineCrLf(&'a [u8]),
    Bytes(&'a [u8]),
}

impl Piece<'_> {
    fn bytes(&self) -> Vec<u8> {
        match *self {
            Piece::Frame(body) => enveloped(body, ReplyFraming::Frame),
            Piece::Row(bits) => {
                let (len, more) = (usize::from(bits % 512), usize::from(bits / 512 % 8));
                enveloped(&vec![b'k'; len], ReplyFraming::Frame).repeat(1 + more)
            }
            Piece::Number(number) => number.to_string().into_bytes(),
            Piece::Spaces(count) => vec![b' '; usize::from(count % 66)],
            Piece::Line(line) => enveloped(line, ReplyFraming::Lf),
            Piece::LineCrLf(line) => enveloped(line, ReplyFraming::CrLf),
            Piece::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

/// The rest of the input as a stream.
pub(crate) fn stream(input: &mut Unstructured<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !input.is_empty() && stream.len() < LONGEST_STREAM {
        let Ok(piece) = Piece::arbitrary(input) else { break };
        stream.extend(piece.bytes());
    }
    stream.truncate(LONGEST_STREAM);
    stream
}

/// How many bytes come, or are taken, at once: these numbers, over and over.
#[derive(Clone, Debug)]
pub(crate) struct Portions {
    sizes: Vec<usize>,
    next: usize,
}

impl Portions {
    pub(crate) fn of(sizes: &[usize]) -> Portions {
        Portions { sizes: sizes.to_vec(), next: 0 }
    }

    /// At least one byte, and so again and again.
    pub(crate) fn next(&mut self) -> usize {
        let size = self.sizes[self.next % self.sizes.len()];
        self.next += 1;
        size
    }

    /// Cuts the next portion off `rest`.
    pub(crate) fn cut<'a>(&mut self, rest: &mut &'a [u8]) -> &'a [u8] {
        let (portion, left) = rest.split_at(self.next().min(rest.len()));
        *rest = left;
        portion
    }
}

impl<'a> Arbitrary<'a> for Portions {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Portions> {
        let count = input.int_in_range(1..=8)?;
        let mut sizes = Vec::new();
        for _ in 0..count {
            // Small ones mostly, for that is where the edges are; and some of many.
            sizes.push(match input.arbitrary::<u8>()? {
                small @ 0..=199 => usize::from(small) + 1,
                large => usize::from(large - 199) * 100,
            });
        }
        Ok(Portions { sizes, next: 0 })
    }
}
