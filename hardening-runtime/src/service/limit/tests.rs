use super::*;
use crate::service::client;
use crate::settings::Settings;

fn limits(rate: &str, burst: Option<u32>) -> Limits {
    let mut http = Settings::default().http;
    http.rate_limit = Some(hardening_spec::units::rate(rate).unwrap());
    http.rate_limit_burst = burst;
    http.principal_rate_limit = Some(hardening_spec::units::rate("2/s").unwrap());
    http.tenant_rate_limit = Some(hardening_spec::units::rate("3/s").unwrap());
    Limits::new(&http)
}

fn client(ip: &str) -> Client {
    let ip = ip.parse().ok();
    Client { ip, vouched: false, key: client::key(ip), claim: Claim::None }
}

fn told(limits: &Limits, standing: &Standing) -> Vec<String> {
    assert_ne!(limits.tells(standing), Told::Nothing);
    let mut told = [const { HeaderValue::from_static("") }; 5];
    limits.tell(standing, Told::All, told.iter_mut());
    [1, 0, 2, 3, 4].map(|at: usize| told[at].to_str().unwrap().to_owned()).to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_as_told_is_admitted_again() {
    let limits = limits("100/min", None);
    let who = client("192.0.2.1");
    let mut standing = Standing::default();
    for left in (0..100).rev() {
        assert_eq!(limits.charge(Bucket::All, who, clock::now(), &mut standing), None);
        assert_eq!(standing.client.unwrap().remaining, left);
    }
    let wait = limits.charge(Bucket::All, who, clock::now(), &mut standing).unwrap();
    assert_eq!(whole_seconds(wait), 1);
    let answer = standing.refusal(wait).answer(None);
    let wait = answer.headers()[http::header::RETRY_AFTER].to_str().unwrap().to_owned();
    let state = format!("\"client\";r=0;t={wait}");
    assert_eq!(told(&limits, &standing), ["\"client\";q=100;w=60", &state, "100", "0", &wait]);
    assert!(standing.is_refused());
    let wait = Duration::from_secs(wait.parse().unwrap());
    assert_eq!(limits.charge(Bucket::All, client("192.0.2.2"), clock::now(), &mut standing), None);
    tokio::time::advance(Duration::from_secs(whole_seconds(wait))).await;
    assert_eq!(limits.charge(Bucket::All, who, clock::now(), &mut standing), None);
}

fn claiming(peer: &str, claimed: u32) -> Client {
    Client { claim: Claim::Of(std::net::Ipv4Addr::from(claimed).into()), ..client(peer) }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_nobody_listed_is_limited_by_client_and_as_a_whole() {
    let mut http = Settings::default().http;
    http.rate_limit = Some(hardening_spec::units::rate("2/min").unwrap());
    http.unlisted_proxy_rate_limit = Some(hardening_spec::units::rate("5/min").unwrap());
    let limits = Limits::new(&http);
    let refused = |who| limits.charge(Bucket::All, who, clock::now(), &mut Standing::default()).is_some();
    assert_eq!([1, 1, 1].map(|claim| refused(claiming("10.0.0.1", claim))), [false, false, true]);
    assert_eq!([2, 3, 4, 5].map(|claim| refused(claiming("10.0.0.1", claim))), [false, false, false, true]);
    assert!(!refused(claiming("10.0.0.2", 5)), "another peer has a bound of its own");
    assert!(!refused(claiming("10.0.0.2", 1)), "and clients of its own");
    assert!(!refused(client("10.0.0.1")), "without a claim it is a client like others");
    let ignored = Client { claim: Claim::Ignored, ..client("192.0.2.1") };
    assert_eq!([ignored; 3].map(refused), [false, false, true]);
    http.unlisted_proxy_rate_limit = None;
    let limits = Limits::new(&http);
    let mut standing = Standing::default();
    assert!(
        (0..100)
            .all(|claim| limits.charge(Bucket::All, claiming("10.0.0.1", claim), 0, &mut standing).is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_charged_to_the_peer_whatever_it_claims() {
    let limits = limits("100/min", None);
    let guess = |claim| {
        let (who, mut standing) = (claiming("10.0.0.1", claim), Standing::default());
        let free = limits.charge(Bucket::All, who, clock::now(), &mut standing).is_none()
            && limits.has_guessed(who, &standing).is_none();
        if free {
            limits.fine(who, &mut standing);
        }
        free
    };
    assert_eq!((0..400).filter(|claim| guess(*claim)).count(), 10);
    let wait = limits.has_guessed(claiming("10.0.0.1", 7), &Standing::default()).expect("a while");
    assert_eq!(limits.has_guessed(claiming("10.0.0.2", 7), &Standing::default()), None);
    assert!(limits.charge(Bucket::All, client("10.0.0.1"), clock::now(), &mut Standing::default()).is_some());
    tokio::time::advance(wait).await;
    assert_eq!(limits.has_guessed(claiming("10.0.0.1", 7), &Standing::default()), None);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_charged_at_routes_whose_limit_is_another() {
    let limits = limits("100/min", None);
    for bucket in [Bucket::Route(0), Bucket::Files] {
        for claim in [None, Some(7)] {
            let peer = if claim.is_some() { "10.0.0.9" } else { "192.0.2.9" };
            let peer = if bucket == Bucket::Files { peer.replace('9', "8") } else { peer.to_owned() };
            let who = claim.map_or_else(|| client(&peer), |claim| claiming(&peer, claim));
            let guess = |_| {
                let mut standing = Standing { bucket, ..Standing::default() };
                let free = limits.has_guessed(who, &standing).is_none();
                if free {
                    limits.fine(who, &mut standing);
                }
                free
            };
            assert_eq!((0..400).map(guess).filter(|free| *free).count(), 10, "{bucket:?} {claim:?}");
            let elsewhere = limits.charge(Bucket::All, client(&peer), clock::now(), &mut Standing::default());
            assert_eq!(elsewhere, None, "{bucket:?} {claim:?}");
        }
    }
}

/// How many of a client's requests for files are admitted where each gets a file, or none does.
fn admitted(limits: &Limits, who: Client, files: bool) -> usize {
    let admits = || {
        let mut standing = Standing::default();
        let admitted = limits.charge(Bucket::Files, who, clock::now(), &mut standing).is_none();
        assert_eq!(standing.is_of_files(), admitted);
        if admitted && !files {
            limits.was_no_file(who, &mut standing);
        }
        admitted
    };
    (0..3000).filter(|_| admits()).count()
}

fn left(limits: &Limits, who: Client) -> usize {
    let admits = || limits.charge(Bucket::All, who, clock::now(), &mut Standing::default()).is_none();
    (0..3000).filter(|_| admits()).count()
}

#[tokio::test(start_paused = true)]
async fn files_have_a_bucket_of_their_own_and_what_is_none_gains_nothing() {
    let mut http = Settings::default().http;
    http.unlisted_proxy_rate_limit = None;
    let limits = Limits::new(&http);
    let [files, none] = ["192.0.2.1", "192.0.2.2"].map(client);
    assert_eq!((admitted(&limits, files, true), left(&limits, files)), (1000, 100));
    assert_eq!((admitted(&limits, none, false), left(&limits, none)), (100, 0));
    let [files, none] = [1, 2].map(|claimed| claiming(&format!("10.0.0.{claimed}"), claimed));
    assert_eq!((admitted(&limits, files, true), left(&limits, files)), (1000, 100));
    assert_eq!((admitted(&limits, none, false), left(&limits, none)), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_for_clients_files_have_none_unless_set_and_the_lower_rate_costs_no_more() {
    let mut http = Settings::default().http;
    http.static_rate_limit = Some(hardening_spec::units::rate("10/min").unwrap());
    let low = Limits::new(&http);
    assert_eq!(admitted(&low, client("192.0.2.1"), false), 10);
    http.static_rate_limit = None;
    assert_eq!(admitted_freely(&Limits::new(&http)), 3000);
    (http.rate_limit, http.static_rate_limit) = (None, Settings::default().http.static_rate_limit);
    assert_eq!(admitted_freely(&Limits::new(&http)), 3000);
    let rate = |text| hardening_spec::units::rate(text).unwrap();
    for (one, other, wanted) in [("1000/min", "100/min", 10), ("10/s", "100/min", 6), ("1/1d", "100/s", 1)] {
        assert_eq!(times(rate(one), rate(other)), wanted, "{one} {other}");
    }
}

fn admitted_freely(limits: &Limits) -> usize {
    let who = client("192.0.2.1");
    let admits = || limits.charge(Bucket::Files, who, clock::now(), &mut Standing::default()).is_none();
    (0..3000).filter(|_| admits()).count()
}

#[tokio::test(start_paused = true)]
async fn who_guesses_has_few_guesses() {
    let limits = limits("100/min", None);
    let who = client("192.0.2.1");
    let mut guesses = 0;
    let mut standing = Standing::default();
    while limits.charge(Bucket::All, who, clock::now(), &mut standing).is_none() {
        limits.fine(who, &mut standing);
        guesses += 1;
    }
    assert_eq!(guesses, 10);
    assert_eq!(limits.charge(Bucket::All, client("192.0.2.2"), clock::now(), &mut standing), None);
}

#[tokio::test(start_paused = true)]
async fn principals_and_tenants_have_limits_of_their_own() {
    let limits = limits("100/min", None);
    let mut standing = Standing::default();
    let _ = limits.charge(Bucket::All, client("192.0.2.1"), clock::now(), &mut standing);
    for left in (0..2).rev() {
        assert_eq!(limits.charge_caller("ann", Some("shop"), &mut standing), None);
        assert_eq!(standing.principal.unwrap().remaining, left);
    }
    assert_eq!(
        told(&limits, &standing)[..3],
        [
            "\"client\";q=100;w=60, \"principal\";q=2;w=1, \"tenant\";q=3;w=1",
            "\"client\";r=99;t=1, \"principal\";r=0;t=1, \"tenant\";r=1;t=1",
            "2"
        ]
    );
    assert!(limits.charge_caller("ann", Some("shop"), &mut standing).is_some());
    assert_eq!(limits.charge_caller("bob", Some("shop"), &mut standing), None, "the third of the tenant");
    assert!(limits.charge_caller("bob", Some("shop"), &mut standing).is_some(), "the fourth");
    assert_eq!(limits.charge_caller("cid", Some("store"), &mut standing), None);
}

#[test]
fn there_is_room_for_all_limits_and_the_longest_numbers() {
    let limits = limits("100/min", None);
    let reset = Duration::from_secs(u64::MAX);
    let verdict = Some(Verdict { remaining: u32::MAX, reset, refused: None });
    let standing = Standing { client: verdict, bucket: Bucket::All, principal: verdict, tenant: verdict };
    let each = |name| format!("\"{name}\";r={};t={}", u32::MAX, u64::MAX);
    assert_eq!(told(&limits, &standing)[1], ["client", "principal", "tenant"].map(each).join(", "));
}

#[test]
fn the_longest_rate_and_the_largest_burst_are_a_limit() {
    let rate = Rate::new(1, Duration::from_nanos(u64::MAX));
    assert!(Limit::new("client", Some(rate), Some(u32::MAX), u32::MAX).is_some());
}

#[test]
fn a_burst_that_takes_more_than_a_hundred_years_is_refused() {
    let mut http = Settings::default().http;
    assert_eq!(check(&http), Ok(()));
    http.rate_limit = Some(hardening_spec::units::rate("1/1d").unwrap());
    http.rate_limit_burst = Some(36_500);
    assert_eq!(check(&http), Ok(()));
    http.rate_limit_burst = Some(214_000);
    let wrong = check(&http).unwrap_err();
    assert!(wrong.starts_with("`http.rate_limit_burst`: ") && wrong.contains("at most 36500"), "{wrong}");
    http.rate_limit_burst = None;
    http.tenant_rate_limit = Some(Rate::new(1, Duration::MAX));
    assert!(check(&http).unwrap_err().starts_with("`http.tenant_rate_limit`: "));
}

#[test]
fn the_policy_states_the_time_in_which_the_burst_returns() {
    assert_eq!(limits("10/s", Some(50)).client.unwrap().known.policy, "\"client\";q=50;w=5");
    assert_eq!(limits("100/min", Some(10)).client.unwrap().known.policy, "\"client\";q=10;w=6");
}
