//! What stands around the panes: the header, the line, the footer, what lies over everything, the first screen.

pub mod footer;
pub mod header;
pub mod line;
pub mod original;
pub mod overlay;
pub mod refused;
pub mod start;
