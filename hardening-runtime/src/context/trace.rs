//! The trace that a request belongs to: W3C Trace Context, level 2 (`traceparent` and `tracestate`).

use std::fmt::Write as _;
use std::sync::Arc;

/// The longest `tracestate` that goes on; the specification asks for at least this much.
#[cfg(feature = "service")]
const STATE_LIMIT: usize = 512;
/// The most members of a `tracestate`; one with more is none.
#[cfg(feature = "service")]
const STATE_MEMBERS: usize = 32;

/// The trace that a request belongs to, and its place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub(crate) id: u128,
    /// The span of this request; requests that it sends are its children.
    pub(crate) span: u64,
    /// The caller's span, 0 where there is none.
    pub(crate) parent: u64,
    pub(crate) flags: Flags,
    pub(crate) state: Option<Arc<str>>,
}

/// What is said of a trace beside its ids: all that the specification knows, and no other bit goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Somebody records it.
    pub(crate) sampled: bool,
    /// The right half of its id and more is random, so that shares of traces can be taken by it.
    pub(crate) random: bool,
}

impl Flags {
    const SAMPLED: u8 = 1;
    const RANDOM: u8 = 1 << 1;

    #[cfg(feature = "service")]
    const fn read(bits: u8) -> Self {
        Self { sampled: bits & Self::SAMPLED != 0, random: bits & Self::RANDOM != 0 }
    }

    /// As they are sent.
    pub(crate) const fn bits(self) -> u8 {
        (if self.sampled { Self::SAMPLED } else { 0 }) | (if self.random { Self::RANDOM } else { 0 })
    }
}

impl Trace {
    /// A trace that begins here.
    pub fn new(sampled: bool) -> Self {
        let flags = Flags { sampled, random: true };
        Self { id: nonzero(|| fastrand::u128(..)), span: new_span(), parent: 0, flags, state: None }
    }

    /// The trace's id, as 32 lower-case hexadecimal digits.
    pub fn id(&self) -> String {
        str::from_utf8(&hex(self.id)).unwrap_or_default().to_owned()
    }

    /// The id of this request's span, as 16 lower-case hexadecimal digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// Whether somebody asked for the trace to be recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags.sampled
    }

    /// The `traceparent` of a request that `span` sends.
    pub(crate) fn parent_of(&self, span: u64) -> String {
        let mut out = String::with_capacity(55);
        // Writing to a string cannot fail.
        let _ = write!(out, "00-{:032x}-{span:016x}-{:02x}", self.id, self.flags.bits());
        out
    }
}

/// 32 digits, written by hand: every request's line has them.
pub(crate) fn hex(id: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(id.to_be_bytes()) {
        for (digit, half) in pair.iter_mut().zip([byte >> 4, byte & 0xf]) {
            *digit = b"0123456789abcdef"[usize::from(half)];
        }
    }
    digits
}

pub(crate) fn new_span() -> u64 {
    nonzero(|| fastrand::u64(..))
}

/// Zero is no id.
fn nonzero<T: Default + PartialEq>(mut make: impl FnMut() -> T) -> T {
    loop {
        let id = make();
        if id != T::default() {
            return id;
        }
    }
}

/// Reads the trace of a request; `None` without a well-formed `traceparent`, as if none had been sent.
#[cfg(feature = "service")]
pub(crate) fn read(headers: &http::HeaderMap) -> Option<Trace> {
    let mut parents = headers.get_all("traceparent").iter();
    let (parent, None) = (parents.next()?, parents.next()) else { return None };
    let (id, parent, flags) = traceparent(parent.as_bytes())?;
    let fields: Option<Vec<&str>> =
        headers.get_all("tracestate").iter().map(|value| value.to_str().ok()).collect();
    let state = fields.and_then(|fields| tracestate(&fields.join(","))).map(Arc::from);
    Some(Trace { id, span: new_span(), parent, flags, state })
}

/// Trace, span and flags. Versions above 00 may say more after what is known.
#[cfg(feature = "service")]
fn traceparent(text: &[u8]) -> Option<(u128, u64, Flags)> {
    let (known, rest) = text.split_at_checked(55)?;
    let version = number(&known[..2])?;
    let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let ends = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
    if version == 0xff || !dashes || !ends {
        return None;
    }
    let (id, span, flags) = (number(&known[3..35])?, number(&known[36..52])?, number(&known[53..55])?);
    // Sixteen digits fit, and two.
    (id != 0 && span != 0).then_some((id, span as u64, Flags::read(flags as u8)))
}

/// Digits of a number; capital letters are none.
#[cfg(feature = "service")]
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// The members that go on; `None` where one is malformed, or where there are none or too many. Of those with one key the first
/// does, which was written last. What is longer than [`STATE_LIMIT`] loses whole members: those of more than 128 bytes first, then
/// the last ones.
#[cfg(feature = "service")]
fn tracestate(text: &str) -> Option<String> {
    let (mut members, mut count): (Vec<&str>, usize) = (Vec::new(), 0);
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        count += 1;
        if !is_key(key) || !is_value(value) || count > STATE_MEMBERS {
            return None;
        }
        if !members.iter().any(|known| known.split('=').next() == Some(key)) {
            members.push(member);
        }
    }
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    if length(&members) > STATE_LIMIT + 1 {
        members.retain(|member| member.len() <= 128);
    }
    while length(&members) > STATE_LIMIT + 1 {
        members.pop();
    }
    (!members.is_empty()).then(|| members.join(","))
}

/// A letter or a digit first. Who is a tenant of whom is the sender's own affair.
#[cfg(feature = "service")]
fn is_key(key: &str) -> bool {
    let within = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@')
    };
    let first = key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    first && key.len() <= 256 && key.bytes().all(within)
}

/// Visible characters but `,` and `=`, and spaces within.
#[cfg(feature = "service")]
fn is_value(value: &str) -> bool {
    let allowed = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(allowed) && !value.ends_with(' ')
}

#[cfg(all(test, feature = "service"))]
mod fuzz;

#[cfg(all(test, feature = "service"))]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_strictly() {
        let read = |text: &str| traceparent(text.as_bytes());
        let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
        for (change, sent) in
            [("-00", 0), ("-01", 1), ("-02", 2), ("-03", 3), ("-fc", 0), ("-fe", 2), ("-ff", 3)]
        {
            let (read_id, span, flags) = read(&GOOD.replace("-01", change)).unwrap();
            assert_eq!((read_id, span, flags.bits()), (id, 0x00f0_67aa_0ba9_02b7, sent), "{change}");
        }
        // A later version may say more, after a dash.
        assert!(read(&GOOD.replacen("00-", "cc-", 1)).is_some());
        assert!(read(&format!("{}-what-the-future", GOOD.replacen("00-", "cc-", 1))).is_some());
        for bad in [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-"),
            format!("{GOOD}-00"),
            format!("{}.what", GOOD.replacen("00-", "cc-", 1)),
            GOOD.replacen("00-", "ff-", 1),
            GOOD.replacen("00-", "0x-", 1),
            GOOD.replace("4bf9", "4BF9"),
            GOOD.replace("4bf9", "4bg9"),
            GOOD.replace("-01", "_01"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            format!(" {GOOD}"),
            "é".repeat(28),
        ] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_tracestate_is_kept_whole_cut_by_members_or_dropped() {
        for (text, kept) in [
            ("a=1", Some("a=1")),
            ("a=1, b=2 ,\t,c=3", Some("a=1,b=2,c=3")),
            ("1t@v=x y", Some("1t@v=x y")),
            ("", None),
            (",,", None),
            ("a", None),
            ("A=1", None),
            ("-a=1", None),
            ("@a=1", None),
            // Of level 2, where any name may hold `@` and begin with a digit.
            ("foo@=1,0foo=1", Some("foo@=1,0foo=1")),
            ("a@1v=1,a@b@c=2", Some("a@1v=1,a@b@c=2")),
            ("a=", None),
            ("a=b=c", None),
            ("a=1,b=2,a=3", Some("a=1,b=2")),
            ("a=1,a=", None),
            ("a=\u{e9}", None),
        ] {
            assert_eq!(tracestate(text).as_deref(), kept, "{text:?}");
        }
        let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(tracestate(&members(32)), Some(members(32)));
        assert_eq!(tracestate(&members(33)), None);
        assert_eq!(tracestate(&vec!["a=1"; 33].join(",")), None);
        for (length, kept) in [(256, true), (257, false)] {
            for key in ["k".repeat(length), format!("{}@v", "t".repeat(length - 2))] {
                assert_eq!(tracestate(&format!("{key}=v")).is_some(), kept, "{length}");
            }
        }
        // More than fits: the long one goes, though it stands first.
        let long = format!("long={}", "x".repeat(200));
        let short = (0..6).map(|n| format!("s{n}={}", "y".repeat(46))).collect::<Vec<_>>().join(",");
        assert_eq!(tracestate(&format!("{long},{short}")), Some(format!("{long},{short}")));
        let more = format!("{short},s6={}", "y".repeat(46));
        assert_eq!(tracestate(&format!("{long},{more}")), Some(more));
        let many = (0..20).map(|n| format!("k{n}={}", "z".repeat(60))).collect::<Vec<_>>().join(",");
        let kept = tracestate(&many).unwrap();
        assert!(many.starts_with(&kept) && kept.len() <= 512 && kept.len() > 440, "{kept}");
    }

    #[test]
    fn what_is_sent_on_is_read_back() {
        let trace = Trace::new(true);
        let next = traceparent(trace.parent_of(trace.span).as_bytes());
        assert_eq!(next, Some((trace.id, trace.span, Flags { sampled: true, random: true })));
        assert_eq!((trace.id(), trace.span_id().len()), (format!("{:032x}", trace.id), 16));
    }
}
