//! Files as they are, whatever is in them.

pub mod byte_windows;
