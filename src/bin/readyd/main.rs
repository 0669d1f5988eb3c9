//! readyd.
fn main() {}
