//! Fuzzing without a tool: seeds from the fixtures, changed at random, through every parser and every check that reads
//! foreign bytes. In the suite each target gets a blink; for as long as one likes:
//!
//! ```text
//! MXRAY_FUZZ_SECONDS=60 cargo test --test all fuzz -- --nocapture                    so long for each target
//! MXRAY_FUZZ_SECONDS=600 MXRAY_FUZZ_ONLY=message cargo test --test all fuzz -- --nocapture
//! MXRAY_FUZZ_SEED=1795514292 …                                                       the same inputs again
//! MXRAY_FUZZ_SLOWEST=/tmp/slow …                                                     keeps the input that took longest
//! ```
//!
//! A panic, an overflow (the test profile checks for it), a span outside of its text, a hidden character in what is printed, or an
//! input that takes longer than [`PATIENCE`] fails; the input is then written to a file below the system's temporary folder.

mod mutate;
mod sessions;
pub mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mutate::Mutator;
use proptest::prelude::*;

/// How long one input may take: the largest has 64 KiB, the build has no optimisation, and the machine is shared.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a target gets in the suite.
const BLINK: Duration = Duration::from_millis(150);

/// One reader of foreign bytes.
pub struct Target {
    /// The word for `MXRAY_FUZZ_ONLY`.
    pub name: &'static str,
    /// What is changed.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads the bytes, and panics when something is not as it should be.
    pub run: fn(&[u8]),
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Runs one target for so long; how many inputs it took, and the longest time of one.
fn fuzz(target: &Target, seed: u64, time: Duration) -> Result<(u64, Duration), String> {
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    let mut mutator = Mutator::new(seed);
    let (started, mut count, mut longest) = (Instant::now(), 0_u64, Duration::ZERO);
    // Each seed as it is, then changes until the time is over; at least one of each.
    while count <= seeds.len() as u64 || started.elapsed() < time {
        let at = usize::try_from(count).unwrap();
        let input = seeds.get(at).cloned().unwrap_or_else(|| mutator.change(&seeds));
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let took = began.elapsed();
        if took > longest {
            longest = took;
            if let Some(path) = variable("MXRAY_FUZZ_SLOWEST") {
                std::fs::write(path, &input).unwrap();
            }
        }
        let why = match done {
            Ok(()) if took < PATIENCE => None,
            Ok(()) => Some(format!("took {took:?}")),
            Err(panic) => Some(words(&*panic)),
        };
        if let Some(why) = why {
            let path = std::env::temp_dir().join(format!("mxray-fuzz-{}-{seed}-{count}", target.name));
            std::fs::write(&path, &input).unwrap();
            return Err(format!(
                "{}: {why}\n  seed {seed}, input {count} of {} bytes in {}: {}",
                target.name,
                input.len(),
                path.display(),
                input[..input.len().min(300)].escape_ascii()
            ));
        }
        count += 1;
    }
    Ok((count, longest))
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

#[test]
fn no_target_falls_over_for_any_change_of_its_seeds() {
    let time = variable("MXRAY_FUZZ_SECONDS").map_or(BLINK, |text| Duration::from_secs_f64(text.parse().unwrap()));
    let only = variable("MXRAY_FUZZ_ONLY");
    // The suite takes new inputs each day and the same ones all day, so that a failure can be looked at.
    let today = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let seed = variable("MXRAY_FUZZ_SEED").map_or(today, |text| text.parse().unwrap());
    let mut failures = Vec::new();
    let chosen = targets::ALL.iter().filter(|target| only.as_deref().is_none_or(|word| word == target.name));
    let mut ran = 0;
    for target in chosen {
        ran += 1;
        match fuzz(target, seed, time) {
            Ok((count, longest)) => println!("fuzz {}: {count} inputs, the longest {longest:.1?}", target.name),
            Err(why) => failures.push(why),
        }
    }
    assert!(ran > 0, "no target of that name: {}", targets::ALL.map(|target| target.name).join(" "));
    assert!(failures.is_empty(), "seed {seed}:\n{}", failures.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_target_falls_over_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for target in &targets::ALL {
            (target.run)(&bytes);
        }
    }

    #[test]
    fn no_target_falls_over_for_any_text(text in "[ -~\\r\\n\\t]{0,200}\\PC{0,60}[:;=@<>\\r\\n]{0,40}") {
        for target in &targets::ALL {
            (target.run)(text.as_bytes());
        }
    }
}

#[test]
fn a_file_that_once_failed_can_be_read_again() {
    // MXRAY_FUZZ_FILE=/tmp/mxray-fuzz-message-1-2 MXRAY_FUZZ_ONLY=message cargo test --test all fuzz
    let (Some(path), Some(only)) = (variable("MXRAY_FUZZ_FILE"), variable("MXRAY_FUZZ_ONLY")) else { return };
    let target = targets::ALL.iter().find(|target| target.name == only).unwrap();
    (target.run)(&std::fs::read(path).unwrap());
}

#[test]
fn a_target_that_falls_over_is_told_with_its_input() {
    fn falls(bytes: &[u8]) {
        assert!(!bytes.contains(&b'\0'), "a NUL");
    }
    let target = Target { name: "falls", seeds: || vec![b"no such byte".to_vec()], run: falls };
    let why = fuzz(&target, 1, Duration::from_secs(5)).unwrap_err();
    assert!(why.contains("a NUL") && why.contains("\\x00"), "{why}");
}
