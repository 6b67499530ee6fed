use super::*;

#[test]
fn answers_are_counted_by_method_route_and_status() {
    let stats = HttpStats::default();
    let route = stats.route("/price/{sku}");
    route.record(&Method::GET, StatusCode::OK, 1_000_000);
    route.record(&Method::GET, StatusCode::OK, 1_000_000);
    route.record(&Method::from_bytes(b"BREW").unwrap(), StatusCode::NOT_FOUND, 1);
    assert!(Arc::ptr_eq(&route, &stats.route("/price/{sku}")));
    let mut out = String::new();
    stats.render(&mut out);
    for line in [
        "http_requests_total{method=\"GET\",route=\"/price/{sku}\",status=\"200\"} 2",
        "http_requests_total{method=\"other\",route=\"/price/{sku}\",status=\"404\"} 1",
        "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"200\"} 0",
        "http_request_duration_seconds_bucket{method=\"GET\",route=\"/price/{sku}\",le=\"0.001\"} 2",
        "http_requests_in_flight 0",
    ] {
        assert!(out.lines().any(|written| written == line), "{line} not in\n{out}");
    }
}

#[test]
fn neither_routes_nor_statuses_grow_beyond_their_bounds() {
    let stats = HttpStats::new(3, 0);
    stats.answers_calls();
    for route in 0..1000 {
        let route = stats.route(&format!("/{route}"));
        for method in METHODS {
            for status in 100..1000 {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                route.record(&method, StatusCode::from_u16(status).unwrap(), 1);
            }
        }
        for code in 0..=u8::MAX {
            route.record_call(code);
        }
    }
    for method in METHODS {
        for status in 100..1000 {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            stats.unmatched().record(&method, StatusCode::from_u16(status).unwrap(), 1);
        }
    }
    for code in 0..=u8::MAX {
        stats.unmatched().record_call(code);
    }
    let mut out = String::new();
    stats.render(&mut out);
    let series = out.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(series, stats.most_series());
    let told = "http_requests_total{method=\"GET\",route=\"other\",status=\"other\"} ";
    let others = out.lines().find_map(|line| line.strip_prefix(told)).unwrap();
    assert_eq!(others.parse(), Ok(997 * (900 - u64::from(STATUSES))));
}

#[test]
fn calls_are_counted_by_service_method_and_code() {
    let stats = HttpStats::default();
    let route = stats.route("/shop.v1.Prices/Quote");
    route.record_call(0);
    route.record_call(14);
    route.record_call(99);
    let mut out = String::new();
    stats.render(&mut out);
    for line in [
        "grpc_requests_total{service=\"shop.v1.Prices\",method=\"Quote\",code=\"OK\"} 1",
        "grpc_requests_total{service=\"shop.v1.Prices\",method=\"Quote\",code=\"UNAVAILABLE\"} 1",
        "grpc_requests_total{service=\"shop.v1.Prices\",method=\"Quote\",code=\"UNKNOWN\"} 1",
    ] {
        assert!(out.lines().any(|written| written == line), "{line} not in\n{out}");
    }
}

#[test]
fn busy_routes_are_named() {
    let stats = HttpStats::default();
    let route = stats.route("/slow");
    route.began();
    route.began();
    route.waits_for_client(true);
    assert_eq!(stats.busy(), [Busy { route: "/slow".to_owned(), requests: 2, waiting: 1 }]);
    route.waits_for_client(false);
    route.ended();
    assert_eq!(stats.busy(), [Busy { route: "/slow".to_owned(), requests: 1, waiting: 0 }]);
    route.ended();
    assert!(stats.busy().is_empty());
}
