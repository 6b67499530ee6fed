//! The service as clients see it: real sockets on free ports, and clients that misbehave.

mod app;
mod receiver;
mod shapes;
mod support;

mod alerts;
mod answers;
mod bodies;
mod clients;
mod deadlines;
mod floods;
mod grpc;
mod hosts;
mod limits;
mod metrics;
mod onwards;
mod outgoing;
mod payments;
mod probes;
mod problems;
mod protocols;
mod refusals;
mod requests;
mod slow_clients;
mod slow_readers;
mod tls;
mod tls_clients;
mod tls_exchange;
mod traces;
