//! What must not compile of health checks and services.

use quote::quote;

use super::mistakes::one;

#[test]
fn health_checks_are_plain_functions_of_what_is_provided() {
    one(
        quote!(
            #[health_check]
            async fn db(pool: Pool) -> R {
                Ok(())
            }
        ),
        "write `&Pool`",
    );
    one(
        quote!(
            #[health_check]
            async fn db(pool: &mut Pool) -> R {
                Ok(())
            }
        ),
        "borrows what the service provides",
    );
    one(
        quote!(
            #[health_check]
            async fn db(&self) -> R {
                Ok(())
            }
        ),
        "a free function",
    );
    one(
        quote!(
            #[health_check]
            async fn db<T>(pool: &T) -> R {
                Ok(())
            }
        ),
        "cannot be generic",
    );
    one(
        quote!(
            #[health_check]
            async fn db() {}
        ),
        "answers a `Result`",
    );
    one(
        quote!(
            #[health_check]
            async fn db() -> (u8, u8) {
                (1, 2)
            }
        ),
        "answers `Result<(), E>`",
    );
    one(
        quote!(
            #[health_check]
            fn db() -> R {
                Ok(())
            }
        ),
        "write `async fn db",
    );
    one(
        quote!(
            #[health_check(every = 0s)]
            async fn db() -> R {
                Ok(())
            }
        ),
        "longer than zero",
    );
    one(
        quote!(
            #[health_check(down_after = 0)]
            async fn db() -> R {
                Ok(())
            }
        ),
        "at least 1",
    );
    one(
        quote!(
            #[health_check(kind = redy)]
            async fn db() -> R {
                Ok(())
            }
        ),
        "did you mean `ready`?",
    );
    one(
        quote!(
            #[health_check(interval = 1s)]
            async fn db() -> R {
                Ok(())
            }
        ),
        "has no key `interval`",
    );
}

#[test]
fn background_tasks_are_plain_functions_of_what_is_provided() {
    one(
        quote!(
            #[background]
            async fn relay(pool: Pool, stop: Stopping) -> R {
                Ok(())
            }
        ),
        "write `&Pool`, or take `stop: Stopping`",
    );
    one(
        quote!(
            #[background(restart = 0s)]
            async fn relay() -> R {
                Ok(())
            }
        ),
        "write a `restart` above 0",
    );
    one(
        quote!(
            #[background(restart = 60s..1s)]
            async fn relay() -> R {
                Ok(())
            }
        ),
        "the range is reversed",
    );
    one(
        quote!(
            #[background(restart = no)]
            async fn relay() {}
        ),
        "answers a `Result`",
    );
    one(
        quote!(
            #[background(restart = true)]
            async fn relay() -> R {
                Ok(())
            }
        ),
        "or `never`",
    );
    one(
        quote!(
            #[background(name = " ")]
            async fn relay() -> R {
                Ok(())
            }
        ),
        "a name says something",
    );
    one(
        quote!(
            #[background]
            async fn relay(&self) -> R {
                Ok(())
            }
        ),
        "a background task is a free function",
    );
}

#[test]
fn a_task_takes_one_stopping_by_value() {
    one(
        quote!(
            #[background]
            async fn relay(stop: &Stopping) -> R {
                Ok(())
            }
        ),
        "nobody provides a `Stopping`: take it by value, `stop: Stopping`",
    );
    one(
        quote!(
            #[background]
            async fn relay(stop: Stopping, pool: &Pool, again: hardening::Stopping) -> R {
                Ok(())
            }
        ),
        "takes one `Stopping`: write `stop.clone()` where another is needed",
    );
}

#[test]
fn services_are_set_up_by_one_function() {
    one(
        quote!(
            #[hardened_service]
            fn main() -> Router {
                r()
            }
        ),
        "write `async fn main`",
    );
    one(
        quote!(
            #[hardened_service]
            async fn main<T>() -> Router {
                r()
            }
        ),
        "cannot be generic",
    );
    one(
        quote!(
            #[hardened_service]
            async fn main(a: &mut Setup, b: u8) -> Router {
                r()
            }
        ),
        "remove this one",
    );
    one(
        quote!(
            #[hardened_service]
            async fn main(&self) -> Router {
                r()
            }
        ),
        "remove `self`",
    );
    one(
        quote!(
            #[hardened_service]
            async fn main() {}
        ),
        "answers its routes",
    );
    one(
        quote!(
            #[hardened_service]
            #[tokio::main]
            async fn main() -> Router {
                r()
            }
        ),
        "remove `#[tokio::main]`",
    );
    one(
        quote!(
            #[hardened_service(name = "")]
            async fn main() -> Router {
                r()
            }
        ),
        "`name` is empty",
    );
    one(
        quote!(
            #[hardened_service(nmae = "x")]
            async fn main() -> Router {
                r()
            }
        ),
        "did you mean `name`?",
    );
    one(
        quote!(
            #[hardened_service(listen = 8080)]
            async fn main() -> Router {
                r()
            }
        ),
        "a string such as",
    );
}
