//! What a name server of the demo world does wrong, written as `../shared/tools/loopdns.py` writes it, in a zone file
//! (`;! NAME [TYPE] FAULT`) or by a test: `slow 300`, `servfail`, `truncate,cut`, `timeout x1` (only the first query).

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, RecordType};

use super::type_99;

/// What happens to one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) shapes: Vec<Shape>,
    pub(super) delay: Duration,
    /// How often it still happens; `None`: always.
    left: Option<u32>,
}

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// No answer.
    Timeout,
    /// A bare response code.
    Rcode(ResponseCode),
    /// NXDOMAIN or NOERROR with an SOA, whatever the zone holds.
    Absent(ResponseCode),
    /// TC over UDP, whole over TCP.
    Truncate,
    /// TC over UDP, silence over TCP.
    TcTimeout,
    /// TC over UDP, TCP closed at once.
    TcReset,
    /// Header and question, then junk.
    Malformed,
    /// Five bytes.
    Short,
    /// A datagram without bytes.
    Empty,
    /// A compressed name that points at itself.
    PtrLoop,
    /// A record whose length runs past the end.
    Overrun,
    /// Another id.
    WrongId,
    /// The answer to another question.
    WrongName,
    /// No question in the answer.
    NoQuestion,
    /// A forged answer (another id) first, then the right one.
    Spoof,
    /// The answer two times.
    Twice,
    /// The question in lower case.
    Lowercase,
    /// TCP: one byte a write.
    Dribble,
    /// TCP: closed half way.
    Cut,
    /// UDP: answered from another port.
    WrongPort,
}

impl Fault {
    pub(super) fn has(&self, shape: Shape) -> bool {
        self.shapes.contains(&shape)
    }

    /// Whether the truncation bit goes out over UDP.
    pub(super) fn truncates(&self) -> bool {
        self.has(Shape::Truncate) || self.has(Shape::TcTimeout) || self.has(Shape::TcReset)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let mut fault = Fault::default();
        for part in text.split(',') {
            let mut words: Vec<&str> = part.split_whitespace().collect();
            if let Some(times) = words.last().and_then(|word| word.strip_prefix('x')).and_then(|n| n.parse().ok()) {
                fault.left = Some(times);
                words.pop();
            }
            let word = words.first().copied().unwrap_or_default();
            let number = words.get(1).and_then(|n| n.parse::<u64>().ok());
            fault.shapes.push(match word {
                "slow" => {
                    fault.delay =
                        Duration::from_millis(number.ok_or_else(|| format!("{part}: how many milliseconds?"))?);
                    continue;
                }
                "timeout" => Shape::Timeout,
                "servfail" => Shape::Rcode(ResponseCode::ServFail),
                "refused" => Shape::Rcode(ResponseCode::Refused),
                "formerr" => Shape::Rcode(ResponseCode::FormErr),
                "notimp" => Shape::Rcode(ResponseCode::NotImp),
                "nxdomain" => Shape::Absent(ResponseCode::NXDomain),
                "nodata" => Shape::Absent(ResponseCode::NoError),
                "truncate" => Shape::Truncate,
                "tctimeout" => Shape::TcTimeout,
                "tcreset" => Shape::TcReset,
                "malformed" => Shape::Malformed,
                "short" => Shape::Short,
                "empty" => Shape::Empty,
                "ptrloop" => Shape::PtrLoop,
                "overrun" => Shape::Overrun,
                "wrongid" => Shape::WrongId,
                "wrongname" => Shape::WrongName,
                "noquestion" => Shape::NoQuestion,
                "spoof" => Shape::Spoof,
                "twice" => Shape::Twice,
                "lowercase" => Shape::Lowercase,
                "dribble" => Shape::Dribble,
                "cut" => Shape::Cut,
                "wrongport" => Shape::WrongPort,
                _ => return Err(format!("unknown fault {part:?}")),
            });
        }
        Ok(fault)
    }
}

/// All faults: at a name, or (`*.NAME`) at every name below it, there or not.
#[derive(Default)]
pub(super) struct Faults {
    at: HashMap<(LowerName, Option<RecordType>), Fault>,
    below: HashMap<(LowerName, Option<RecordType>), Fault>,
}

impl Faults {
    /// Adds the faults that a zone file's comments state.
    pub(super) fn read(&mut self, zone: &str) -> Result<(), String> {
        for line in zone.lines().filter_map(|line| line.strip_prefix(";!")) {
            let (name, rest) = line.trim().split_once(' ').ok_or_else(|| format!("{line}: NAME [TYPE] FAULT"))?;
            let typed = rest.split_once(' ').and_then(|(kind, fault)| Some((type_99::or(kind).ok()?, fault)));
            match typed {
                Some((kind, fault)) => self.set(name, Some(kind), fault)?,
                None => self.set(name, None, rest)?,
            }
        }
        Ok(())
    }

    /// Adds one; `kind` `None`: whatever is asked.
    pub(super) fn set(&mut self, name: &str, kind: Option<RecordType>, fault: &str) -> Result<(), String> {
        let (map, bare) = match name.strip_prefix("*.") {
            Some(bare) => (&mut self.below, bare),
            None => (&mut self.at, name),
        };
        let fqdn = format!("{}.", bare.trim_end_matches('.'));
        let owner = LowerName::from_str(&fqdn).map_err(|why| format!("{name}: {why}"))?;
        map.insert((owner, kind), fault.parse()?);
        Ok(())
    }

    /// Forgets every fault.
    pub(super) fn clear(&mut self) {
        self.at.clear();
        self.below.clear();
    }

    /// The fault that a question meets, counting it.
    pub(super) fn meet(&mut self, name: &LowerName, kind: RecordType) -> Option<Fault> {
        let mut key = (name.clone(), Some(kind));
        for kind in [Some(kind), None] {
            key.1 = kind;
            if let Some(fault) = self.at.get_mut(&key) {
                return count(fault);
            }
        }
        while !key.0.is_root() {
            key.0 = key.0.base_name();
            for kind in [Some(kind), None] {
                key.1 = kind;
                if let Some(fault) = self.below.get_mut(&key) {
                    return count(fault);
                }
            }
        }
        None
    }
}

fn count(fault: &mut Fault) -> Option<Fault> {
    if let Some(left) = &mut fault.left {
        *left = left.checked_sub(1)?;
    }
    Some(fault.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(faults: &mut Faults, name: &str, kind: RecordType) -> Option<Fault> {
        faults.meet(&LowerName::from_str(name).unwrap(), kind)
    }

    #[test]
    fn the_closest_fault_is_met_and_a_counted_one_ends() {
        let mut faults = Faults::default();
        faults
            .read(";! bad.example TXT servfail\n;! *.bad.example slow 20\n; a remark\n;! lossy.example timeout x1\n")
            .unwrap();
        let servfail = Some(vec![Shape::Rcode(ResponseCode::ServFail)]);
        assert_eq!(meet(&mut faults, "bad.example.", RecordType::TXT).map(|f| f.shapes), servfail);
        assert_eq!(meet(&mut faults, "bad.example.", RecordType::A), None);
        let slow = meet(&mut faults, "a.b.bad.example.", RecordType::A).unwrap();
        assert_eq!(slow.delay, Duration::from_millis(20));
        assert!(meet(&mut faults, "lossy.example.", RecordType::A).is_some());
        assert_eq!(meet(&mut faults, "lossy.example.", RecordType::A), None);
    }

    #[test]
    fn an_unknown_fault_is_an_error() {
        assert!("sulk".parse::<Fault>().is_err() && "slow".parse::<Fault>().is_err());
    }
}
