//! Error budgets: who is told that one is spent too fast, and how often.

use std::time::Duration;

use hardening_service_tests::client::{Client, Http2, get_with};
use hardening_service_tests::service::{scrape, until, value};

use super::alerts::{Listener, SECRET, alerting, start, times};
use super::grpc_app;

/// So many minutes pass at once, and whoever waits for one of them notices each.
async fn minutes_pass(count: u32) {
    tokio::time::pause();
    for _ in 0..count {
        // A second more, so that who waits for a minute from a moment ago waits no longer.
        tokio::time::advance(Duration::from_secs(61)).await;
        // More than the runtime does before it looks at timers and sockets.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
}

#[tokio::test]
async fn a_budget_that_is_spent_too_fast_is_told_of_once_and_once_when_it_is_over() {
    // The first message is not taken at once.
    let (told, moody) = (Listener::start(&[]).await, Listener::start(&[500]).await);
    let running = start(&format!(
        "objective = '99.9%'\nslack = ['http://{}/slack']\njson = ['http://{}/json']\nsecret = '{SECRET}'\nerrors = 1000\n\
         timeout = '1h'",
        told.addr, moody.addr
    ))
    .await;
    // It is known, and the minutes of the budget begin.
    times(&running, 1, "/broken").await;
    times(&running, 1, "/refusing").await;
    minutes_pass(1).await;
    times(&running, 20, "/broken").await;
    times(&running, 20, "/refusing").await;
    times(&running, 20, "/fine").await;
    minutes_pass(1).await;
    // One for each pair of windows.
    let lines = told.hears("spends its error budget", 2).await;
    let lines: Vec<String> =
        lines.iter().map(|line| line.json()["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        lines[0],
        "alerting: the route /broken spends its error budget 1000 times too fast: 100% failed in 1h (20 of 20), \
         100% failed in 5m (20 of 20); more than 14.4 times is too fast for an objective of 99.9%"
    );
    assert!(lines[1].contains("in 6h") && lines[1].contains("more than 6 times"), "{}", lines[1]);
    let heard = moody.hears("hardening.burn", 3).await;
    let id = |at: usize| heard[at].fields["webhook-id"].to_str().unwrap().to_owned();
    assert_eq!((id(0), &heard[0].body), (id(1), &heard[1].body), "it is the same message again");
    assert_ne!(id(1), id(2));
    let message = heard[1].json();
    assert_eq!(message["id"].as_str(), Some(&*id(1)));
    let data = &message["data"];
    assert_eq!(
        (&data["route"], &data["state"], &data["window"]),
        (&"/broken".into(), &"firing".into(), &"1h".into())
    );
    assert_eq!(
        (&data["factor"], &data["budget"], &data["long"]["rate"]),
        (&14.4.into(), &0.001.into(), &1.0.into())
    );
    let burning = |window: &str| {
        format!("hardening_slo_burning{{slo=\"alerting\",route=\"/broken\",window=\"{window}\"}}")
    };
    let metrics = scrape(&running).await;
    assert_eq!((value(&metrics, &burning("1h")), value(&metrics, &burning("6h"))), (Some(1.0), Some(1.0)));

    // The short window of the first pair is empty, but there was a message a moment ago.
    minutes_pass(6).await;
    until("it is over", || async { value(&scrape(&running).await, &burning("1h")) == Some(0.0) }).await;
    assert_eq!((told.of("/broken").len(), told.of("no longer").len()), (2, 0));
    minutes_pass(30).await;
    let over = told.hears("no longer", 2).await;
    assert!(
        over.iter().any(|line| line.json()["text"].as_str().unwrap().contains("no requests in 5m")),
        "{over:#?}"
    );
    let over = moody.hears("\"over\"", 2).await;
    assert_eq!(over[0].json()["data"]["suppressed"], 0);
    minutes_pass(60).await;
    assert_eq!((told.of("/broken").len(), moody.of("/broken").len()), (4, 5));
    assert!(told.of("/refusing").is_empty() && told.of("/fine").is_empty());
}

#[tokio::test]
async fn what_a_client_brings_about_itself_spends_no_budget_and_is_no_error() {
    let told = Listener::start(&[]).await;
    let settings = format!(
        "[http]\nrate_limit = 'none'\nrequest_timeout = '400ms'\n[alerts]\nobjective = '99.9%'\nerrors = 1\n\
         slack = ['http://{}/slack']",
        told.addr
    );
    let running = alerting().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"));
    let series =
        |name: &str, route: &str| format!("hardening_slo_{name}_total{{slo=\"alerting\",route=\"{route}\"}}");
    let counted = async |route: &str| {
        let metrics = scrape(&running).await;
        [series("requests", route), series("errors", route)]
            .map(|series| value(&metrics, &series).unwrap_or_default())
    };
    // Deadlines that the client lowered, one of them to nothing.
    for timeout in ["1", "20", "0", "0", "20"] {
        let reply = get_with(running.addr, "/hangs", &[("x-request-timeout-ms", timeout)]).await;
        assert_eq!(reply.status, 504, "{timeout}");
    }
    // A handler that makes another error of a call that ran out of the client's time.
    for timeout in ["1", "20", "100"] {
        let reply = get_with(running.addr, "/maps", &[("x-request-timeout-ms", timeout)]).await;
        assert!([502, 504].contains(&reply.status), "{timeout}: {reply:?}");
    }
    assert_eq!(get_with(running.addr, "/upstream", &[("x-request-timeout-ms", "300")]).await.status, 502);
    // An error long before the deadline is the service's.
    assert_eq!((counted("/maps").await, counted("/upstream").await), ([0.0, 0.0], [1.0, 1.0]));
    // Bodies that trickle until the time is over, or nearly so long.
    let head = "POST /reads HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\na";
    let mut trickles = [Client::connect(running.addr).await, Client::connect(running.addr).await];
    for client in &mut trickles {
        client.send(head).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    trickles[1].send("bcdefghi").await;
    for client in &mut trickles {
        assert_eq!(client.reply().await.status, 504);
    }
    // Of those that asked for nothing none reached its route.
    let all = (counted("/hangs").await, counted("/reads").await, counted("unmatched").await);
    assert_eq!(all, ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0]));
    // What the service does not answer in its own time is its own error, whatever longer time a client offers.
    for fields in [&[][..], &[("x-request-timeout-ms", "60000")]] {
        assert_eq!(get_with(running.addr, "/hangs", fields).await.status, 504);
    }
    let mut client = Client::connect(running.addr).await;
    client.send(format!("{head}bcdefghi")).await;
    assert_eq!(client.reply().await.status, 504);
    assert_eq!((counted("/hangs").await, counted("/reads").await), ([2.0, 2.0], [1.0, 1.0]));
    let lines = told.hears("/hangs", 1).await;
    assert!(String::from_utf8_lossy(&lines[0].body).contains("(504 "), "{lines:?}");
    let all = "http_requests_total{method=\"GET\",route=\"/hangs\",status=\"504\"}";
    assert_eq!(value(&scrape(&running).await, all), Some(5.0), "all that reached the route are requests");
}

#[tokio::test]
async fn a_fault_of_grpc_at_a_deadline_that_its_client_lowered_spends_no_budget() {
    let told = Listener::start(&[]).await;
    let settings =
        format!("[alerts]\nobjective = '99.9%'\nerrors = 1\nslack = ['http://{}/slack']", told.addr);
    let (running, _) = grpc_app::start(&settings).await;
    let raw = Http2::connect(running.addr).await;
    let counted = async |name: &str| {
        let route = "/shop.v1.Prices/Quote";
        let series = format!("hardening_slo_{name}_total{{slo=\"prices\",route=\"{route}\"}}");
        value(&scrape(&running).await, &series).unwrap_or_default()
    };
    let call = async |script: &str, time: &str| {
        let size = script.len() as u8;
        let body = [&[0, 0, 0, 0, size + 2, 0x0a, size], script.as_bytes()].concat();
        let fields = [("content-type", "application/grpc"), ("grpc-timeout", time)];
        raw.ask("POST", "/shop.v1.Prices/Quote", &fields, body)
            .await
            .header("grpc-status")
            .unwrap()
            .to_owned()
    };
    for _ in 0..3 {
        assert_eq!(call("late", "300m").await, "13");
    }
    assert_eq!((counted("requests").await, counted("errors").await), (0.0, 0.0));
    assert_eq!(call("panic", "9S").await, "13");
    assert_eq!((counted("requests").await, counted("errors").await), (1.0, 1.0), "long before the deadline");
}

#[tokio::test]
async fn an_objective_that_leaves_nothing_is_refused() {
    for (objective, wrong) in [
        ("'100%'", "below 100 %"),
        ("'99.99999%'", "at most `99.9999%`"),
        ("'0%'", "above 0 %"),
        ("99.9", "write `99.9%`"),
        ("true", "a share such as"),
    ] {
        let settings = format!("[alerts]\nobjective = {objective}");
        let error = alerting().with_settings(settings).start().await.unwrap_err().to_string();
        assert!(error.contains(":2: [alerts] objective: ") && error.contains(wrong), "{objective}: {error}");
    }
}
