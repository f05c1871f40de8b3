//! A mail conversation without a socket: replies, the session that they make, what a polite sender says next, what each
//! line means, and what a sending server would conclude. Pure and synchronous; the engine holds the sockets.

pub mod annotate;
pub mod capability;
pub mod certificate;
pub mod codes;
pub mod probe;
pub mod reply;
pub mod session;
