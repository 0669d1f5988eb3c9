//! As much of the protobuf encoding as TrackEvent needs.

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// How the bytes of a field are to be read.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

impl Message {
    /// Begins again.
    pub(super) fn clear(&mut self) -> &mut Self {
        self.0.clear();
        self
    }

    /// What was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A field with a number: of the types uint32, uint64, int64 (not negative) or an enum.
    pub(super) fn number(&mut self, field: u64, number: u64) -> &mut Self {
        self.varint(field << 3 | VARINT);
        self.varint(number);
        self
    }

    /// A field of the type fixed64.
    pub(super) fn fixed(&mut self, field: u64, number: u64) -> &mut Self {
        self.varint(field << 3 | FIXED_64);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// A field with text.
    pub(super) fn text(&mut self, field: u64, text: &str) -> &mut Self {
        self.field(field, text.as_bytes())
    }

    /// A field with a message.
    pub(super) fn message(&mut self, field: u64, message: &Message) -> &mut Self {
        self.field(field, &message.0)
    }

    fn field(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }
}
