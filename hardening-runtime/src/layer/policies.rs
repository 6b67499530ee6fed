//! Policies around a `Service`, with the same specification, state, settings and metrics as those of a function.

use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::__private::{Break, Continue, Ended};
use crate::Rejected;
use crate::site::{Call, KeepResult, Outcome, Site, Verdict};

/// What a service under policies fails with: its own error, or a [`Rejected`](crate::Rejected).
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Policies for services; a static that `policies!` makes.
#[derive(Debug)]
pub struct Policies {
    site: Site,
}

type Judge<R> = fn(&Result<R, BoxError>) -> bool;

impl Policies {
    /// The policies of this site.
    #[doc(hidden)]
    pub const fn new(site: Site) -> Self {
        Self { site }
    }

    /// The site.
    #[doc(hidden)]
    pub const fn site(&'static self) -> &'static Site {
        &self.site
    }

    /// A layer that runs each request once under them. An `Err` is a failure; see [`PoliciesLayer::failure_if`] for services
    /// that answer a failure with `Ok`.
    ///
    /// # Panics
    /// When they retry: a request that is sent again must be `Clone`, see [`Policies::repeating_layer`].
    #[track_caller]
    pub fn layer<R>(&'static self) -> PoliciesLayer<R> {
        let name = self.site.name();
        assert!(
            self.site.declared().retry.is_none(),
            "`{name}` retries, and `layer` runs a request once: write `repeating_layer`, which needs requests that are `Clone`"
        );
        PoliciesLayer { site: &self.site, failed: |result| result.is_err() }
    }

    /// A layer that repeats requests as the retry says.
    pub fn repeating_layer<R>(&'static self) -> RepeatLayer<R> {
        RepeatLayer { site: &self.site, failed: |result| result.is_err() }
    }
}

macro_rules! layers {
    ($($layer:ident => $service:ident;)+) => {$(
        #[doc = concat!("Makes a [`", stringify!($service), "`] of a service.")]
        pub struct $layer<R> {
            site: &'static Site,
            failed: Judge<R>,
        }

        impl<R> $layer<R> {
            /// The same with another idea of what failed: an answer with a 5xx, say.
            #[must_use]
            pub fn failure_if(self, failed: Judge<R>) -> Self {
                Self { failed, ..self }
            }
        }

        impl<R> Clone for $layer<R> {
            fn clone(&self) -> Self {
                Self { site: self.site, failed: self.failed }
            }
        }

        impl<R> std::fmt::Debug for $layer<R> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($layer)).field("call", &self.site.name()).finish_non_exhaustive()
            }
        }

        impl<S, R> Layer<S> for $layer<R> {
            type Service = $service<S, R>;

            fn layer(&self, inner: S) -> $service<S, R> {
                $service { inner, site: self.site, failed: self.failed }
            }
        }

        #[doc = concat!("A service under policies; made by [`", stringify!($layer), "`].")]
        pub struct $service<S, R> {
            inner: S,
            site: &'static Site,
            failed: Judge<R>,
        }

        impl<S: Clone, R> Clone for $service<S, R> {
            fn clone(&self) -> Self {
                Self { inner: self.inner.clone(), site: self.site, failed: self.failed }
            }
        }

        impl<S, R> std::fmt::Debug for $service<S, R> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($service)).field("call", &self.site.name()).finish_non_exhaustive()
            }
        }
    )+};
}

layers! {
    PoliciesLayer => Layered;
    RepeatLayer => Repeat;
}

type Answer<R> = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;

impl<S, Q> Service<Q> for Layered<S, S::Response>
where
    S: Service<Q> + Clone + Send + 'static,
    Q: Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Answer<S::Response>;

    /// Ready at once: the policies say who waits, and the inner service is made ready for whom they have admitted.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let (site, failed, inner) = (self.site, self.failed, self.inner.clone());
        Box::pin(async move {
            let mut call = site.begin_call();
            if call.must_wait_for_turn() {
                call.wait_for_turn().await;
            }
            let outcome = call.run_attempt(pin!(sent(inner, request))).await;
            let verdict = judged(&outcome, failed);
            let settled = call.settle_only_attempt_as(outcome, verdict);
            finish(&mut call, settled)
        })
    }
}

impl<S, Q> Service<Q> for Repeat<S, S::Response>
where
    S: Service<Q> + Clone + Send + 'static,
    Q: Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Answer<S::Response>;

    /// Ready at once: the policies say who waits, and the inner service is made ready for whom they have admitted.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let (site, failed, inner) = (self.site, self.failed, self.inner.clone());
        Box::pin(async move {
            let mut call = site.begin_call();
            let settled = loop {
                if call.must_wait_for_turn() {
                    call.wait_for_turn().await;
                }
                let outcome = call.run_attempt(pin!(sent(inner.clone(), request.clone()))).await;
                let verdict = judged(&outcome, failed);
                // An answer is repeated too, where it is a failure.
                let again = match call.settle_attempt_as(KeepResult, outcome, verdict) {
                    Break(settled) => break settled,
                    Continue(again) => again,
                };
                if let Break(settled) = again.await {
                    break settled;
                }
            };
            finish(&mut call, settled)
        })
    }
}

/// One attempt, once the policies have admitted it. Clients send when they are called, and many reserve a place when they are
/// made ready: who held such a place and waited for one of the policies', as its repetition waits the other way round, would
/// wait for ever.
async fn sent<S, Q>(mut service: S, request: Q) -> Result<S::Response, BoxError>
where
    S: Service<Q>,
    S::Error: Into<BoxError>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    service.call(request).await.map_err(Into::into)
}

fn judged<R>(outcome: &Outcome<Result<R, BoxError>>, failed: Judge<R>) -> Verdict {
    match outcome {
        Outcome::Returned(result) => {
            let failed = failed(result);
            let nothing_asked = Ended(result).asked_nothing();
            Verdict::of(result).retry_if(failed).failure_if(failed).ignore_if(nothing_asked)
        }
        Outcome::Refused(_) => Verdict::REFUSED,
    }
}

fn finish<R>(call: &mut Call<'_>, settled: Outcome<Result<R, BoxError>>) -> Result<R, BoxError> {
    call.finish_call(settled)
}

/// The refusal behind an error of a service under policies, if it is one.
pub fn rejected(error: &BoxError) -> Option<&Rejected> {
    error.downcast_ref()
}
