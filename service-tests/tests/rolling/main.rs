//! Nobody is lost: instances that are replaced under load, and certificates that are.

mod app;
mod balancer;
mod grpc;
mod load;
mod process;

mod certificates;
mod restarts;
