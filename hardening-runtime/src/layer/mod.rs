//! The policies as tower layers, for who holds a `Service` instead of a function; the request's deadline and id on their way
//! out; refusals as gRPC statuses; and routes that finish what they began.

mod finish;
mod grpc;
mod policies;
mod propagate;

#[cfg(feature = "service")]
pub(crate) use finish::finishing;
pub use finish::{Finish, Finishing};
pub use grpc::{Answering, GrpcStatus, WithStatus, grpc_code, grpc_failed};
pub use policies::{BoxError, Layered, Policies, PoliciesLayer, Repeat, RepeatLayer, rejected};
#[cfg(feature = "http-client")]
pub(crate) use propagate::tell;
pub use propagate::{Propagate, Propagating};
