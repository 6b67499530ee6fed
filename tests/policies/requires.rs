//! Rights of the caller.

use hardening::context::{Principal, as_principal};
use hardening::{Rejected, deadline, fallback, rate_limited, requires};

#[requires("orders:write")]
#[rate_limited(1/h)]
#[deadline(1s)]
#[fallback(Ok(0))]
async fn cancel(order: u32) -> Result<u32, Rejected> {
    Ok(order)
}

#[requires("orders:read")]
#[fallback(Ok(0), on_rejected = forbidden)]
async fn read(order: u32) -> Result<u32, Rejected> {
    Ok(order)
}

#[tokio::test(start_paused = true)]
async fn only_who_holds_the_right_may_and_others_are_charged_nothing() {
    let (stranger, reader) = (Principal::new("s"), Principal::new("r").with_scope("orders:read"));
    let writer = reader.clone().with_scope("orders:write");
    assert_eq!(cancel(7).await, Err(Rejected::Unauthenticated));
    assert_eq!(
        as_principal(stranger.clone(), cancel(7)).await,
        Err(Rejected::Forbidden { scope: "orders:write" })
    );
    assert_eq!(as_principal(reader, cancel(7)).await, Err(Rejected::Forbidden { scope: "orders:write" }));
    assert_eq!(as_principal(writer.clone(), cancel(7)).await, Ok(7));
    assert!(matches!(as_principal(writer, cancel(7)).await, Err(Rejected::RateLimited { .. })));
    assert_eq!(read(7).await, Err(Rejected::Unauthenticated));
    assert_eq!(as_principal(stranger, read(7)).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_acts_for_nobody() {
    let reader = Principal::new("r").with_scope("orders:read");
    let spawned = as_principal(reader, async { tokio::spawn(read(7)).await.unwrap() }).await;
    assert_eq!(spawned, Err(Rejected::Unauthenticated));
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_right_learns_of_that_before_its_deadline_matters() {
    #[deadline(1ms)]
    async fn outer() -> Result<u32, Rejected> {
        tokio::time::advance(std::time::Duration::from_millis(5)).await;
        cancel(7).await
    }
    assert_eq!(outer().await, Err(Rejected::DeadlineExceeded { call: "requires::outer" }));
}
