//! A future that is polled when it was woken, and not whenever its neighbours were.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

pin_project! {
    /// What waits for something rare beside something that is woken for each request: to ask it whenever the task runs would
    /// take its locks each time.
    pub(crate) struct Rarely<F> {
        #[pin]
        future: F,
        woken: Arc<Woken>,
        // Wakes `woken`, and with it the task that this one wakes.
        waker: Waker,
        task: Option<Waker>,
    }
}

/// Whether it was woken, and whom that wakes.
#[derive(Debug)]
struct Woken {
    woken: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Woken {
    fn task(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let task = self.task().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<F> Rarely<F> {
    pub(crate) fn new(future: F) -> Self {
        // The first poll is due at once.
        let woken = Arc::new(Woken { woken: AtomicBool::new(true), task: Mutex::new(None) });
        Self { future, waker: Waker::from(Arc::clone(&woken)), woken, task: None }
    }
}

impl<F: Future> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *this.task = Some(cx.waker().clone());
            *this.woken.task() = Some(cx.waker().clone());
        }
        // The task is known before the look: who wakes in between wakes it.
        if !this.woken.woken.load(Ordering::Acquire) || !this.woken.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future.poll(&mut Context::from_waker(this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_was_woken_and_not_otherwise() {
        let (notify, polls) = (Notify::new(), AtomicU32::new(0));
        let mut waits = pin!(notify.notified());
        let mut rarely = pin!(Rarely::new(poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            waits.as_mut().poll(cx)
        })));
        for _ in 0..5 {
            assert!(once(rarely.as_mut()).await.is_pending());
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        notify.notify_one();
        rarely.await;
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_wakes_the_task_that_holds_it_now() {
        let notify = Arc::new(Notify::new());
        let waits = Arc::clone(&notify);
        let mut rarely = Box::pin(Rarely::new(async move { waits.notified().await }));
        assert!(once(rarely.as_mut()).await.is_pending());
        // It moves to another task, which has a waker of its own.
        let other = tokio::spawn(rarely);
        tokio::task::yield_now().await;
        notify.notify_one();
        other.await.expect("no panic");
    }

    /// One poll.
    async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
    }
}
