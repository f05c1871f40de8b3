//! How many questions may be out at once, in two lanes. Guesses hold at most three quarters of the slots, and a slot that
//! becomes free goes to a question that something waits for before it goes to any guess: a guess never delays a chain. The
//! questions of proofs are chains of which few go out at once: a proof neither waits behind a hundred guesses nor holds up
//! what a check waits for.
//!
//! Two counting semaphores would hand slots out in the order of asking, guesses that wait first included.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::desk::lock;
use crate::check::Lane;

/// The slots of an engine.
#[derive(Debug)]
pub(crate) struct Slots {
    board: Arc<Mutex<Board>>,
    proofs: Arc<Semaphore>,
}

#[derive(Debug)]
struct Board {
    free: usize,
    free_for_probes: usize,
    chain: VecDeque<oneshot::Sender<Slot>>,
    probes: VecDeque<oneshot::Sender<Slot>>,
}

/// A slot; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` once it is given back.
    board: Option<Arc<Mutex<Board>>>,
    lane: Lane,
}

/// A slot for a question of a proof.
#[derive(Debug)]
pub(crate) struct ProofSlot {
    _narrow: Option<OwnedSemaphorePermit>,
    _slot: Option<Slot>,
}

impl Slots {
    /// So many in all, three quarters of them for probes, an eighth for proofs.
    pub(crate) fn new(count: usize) -> Slots {
        let count = count.clamp(1, 1024);
        let board = Board {
            free: count,
            free_for_probes: (count * 3 / 4).max(1),
            chain: VecDeque::new(),
            probes: VecDeque::new(),
        };
        Slots { board: Arc::new(Mutex::new(board)), proofs: Arc::new(Semaphore::new((count / 8).max(1))) }
    }

    /// Waits for a slot for one question of a proof.
    pub(crate) async fn enter_for_proof(&self) -> ProofSlot {
        let narrow = self.proofs.clone().acquire_owned().await.ok();
        ProofSlot { _narrow: narrow, _slot: self.queue(Lane::Chain).await.ok() }
    }

    /// Waits for a slot; a probe that somebody now waits for changes lanes.
    pub(crate) async fn enter(&self, lane: Lane, promoted: &Notify) -> Option<Slot> {
        let first = self.queue(lane);
        match lane {
            Lane::Chain => first.await.ok(),
            Lane::Probe => tokio::select! {
                slot = first => slot.ok(),
                // Its place among the guesses is given up with the receiver.
                () = promoted.notified() => self.queue(Lane::Chain).await.ok(),
            },
        }
    }

    fn queue(&self, lane: Lane) -> oneshot::Receiver<Slot> {
        let (sender, receiver) = oneshot::channel();
        let mut board = lock(&self.board);
        match lane {
            Lane::Chain => board.chain.push_back(sender),
            Lane::Probe => board.probes.push_back(sender),
        }
        board.deal(&self.board);
        receiver
    }
}

impl Board {
    /// Gives what is free to those who wait, chains first.
    fn deal(&mut self, own: &Arc<Mutex<Board>>) {
        while self.free > 0 {
            let (lane, next) = match self.chain.pop_front() {
                Some(next) => (Lane::Chain, next),
                None if self.free_for_probes == 0 => return,
                None => match self.probes.pop_front() {
                    Some(next) => (Lane::Probe, next),
                    None => return,
                },
            };
            match next.send(Slot { board: Some(own.clone()), lane }) {
                Ok(()) => {
                    self.free -= 1;
                    if lane == Lane::Probe {
                        self.free_for_probes -= 1;
                    }
                }
                // Who asked is gone. The slot was not taken, and must not come back as one that was.
                Err(mut slot) => slot.board = None,
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(own) = self.board.take() else { return };
        let mut board = lock(&own);
        board.free += 1;
        if self.lane == Lane::Probe {
            board.free_for_probes += 1;
        }
        board.deal(&own);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    fn waits<'a>(slots: &'a Slots, lane: Lane, promoted: &'a Notify) -> BoxFuture<'a, Option<Slot>> {
        let mut entering = slots.enter(lane, promoted).boxed();
        assert!((&mut entering).now_or_never().is_none(), "{lane:?} must wait");
        entering
    }

    fn enters(slots: &Slots, lane: Lane) -> Slot {
        slots.enter(lane, &Notify::new()).now_or_never().flatten().expect("a free slot")
    }

    #[test]
    fn guesses_leave_a_quarter_of_the_slots_to_chains() {
        let (slots, never) = (Slots::new(8), Notify::new());
        let guesses: Vec<Slot> = (0..6).map(|_| enters(&slots, Lane::Probe)).collect();
        let seventh = waits(&slots, Lane::Probe, &never);
        let chains: Vec<Slot> = (0..2).map(|_| enters(&slots, Lane::Chain)).collect();
        drop(chains);
        let mut seventh = seventh;
        assert!((&mut seventh).now_or_never().is_none(), "a chain's slot is not for a seventh guess");
        drop(guesses);
        assert!(seventh.now_or_never().flatten().is_some());
    }

    #[test]
    fn a_chain_goes_before_every_guess_that_waits() {
        let (slots, never) = (Slots::new(2), Notify::new());
        let held: Vec<Slot> = (0..2).map(|_| enters(&slots, Lane::Chain)).collect();
        let mut guess = waits(&slots, Lane::Probe, &never);
        let mut chains: Vec<_> = (0..2).map(|_| waits(&slots, Lane::Chain, &never)).collect();
        drop(held);
        let now: Vec<_> = chains.iter_mut().map(|chain| chain.now_or_never().flatten()).collect();
        assert!(now.iter().all(Option::is_some));
        assert!((&mut guess).now_or_never().is_none());
        drop(now);
        assert!(guess.now_or_never().flatten().is_some());
    }

    #[test]
    fn a_guess_that_somebody_waits_for_changes_lanes() {
        let (slots, promoted, never) = (Slots::new(4), Notify::new(), Notify::new());
        let _guesses: Vec<Slot> = (0..3).map(|_| enters(&slots, Lane::Probe)).collect();
        let guess = waits(&slots, Lane::Probe, &promoted);
        let _other = waits(&slots, Lane::Probe, &never);
        promoted.notify_one();
        assert!(guess.now_or_never().flatten().is_some(), "the fourth slot is for chains");
    }

    #[test]
    fn who_goes_away_takes_no_slot_along() {
        let (slots, never) = (Slots::new(1), Notify::new());
        let held = enters(&slots, Lane::Chain);
        drop(waits(&slots, Lane::Chain, &never));
        let granted_and_gone = waits(&slots, Lane::Chain, &never);
        drop(held);
        drop(granted_and_gone);
        drop(enters(&slots, Lane::Probe));
        drop(enters(&slots, Lane::Chain));
    }
}
