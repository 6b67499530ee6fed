//! Whatever callers say of their trace.

use super::*;
use crate::fuzzing::{run, run_text};

#[test]
fn traceparent_field() {
    let seeds: &[&[u8]] = &[
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes-later",
        b"00-00000000000000000000000000000000-0000000000000000-01",
    ];
    run("traceparent", seeds, &[b"00-", b"ff-", b"-01", b"-", b"0000000000000000", b"A"], |text| {
        let Some((id, span, flags)) = traceparent(text) else { return };
        assert!(id != 0 && span != 0 && text.len() >= 55 && !text.starts_with(b"ff"));
        let known = str::from_utf8(&text[..55]).expect("digits and dashes");
        assert!(known.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f')), "{known}");
        assert_eq!(known[2..53], format!("-{id:032x}-{span:016x}-"), "what was read is what stands there");
        assert_eq!(known.ends_with(|digit| "13579bdf".contains(digit)), flags.sampled);
        assert_eq!(known.ends_with(|digit| "2367abef".contains(digit)), flags.random);
        // What goes on is read by the next service.
        let trace = Trace { id, span, parent: 0, flags, state: None };
        assert_eq!(traceparent(trace.parent_of(span).as_bytes()), Some((id, span, flags)));
    });
}

#[test]
fn tracestate_field() {
    let long = format!("a={},b={},{}", "x".repeat(250), "y".repeat(250), "c=z,d=z");
    let many = (0..33).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
    let seeds = ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "fw529a3039@dt=FfSPYWLW, \t,x=1", &long, &many];
    run_text("tracestate", &seeds, &["=", ",", "@", " ", "\t", "a=1", "tenant@vendor=", "_-*/"], |text| {
        let Some(kept) = tracestate(text) else { return };
        assert!(!kept.is_empty() && kept.len() <= STATE_LIMIT, "{}", kept.len());
        let members: Vec<&str> = kept.split(',').collect();
        assert!(members.len() <= STATE_MEMBERS);
        let sent: Vec<&str> = text.split(',').map(|member| member.trim_matches([' ', '\t'])).collect();
        assert!(members.iter().all(|member| sent.contains(member)), "whole members of those that came");
        let mut keys: Vec<&str> = members.iter().filter_map(|member| member.split('=').next()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), members.len(), "each key once");
        assert_eq!(tracestate(&kept).as_ref(), Some(&kept), "it goes on as it is");
        assert!(http::HeaderValue::from_str(&kept).is_ok());
    });
}
