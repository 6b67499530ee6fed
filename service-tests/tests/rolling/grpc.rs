//! Clients of gRPC: twenty calls a second on one connection, without waiting for one another; each fifth is a stream.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hardening_service_tests::prices::{PricesClient, text};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};
use tonic::Request;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};

use crate::app::ANSWER;
use crate::load::{PATIENCE, Tally, Target, note, sent};

/// One connection, and where it leads.
#[derive(Clone)]
struct Connection {
    sender: http2::SendRequest<Body>,
    target: Target,
    tally: Arc<Mutex<Tally>>,
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, hyper::Error>;

    /// A connection that has ended meanwhile hands its request back.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        *request.uri_mut() = format!("http://test{path}").parse().expect("an address");
        Box::pin(sent(self.sender.clone(), request, self.target.clone(), Arc::clone(&self.tally)))
    }
}

/// The whole answer, or why there is none.
async fn call(mut client: PricesClient<Connection>, streams: bool) -> Result<bool, String> {
    let whole = async {
        let request = Request::new(text("work"));
        if !streams {
            return client.quote(request).await.map(|answer| answer.into_inner().service);
        }
        let mut stream = client.feed(request).await?.into_inner();
        let mut words = Vec::new();
        while let Some(word) = stream.message().await? {
            words.push(word.service);
        }
        Ok(words.join(" "))
    };
    match timeout(PATIENCE, whole).await {
        Ok(Ok(answer)) if answer == ANSWER => Ok(true),
        Ok(Ok(answer)) => Err(format!("gRPC: answered {answer:?}")),
        Ok(Err(status)) => Err(format!("gRPC: {status:?}")),
        Err(_) => Err("gRPC: no answer in time".to_owned()),
    }
}

pub(crate) async fn caller(target: Target, tally: Arc<Mutex<Tally>>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut open: Option<(http2::SendRequest<Body>, u32)> = None;
    let mut calls = JoinSet::new();
    for at in 0_u64.. {
        tokio::select! { _ = stopped.changed() => break, _ = ticks.tick() => {} }
        let began = Instant::now();
        // A connection that is told to end takes no new call.
        let (sender, left) = match open.take().filter(|(sender, _)| sender.is_ready()) {
            Some(open) => open,
            None => match target.connect("h2").await {
                Ok(stream) => {
                    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
                    let (sender, connection) = shaken.unwrap();
                    tokio::spawn(connection);
                    tally.lock().unwrap().connections += 1;
                    (sender, target.requests_per_connection)
                }
                Err(error) => {
                    note(&tally, began, &Err(format!("no connection: {error:?}")));
                    continue;
                }
            },
        };
        let connection =
            Connection { sender: sender.clone(), target: target.clone(), tally: Arc::clone(&tally) };
        let (client, tally) = (PricesClient::new(connection), Arc::clone(&tally));
        calls.spawn(async move {
            let result = call(client, at % 5 == 0).await;
            note(&tally, began, &result);
            tally.lock().unwrap().calls += usize::from(result.is_ok());
        });
        open = (left > 1).then_some((sender, left - 1));
    }
    calls.join_all().await;
}
