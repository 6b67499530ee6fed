//! Attackers with very many addresses, and clients that come for the first time meanwhile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::support::start;
use hardening_service_tests::client::{Client, request};

const SETTINGS: &str =
    "[http]\nrate_limit = '5/min'\ntrusted_proxies = ['127.0.0.0/8']\n[log]\naccess = false";

/// Limits of functions alone.
const OF_FUNCTIONS: &str =
    "[http]\nrate_limit = 'none'\ntrusted_proxies = ['127.0.0.0/8']\n[log]\naccess = false";

fn of_v4(network: [u8; 2], host: u16) -> IpAddr {
    let [a, b] = host.to_be_bytes();
    Ipv4Addr::new(network[0], network[1], a, b).into()
}

fn of_v6(network: u64, host: u64) -> IpAddr {
    Ipv6Addr::from_bits(u128::from(network) << 64 | u128::from(host)).into()
}

/// A hundred clients: of one network of IPv4, of many, and of many networks of IPv6.
fn newcomers() -> impl Iterator<Item = IpAddr> {
    (0..100_u8).map(|n| match n % 3 {
        0 => of_v4([198, 51], u16::from_be_bytes([100, n])),
        1 => of_v4([n, 7], 1),
        _ => of_v6(0x2001_0db9_0000_0001 | u64::from(n) << 16, 1),
    })
}

/// Every /64 of a /48.
fn all_of_a_48() -> Vec<IpAddr> {
    (0..65_536).map(|n| of_v6(0x2001_0db8_0007_0000 | n, n)).collect()
}

/// A few more than the clients that are remembered, of one network or of very many.
fn ten_thousand(spread: bool) -> Vec<IpAddr> {
    let of = |n: u16| if spread { of_v4([(n >> 8) as u8, n as u8], n) } else { of_v4([10, 0], n) };
    (0..10_050).map(of).collect()
}

/// Sends a request from each of these addresses, and answers how many of them were served.
async fn crowd(service: SocketAddr, path: &str, from: impl Iterator<Item = IpAddr>) -> usize {
    let mut client = Client::connect(service).await;
    let from: Vec<IpAddr> = from.collect();
    let mut served = 0;
    for some in from.chunks(1_000) {
        let ask = |ip: &IpAddr| request("GET", path, &[("x-forwarded-for", &ip.to_string())], "");
        client.send(some.iter().map(ask).collect::<String>()).await;
        for _ in some {
            let reply = client.reply().await;
            assert!(matches!(reply.status, 200 | 429), "{reply:#?}");
            served += usize::from(reply.status == 200);
        }
    }
    served
}

/// How many of the hundred are served while the attack goes on.
async fn served_under(attack: &[IpAddr], service: SocketAddr, path: &str) -> usize {
    crowd(service, path, attack.iter().copied()).await;
    let (mut served, mut newcomers) = (0, newcomers());
    for (again, newcomer) in attack[attack.len() - 10_000..].chunks(100).zip(newcomers.by_ref()) {
        crowd(service, path, again.iter().copied()).await;
        served += crowd(service, path, [newcomer].into_iter()).await;
    }
    assert_eq!(newcomers.next(), None, "all have asked");
    served
}

#[tokio::test]
async fn all_of_a_48_keeps_no_newcomer_out() {
    let running = start(SETTINGS).await;
    let served = served_under(&all_of_a_48(), running.addr, "/hello").await;
    assert!(served >= 99, "{served} of 100");
}

#[tokio::test]
async fn ten_thousand_addresses_keep_no_newcomer_out() {
    for spread in [false, true] {
        let running = start(SETTINGS).await;
        let served = served_under(&ten_thousand(spread), running.addr, "/hello").await;
        assert!(served >= 97, "{served} of 100, spread: {spread}");
    }
}

#[tokio::test]
async fn a_function_s_limit_of_each_client_keeps_no_newcomer_out() {
    for attack in [all_of_a_48(), ten_thousand(false), ten_thousand(true)] {
        let running = start(OF_FUNCTIONS).await;
        let served = served_under(&attack, running.addr, "/of-each").await;
        assert!(served >= 97, "{served} of 100 beside {} and others", attack[0]);
    }
}
