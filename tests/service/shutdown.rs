//! The end of a service: no accepted request is lost, and nothing keeps it for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::app;
use super::child::Serving;
use super::support::{PATIENCE, eventually, get, in_flight, read_all, send, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// One request on a connection of its own: `None` when the connection was refused, which is no request yet.
async fn ask(address: std::net::SocketAddr) -> Option<Result<(), String>> {
    let mut stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return None,
        Err(error) => return Some(Err(format!("connect: {error}"))),
    };
    let request = b"GET /sleep/20 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut text = String::new();
    let result = async {
        stream.write_all(request).await?;
        stream.read_to_string(&mut text).await
    };
    match result.await {
        Ok(_) if text.starts_with("HTTP/1.1 200") && text.ends_with("slept") => Some(Ok(())),
        Ok(_) => Some(Err(format!("{text:?}"))),
        Err(error) => Some(Err(format!("{error} after {text:?}"))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_under_load_no_accepted_request_is_lost() {
    for round in 0..3 {
        let service = start("[http]\nrate_limit = 'none'\n[shutdown]\npre_drain = '300ms'\n").await;
        let (address, served) = (service.addr, Arc::new(AtomicU32::new(0)));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let (mut lost, mut refused) = (Vec::new(), 0_u32);
                    // It tries again after a refusal, and is not to be served then.
                    while refused < 3 {
                        match ask(address).await {
                            Some(Ok(())) if refused == 0 => drop(served.fetch_add(1, Ordering::SeqCst)),
                            Some(Ok(())) => lost.push("served after a refusal".to_owned()),
                            Some(Err(error)) => lost.push(error),
                            None => refused += 1,
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    lost
                })
            })
            .collect();
        eventually("it serves", || async { served.load(Ordering::SeqCst) > 50 }).await;
        let began = Instant::now();
        let report = service.shutdown().await;
        assert!(began.elapsed() >= Duration::from_millis(300), "it kept serving: {:?}", began.elapsed());
        for client in clients {
            let lost = tokio::time::timeout(PATIENCE, client).await.expect("the listener closes").unwrap();
            assert_eq!(lost, Vec::<String>::new(), "round {round}");
        }
        assert!(report.is_clean(), "{report:?}");
    }
}

#[tokio::test]
async fn while_draining_readiness_says_no_liveness_yes_and_answers_end_their_connections() {
    let service = Arc::new(start("[shutdown]\npre_drain = '600ms'\n").await);
    let mut kept = TcpStream::connect(service.addr).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    eventually("ready", || async { get(service.addr, "/readyz").await.status == 200 }).await;
    service.terminate();
    eventually("not ready", || async { get(service.addr, "/readyz").await.status == 503 }).await;
    assert_eq!(get(service.addr, "/livez").await.status, 200);
    assert_eq!(get(service.addr, "/").await.status, 200, "it still serves");
    kept.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let text = read_all(&mut kept).await;
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    assert!(text.to_ascii_lowercase().contains("connection: close"), "{text}");
}

#[tokio::test]
async fn requests_in_flight_finish_and_those_beyond_the_drain_are_cut_and_named() {
    let service = start("[shutdown]\ndrain = '500ms'\n").await;
    let address = service.addr;
    let short = tokio::spawn(async move { get(address, "/sleep/200").await.status });
    let long = tokio::spawn(async move { get(address, "/sleep/10000").await });
    in_flight(service.admin_addr, 2).await;
    let began = Instant::now();
    let report = service.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(short.await.unwrap(), 200);
    long.await.unwrap().problem(503);
    assert_eq!(report.still_running, ["1 × /sleep/{ms}"]);
    assert!(!report.is_clean());
}

#[tokio::test]
async fn i_66_an_idle_service_ends_at_once_and_idle_connections_do_not_keep_it() {
    let service = start("").await;
    let mut idle = TcpStream::connect(service.addr).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let silent = TcpStream::connect(service.addr).await.unwrap();
    let mut answer = [0; 4096];
    assert!(idle.read(&mut answer).await.unwrap() > 0, "it is answered, and idle then");
    let open = "\nhttp_open_connections{listener=\"public\"} 2\n";
    eventually("both are open", || async { get(service.admin_addr, "/metrics").await.body.contains(open) })
        .await;
    let began = Instant::now();
    let report = service.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(silent);
}

#[tokio::test]
async fn i_64_a_second_word_skips_ahead() {
    let service = start("[shutdown]\npre_drain = '9s'\ndrain = '9s'\n").await;
    let address = service.addr;
    let cut = tokio::spawn(async move { get(address, "/sleep/8000").await.status });
    in_flight(service.admin_addr, 1).await;
    let began = Instant::now();
    service.terminate();
    service.terminate();
    let report = service.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((cut.await.unwrap(), report.still_running.len()), (503, 1));
}

#[tokio::test]
async fn hooks_run_backwards_and_what_hangs_or_fails_is_named() {
    let service = app::hooked().with_settings("[shutdown]\nhooks = '300ms'\n").start().await.unwrap();
    let began = Instant::now();
    let report = service.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // `hanging` hangs for its share of the time; what was registered before it has its turn all the same.
    assert_eq!(report.still_running, ["hook hanging"]);
    assert_eq!(report.failed, ["hook failing: cannot flush"]);
}

#[tokio::test]
async fn dropping_the_handle_ends_the_service() {
    // Nobody else gets the port once it is closed.
    let service = start(&format!("http.listen = '{}'", super::ports::free())).await;
    let address = service.addr;
    assert_eq!(get(address, "/").await.status, 200);
    drop(service);
    eventually("closed", || async { TcpStream::connect(address).await.is_err() }).await;
}

#[tokio::test]
async fn a_process_ends_with_0_after_sigterm_and_serves_until_then() {
    let mut service = Serving::start("tested", &[("HARDENING_SHUTDOWN__PRE_DRAIN", "400ms")]).await;
    let (address, served) = (service.addr, Arc::new(AtomicU32::new(0)));
    let began = Instant::now();
    service.signal("TERM");
    let counted = Arc::clone(&served);
    let client = tokio::spawn(async move {
        loop {
            match ask(address).await {
                Some(Ok(())) => counted.fetch_add(1, Ordering::SeqCst),
                Some(Err(error)) => return Some(error),
                None => return None,
            };
        }
    });
    let (code, said, error) = service.wait().await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!(client.await.unwrap(), None);
    assert!(served.load(Ordering::SeqCst) > 3);
}

#[tokio::test]
async fn a_process_that_does_not_serve_yet_ends_at_once() {
    let mut service = Serving::begin("slow", &[]).await;
    let began = Instant::now();
    service.signal("TERM");
    let (code, said, error) = service.wait().await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn i_64_an_interrupt_has_no_pre_drain() {
    let mut service = Serving::start("tested", &[("HARDENING_SHUTDOWN__PRE_DRAIN", "9s")]).await;
    let began = Instant::now();
    service.signal("INT");
    let (code, said, _) = service.wait().await;
    assert_eq!(code, 0, "{said}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn i_65_the_watchdog_ends_a_process_whose_threads_are_all_stuck() {
    let mut service = Serving::start(
        "tested",
        &[
            ("HARDENING_SHUTDOWN__PRE_DRAIN", "0s"),
            ("HARDENING_SHUTDOWN__DRAIN", "500ms"),
            ("HARDENING_SHUTDOWN__HOOKS", "500ms"),
            ("HARDENING_SHUTDOWN__GRACE", "2s"),
        ],
    )
    .await;
    let address = service.addr;
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let stuck: Vec<_> = (0..workers + 2)
        .map(|_| tokio::spawn(async move { send(address, "GET /block/20000 HTTP/1.1", "").await.status }))
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    service.signal("TERM");
    let (code, _, error) = service.wait().await;
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("/block/{ms}"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    for one in stuck {
        one.abort();
    }
}
