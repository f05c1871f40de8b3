//! The listener's sockets: it binds, accepts within its limits, and lets [`crate::smtp::listen::Server`] say what is
//! answered. It delivers nothing and relays nothing; stopping it closes every socket at once.

mod certificate;
mod conversation;
mod mailbox;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::check::ListenerNews;
use crate::smtp::listen::{Greylist, Plan};
use conversation::{Conversation, Held, Room};

pub use mailbox::Mailbox;

/// Sessions whose news nobody has taken yet: past this, clients wait for who reads the news.
const MAX_UNREAD: usize = 256;
/// How long is waited before another look at the unread news, or at a full table of files.
const BREATH: Duration = Duration::from_millis(50);
/// How long a client waits for room before it is turned away: a sender that comes again and again is faster than its last
/// session's end.
const ROOM: Duration = Duration::from_millis(500);

/// A listener. Dropping it stops it.
#[derive(Debug)]
pub struct Listener {
    task: AbortHandle,
    news: Arc<Mailbox>,
}

impl Listener {
    /// Starts to listen; what happens arrives in the mailbox, the address or the failure first. Returns at once.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(plan: Plan) -> Listener {
        let news: Arc<Mailbox> = Arc::default();
        let task = tokio::spawn(listen(plan, news.clone())).abort_handle();
        Listener { task, news }
    }

    /// Where it tells what happens.
    pub fn news(&self) -> &Arc<Mailbox> {
        &self.news
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(plan: Plan, news: Arc<Mailbox>) {
    if let Err(why) = accept(plan, &news).await {
        news.put(ListenerNews::Failed(why));
    }
}

async fn accept(plan: Plan, news: &Arc<Mailbox>) -> Result<(), String> {
    let identity = certificate::make().map_err(|why| format!("no certificate can be made: {why}"))?;
    let socket = TcpListener::bind(plan.address).await.map_err(|why| bind_words(plan.address, &why))?;
    let address = socket.local_addr().map_err(|why| why.to_string())?;
    news.put(ListenerNews::Listening { address, certificate: identity.fingerprint.into() });
    let room = Arc::new(Room {
        plan: Arc::new(plan),
        tls: identity.config,
        greylist: Arc::new(Mutex::new(Greylist::default())),
        held: Held::default(),
        news: news.clone(),
    });
    // Dropped with this task, and every session with it.
    let mut sessions = JoinSet::new();
    let (mut number, mut turned_away) = (0, 0);
    // Whether somebody has waited for room in vain since the last session ended: then nobody waits again.
    let mut stuck = false;
    loop {
        if news.len() > MAX_UNREAD {
            tokio::time::sleep(BREATH).await;
            continue;
        }
        let client = tokio::select! {
            client = socket.accept() => client,
            Some(_) = sessions.join_next() => {
                stuck = false;
                continue;
            }
        };
        let Ok((stream, client)) = client else {
            // Out of files, or a client that was gone already: neither ends the listener.
            tokio::time::sleep(BREATH).await;
            continue;
        };
        while sessions.try_join_next().is_some() {
            stuck = false;
        }
        let most = room.plan.limits.sessions;
        if sessions.len() >= most && !stuck {
            stuck = tokio::time::timeout(ROOM, sessions.join_next()).await.is_err();
        }
        if sessions.len() >= most {
            turned_away += 1;
            // Whether the client reads it or not: nobody waits for it.
            let _ = stream.try_write(b"421 4.7.0 too many connections at once\r\n");
            news.put(ListenerNews::TurnedAway(turned_away));
            continue;
        }
        number += 1;
        // Replies are small and each is waited for: Nagle would only delay them.
        let _ = stream.set_nodelay(true);
        sessions.spawn(Conversation::new(room.clone(), number, stream, client, address).hold());
    }
}

/// Why it cannot listen there, and what to do.
fn bind_words(address: SocketAddr, why: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match why.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "cannot listen on {address}: another program does already; choose another port, or 0 for any that is free"
            )
        }
        ErrorKind::PermissionDenied => format!(
            "cannot listen on {address}: not permitted; ports below 1024 are for privileged programs: choose 2525, and \
             redirect port 25 to it if the sender cannot be told another port"
        ),
        ErrorKind::AddrNotAvailable => {
            format!("cannot listen on {address}: {} is no address of this machine", address.ip())
        }
        _ => format!("cannot listen on {address}: {why}"),
    }
}
