//! (room)
fn main() {}
