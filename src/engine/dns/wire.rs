//! DNS messages on the wire (RFC 1035 §4, EDNS0 RFC 6891, extended errors RFC 8914): what we send, and a reader that is
//! strict about the frame and patient about content.
//!
//! Hickory's reader gives up on a whole message for one odd record (a CAA tag in Cyrillic, an unknown SVCB key); an
//! inspector wants to see exactly that record. Here only what breaks the frame breaks the message: a name that points
//! forward or at itself, a length past the end. Record types that nobody asked for are skipped by their length.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::check::{Data, Kind, Record};
use crate::name::Name;

/// What we offer to take over UDP: fits an IPv6 minimum MTU without fragments (the DNS flag day's number).
const UDP_PAYLOAD: u16 = 1232;
/// The header's length.
const HEADER: usize = 12;
/// Class IN.
const IN: u16 = 1;
/// The OPT pseudo record.
const OPT: u16 = 41;
/// A name of 255 octets has at most 127 labels; each pointer jump must be paid by at least one.
const MAX_JUMPS: usize = 127;

/// The type's number.
pub(crate) fn number(kind: Kind) -> u16 {
    match kind {
        Kind::A => 1,
        Kind::Ns => 2,
        Kind::Cname => 5,
        Kind::Soa => 6,
        Kind::Ptr => 12,
        Kind::Mx => 15,
        Kind::Txt => 16,
        Kind::Aaaa => 28,
        Kind::Srv => 33,
        Kind::Ds => 43,
        Kind::Dnskey => 48,
        Kind::Tlsa => 52,
        Kind::Https => 65,
        Kind::Spf => 99,
        Kind::Caa => 257,
    }
}

/// How a query is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dress {
    /// With an OPT record.
    Edns,
    /// With an OPT record that asks for signatures and proofs (DO, RFC 3225), and for the answer even where the resolver
    /// itself finds it forged (CD, RFC 4035 §3.2.2): we judge ourselves.
    Signed,
    /// As in 1987, for servers that answer FORMERR to anything newer.
    Plain,
}

/// A query asking for recursion, and for the AD bit (RFC 6840 §5.7).
pub(crate) fn query(id: u16, name: &Name, kind: Kind, dress: Dress) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend(id.to_be_bytes());
    out.extend(if dress == Dress::Signed { [0x01, 0x10] } else { [0x01, 0x20] });
    let extra = u16::from(dress != Dress::Plain);
    for count in [1, 0, 0, extra] {
        out.extend(u16::to_be_bytes(count));
    }
    for label in name.raw_labels() {
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend(label);
    }
    out.push(0);
    out.extend(number(kind).to_be_bytes());
    out.extend(IN.to_be_bytes());
    if dress != Dress::Plain {
        out.push(0);
        out.extend(OPT.to_be_bytes());
        out.extend(UDP_PAYLOAD.to_be_bytes());
        out.extend([0, 0, if dress == Dress::Signed { 0x80 } else { 0 }, 0, 0, 0]);
    }
    out
}

/// Takes back the wish for recursion: only what the server holds itself is wanted (RFC 1034 §4.3.1).
pub(crate) fn no_recursion(query: &mut [u8]) {
    if let Some(flags) = query.get_mut(2) {
        *flags &= !0x01;
    }
}

/// A message as far as we use it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// The rcode, with EDNS's upper bits.
    pub rcode: u16,
    /// Whether it is authoritative.
    pub authoritative: bool,
    /// Whether it was cut to fit.
    pub truncated: bool,
    /// Whether the server resolves for us.
    pub recursion: bool,
    /// Whether a resolver says that it validated this.
    pub authentic: bool,
    /// The answer section, class IN.
    pub answers: Vec<Record>,
    /// The SOA of the authority section with its owner.
    pub soa: Option<Record>,
    /// Whether the authority section holds NS records.
    pub refers: bool,
    /// The extended error (RFC 8914), in words.
    pub extended: Option<String>,
    /// The message as it came, for whoever reads more of it than we do.
    pub bytes: Vec<u8>,
}

/// Whether some bytes answer our query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// They do.
    Ours,
    /// Somebody else's, or forged: another id. Waited past.
    Stranger,
    /// Our id, yet no answer to our question: why.
    Unfit(&'static str),
}

/// Whether `reply` answers `query`: the same id, a response, the same question (its name in any case).
pub(crate) fn fit(reply: &[u8], query: &[u8]) -> Fit {
    if reply.len() < 2 {
        return Fit::Unfit("an empty answer");
    }
    if reply.get(..2) != query.get(..2) {
        return Fit::Stranger;
    }
    let (Some(flags), Some(count)) = (reply.get(2..4), reply.get(4..6)) else {
        return Fit::Unfit("shorter than a DNS header");
    };
    if reply.len() < HEADER {
        return Fit::Unfit("shorter than a DNS header");
    }
    if flags.first().is_none_or(|high| high & 0x80 == 0) {
        return Fit::Unfit("a query instead of an answer");
    }
    if count == [0, 0] {
        // A server that cannot read the question may leave it out of its complaint (RFC 1035 §4.1.1 says nothing).
        let complains = flags.last().is_some_and(|low| matches!(low & 15, 1 | 2 | 4 | 5));
        return if complains { Fit::Ours } else { Fit::Unfit("an answer without a question") };
    }
    if count != [0, 1] {
        return Fit::Unfit("an answer with several questions");
    }
    let mut at = HEADER;
    while query.get(at).is_some_and(|length| *length != 0) {
        at += usize::from(query.get(at).copied().unwrap_or(0)) + 1;
    }
    let same = match (query.get(HEADER..at + 5), reply.get(HEADER..at + 5)) {
        (Some(asked), Some(answered)) => asked.eq_ignore_ascii_case(answered),
        _ => false,
    };
    if same { Fit::Ours } else { Fit::Unfit("an answer to another question") }
}

/// Reads a message that [`fit`]s.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, &'static str> {
    let mut reader = Reader { bytes, at: 2 };
    let flags = reader.u16()?;
    let [questions, answers, authorities, additionals] = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    for _ in 0..questions {
        reader.name()?;
        reader.skip(4)?;
    }
    let mut message = Message {
        rcode: flags & 15,
        authoritative: flags & 0x0400 != 0,
        truncated: flags & 0x0200 != 0,
        recursion: flags & 0x0080 != 0,
        authentic: flags & 0x0020 != 0,
        answers: Vec::new(),
        soa: None,
        refers: false,
        extended: None,
        bytes: bytes.to_vec(),
    };
    for _ in 0..answers {
        let raw = reader.raw_record()?;
        if raw.class != IN {
            continue;
        }
        if let Some(data) = data(bytes, &raw)? {
            message.answers.push(Record { owner: raw.owner, ttl: raw.ttl, data });
        }
    }
    for _ in 0..authorities {
        let raw = reader.raw_record()?;
        message.refers |= raw.kind == number(Kind::Ns);
        if raw.class == IN
            && raw.kind == number(Kind::Soa)
            && let Some(data) = data(bytes, &raw)?
        {
            message.soa = Some(Record { owner: raw.owner, ttl: raw.ttl, data });
        }
    }
    for _ in 0..additionals {
        let raw = reader.raw_record()?;
        if raw.kind == OPT {
            message.rcode |= u16::try_from(raw.ttl >> 24).unwrap_or(0) << 4;
            message.extended = extended_error(bytes.get(raw.start..raw.end).unwrap_or_default());
        }
    }
    Ok(message)
}

struct RawRecord {
    owner: Name,
    kind: u16,
    class: u16,
    ttl: u32,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const SHORT: &str = "it ends in the middle of a record";
const LONG: &str = "a record's fields run past its length";

impl Reader<'_> {
    fn u8(&mut self) -> Result<u8, &'static str> {
        let byte = *self.bytes.get(self.at).ok_or(SHORT)?;
        self.at += 1;
        Ok(byte)
    }

    fn u16(&mut self) -> Result<u16, &'static str> {
        Ok(u16::from(self.u8()?) << 8 | u16::from(self.u8()?))
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    fn skip(&mut self, count: usize) -> Result<(), &'static str> {
        self.at += count;
        if self.at > self.bytes.len() { Err(SHORT) } else { Ok(()) }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, &'static str> {
        let taken = self.bytes.get(self.at..self.at + count).ok_or(SHORT)?.to_vec();
        self.at += count;
        Ok(taken)
    }

    /// A name, its pointers followed; each must point before the place where the name so far began.
    fn name(&mut self) -> Result<Name, &'static str> {
        let mut labels: Vec<&[u8]> = Vec::new();
        let (mut at, mut floor, mut after, mut length) = (self.at, self.at, None, 1_usize);
        loop {
            let first = *self.bytes.get(at).ok_or(SHORT)?;
            match first {
                0 => {
                    self.at = after.unwrap_or(at + 1);
                    break;
                }
                1..=63 => {
                    let end = at + 1 + usize::from(first);
                    labels.push(self.bytes.get(at + 1..end).ok_or(SHORT)?);
                    length += usize::from(first) + 1;
                    if length > 255 || labels.len() > MAX_JUMPS {
                        return Err("a name is longer than 255 bytes");
                    }
                    at = end;
                }
                0xc0.. => {
                    let low = *self.bytes.get(at + 1).ok_or(SHORT)?;
                    let target = usize::from(first & 0x3f) << 8 | usize::from(low);
                    after = after.or(Some(at + 2));
                    if target >= floor {
                        return Err("a name points forward or at itself");
                    }
                    floor = target;
                    at = target;
                }
                _ => return Err("a name has a label of an unknown kind"),
            }
        }
        Name::from_labels(labels).map_err(|_| "a name that DNS cannot carry")
    }

    fn raw_record(&mut self) -> Result<RawRecord, &'static str> {
        let owner = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let start = self.at;
        self.skip(length).map_err(|_| "a record's length runs past the end")?;
        // A TTL with its highest bit set counts as zero (RFC 2181 §8); OPT keeps its flags there.
        let ttl = if kind != OPT && ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
        Ok(RawRecord { owner, kind, class, ttl, start, end: self.at })
    }
}

/// The data of a record; `None` for types that no [`Kind`] names.
fn data(bytes: &[u8], raw: &RawRecord) -> Result<Option<Data>, &'static str> {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| number(*kind) == raw.kind) else {
        return Ok(None);
    };
    // Cut at the record's end: a field may point back into the message, never read past its own record.
    let mut r = Reader { bytes: bytes.get(..raw.end).unwrap_or_default(), at: raw.start };
    let rest = |r: &mut Reader<'_>| r.take(raw.end.saturating_sub(r.at));
    let data = match kind {
        Kind::A => Data::A(Ipv4Addr::from(r.u32().map_err(|_| LONG)?)),
        Kind::Aaaa => {
            let octets: [u8; 16] = r.take(16)?.try_into().map_err(|_| LONG)?;
            Data::Aaaa(Ipv6Addr::from(octets))
        }
        Kind::Cname => Data::Cname(r.name()?),
        Kind::Ns => Data::Ns(r.name()?),
        Kind::Ptr => Data::Ptr(r.name()?),
        Kind::Mx => Data::Mx { preference: r.u16()?, exchange: r.name()? },
        Kind::Soa => Data::Soa {
            mname: r.name()?,
            rname: r.name()?,
            serial: r.u32()?,
            refresh: r.u32()?.cast_signed(),
            retry: r.u32()?.cast_signed(),
            expire: r.u32()?.cast_signed(),
            minimum: r.u32()?,
        },
        Kind::Txt | Kind::Spf => {
            let mut strings = Vec::new();
            while r.at < raw.end {
                let length = usize::from(r.u8()?);
                strings.push(r.take(length).map_err(|_| "a TXT string runs past its record")?);
            }
            if kind == Kind::Spf { Data::Spf(strings) } else { Data::Txt(strings) }
        }
        Kind::Tlsa => Data::Tlsa { usage: r.u8()?, selector: r.u8()?, matching: r.u8()?, data: rest(&mut r)? },
        Kind::Caa => {
            let (flags, length) = (r.u8()?, usize::from(r.u8()?));
            Data::Caa { flags, tag: r.take(length)?, value: rest(&mut r)? }
        }
        Kind::Ds => Data::Ds { key_tag: r.u16()?, algorithm: r.u8()?, digest_type: r.u8()?, digest: rest(&mut r)? },
        Kind::Dnskey => Data::Dnskey { flags: r.u16()?, protocol: r.u8()?, algorithm: r.u8()?, key: rest(&mut r)? },
        Kind::Srv => Data::Srv { priority: r.u16()?, weight: r.u16()?, port: r.u16()?, target: r.name()? },
        Kind::Https => {
            let (priority, target) = (r.u16()?, r.name()?);
            let mut text = format!("{priority} {target}");
            while r.at < raw.end {
                let (key, length) = (r.u16()?, usize::from(r.u16()?));
                let value = r.take(length)?;
                text.push_str(&format!(" key{key}=\"{}\"", value.escape_ascii()));
            }
            Data::Other(text)
        }
    };
    Ok(Some(data))
}

/// The first extended error among the options of an OPT record: its purpose's name and its text.
fn extended_error(options: &[u8]) -> Option<String> {
    let mut r = Reader { bytes: options, at: 0 };
    while r.at < options.len() {
        let (code, length) = (r.u16().ok()?, usize::from(r.u16().ok()?));
        let value = r.take(length).ok()?;
        if code == 15 {
            let purpose = u16::from_be_bytes([*value.first()?, *value.get(1)?]);
            let text = String::from_utf8_lossy(value.get(2..).unwrap_or_default()).trim().to_owned();
            let words = match purpose {
                1 => "unsupported DNSKEY algorithm",
                2 => "unsupported DS digest",
                3 => "stale answer",
                6 => "DNSSEC bogus",
                7 => "signature expired",
                8 => "signature not yet valid",
                9 => "DNSKEY missing",
                10 => "RRSIGs missing",
                12 => "NSEC missing",
                15 => "blocked",
                16 => "censored",
                17 => "filtered",
                18 => "prohibited",
                22 => "no reachable authority",
                23 => "network error",
                _ => "",
            };
            return Some(match (words, text.as_str()) {
                ("", "") => format!("extended error {purpose}"),
                ("", text) => format!("extended error {purpose}: {text}"),
                (words, "") => words.to_owned(),
                (words, text) => format!("{words}: {text}"),
            });
        }
    }
    None
}

/// The name of an rcode.
pub(crate) fn rcode_word(rcode: u16) -> String {
    match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        _ => return format!("rcode {rcode}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    /// A response to `query` with one record of raw data at the question's name.
    fn response(query: &[u8], kind: u16, rdata: &[u8]) -> Vec<u8> {
        let mut out = query.to_vec();
        out[2] = 0x81;
        out[3] = 0x80;
        out[7] = 1;
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 1, 44]);
        out.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
        out.extend(rdata);
        out
    }

    #[test]
    fn a_caa_record_with_an_odd_tag_is_data_and_not_a_broken_message() {
        let asked = query(7, &name("example.com"), Kind::Caa, Dress::Plain);
        let message = read(&response(&asked, 257, b"\x80\x02\xd0\xb6ca.example")).unwrap();
        let data = Data::Caa { flags: 0x80, tag: b"\xd0\xb6".to_vec(), value: b"ca.example".to_vec() };
        assert_eq!(message.answers, [Record { owner: name("example.com"), ttl: 300, data }]);
    }

    #[test]
    fn what_breaks_the_frame_breaks_the_message() {
        let asked = query(7, &name("example.com"), Kind::Txt, Dress::Plain);
        assert!(read(&response(&asked, 16, b"\x05ab")).is_err(), "a string past its record");
        assert!(read(&response(&asked, 15, b"\0\x0a\xc0\xff")).is_err(), "a pointer forward");
        let mut cut = response(&asked, 16, b"\x02ab");
        cut.pop();
        assert!(read(&cut).is_err(), "a length past the end");
    }

    #[test]
    fn a_field_never_reads_into_the_next_record() {
        let asked = query(7, &name("example.com"), Kind::A, Dress::Plain);
        let mut two = response(&asked, 1, b"\x01\x02\x03");
        two.extend([9; 20]);
        assert_eq!(read(&two), Err(LONG));
    }

    #[test]
    fn only_our_id_and_our_question_fit() {
        let asked = query(7, &name("example.com"), Kind::A, Dress::Edns);
        let good = response(&query(7, &name("example.com"), Kind::A, Dress::Plain), 1, &[1, 2, 3, 4]);
        assert_eq!(fit(&good, &asked), Fit::Ours);
        let mut upper = good.clone();
        upper[13..20].make_ascii_uppercase();
        assert_eq!(fit(&upper, &asked), Fit::Ours);
        let mut other = good.clone();
        other[0] ^= 1;
        assert_eq!(fit(&other, &asked), Fit::Stranger);
        let mut wrong = good.clone();
        wrong[14] ^= 1;
        assert!(matches!(fit(&wrong, &asked), Fit::Unfit(_)));
        assert!(matches!(fit(&good[..5], &asked), Fit::Unfit(_)));
        assert!(matches!(fit(&asked, &asked), Fit::Unfit(_)));
    }

    #[test]
    fn extended_errors_are_put_into_words() {
        assert_eq!(extended_error(b"\0\x0f\0\x07\0\x07zone!").as_deref(), Some("signature expired: zone!"));
        assert_eq!(extended_error(b"\0\x0a\0\x02ab\0\x0f\0\x02\0\x16").as_deref(), Some("no reachable authority"));
        assert_eq!(extended_error(b"\0\x0f\0\xff"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_u16..70) {
            let _ = read(&bytes);
            let asked = query(7, &name("example.com"), Kind::A, Dress::Plain);
            let _ = read(&response(&asked, kind, &bytes));
            let _ = fit(&bytes, &asked);
        }
    }
}
