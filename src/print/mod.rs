//! A report as somebody reads it outside of the screen: [`text`] in a terminal, [`markdown`] in a ticket or a page. Pure
//! over [`crate::report`]; the command line prints it and the screen copies it.

mod blocks;
pub mod markdown;
mod page;
pub mod text;
