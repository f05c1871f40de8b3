//! A report as somebody reads it outside of the screen: [`text`] in a terminal, [`markdown`] in a ticket or a page,
//! [`json`] for a program. Pure over [`crate::report`]; the command line prints it and the screen copies it.

mod blocks;
pub mod json;
pub mod markdown;
mod page;
pub mod text;
