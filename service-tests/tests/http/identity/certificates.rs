//! What the holders of certificates may do.

use hardening::Running;
use rcgen::SanType;
use serde_json::{Value, json};

use super::gate::{count, entry, install, start};
use hardening_service_tests::certificates::{Authority, Pair, connect};
use hardening_service_tests::client::{Client, Reply, request};

const KEY: &str = "a-1c9a3e5b7d9f1a2b3c4d5e6f";
const NAME: &str = "spiffe://shop.example/till";

async fn call(
    running: &Running,
    files: &Authority,
    pair: Option<&Pair>,
    path: &str,
    fields: &[(&str, &str)],
) -> Reply {
    let config = files.config(pair, rustls::ALL_VERSIONS, &["http/1.1"]);
    let mut client = Client::over(connect(running.addr, &config).await.unwrap());
    client.send(request("GET", path, fields, "")).await;
    client.reply().await
}

#[tokio::test]
async fn a_certificate_has_the_scopes_and_the_tenant_of_the_file() {
    let files = Authority::new();
    let roots = files.file("clients.pem", &files.pem());
    let callers =
        format!("{}[client.{NAME:?}]\nscopes = ['orders:read']\ntenant = 'north'\n", entry("key", KEY, ""));
    let settings = format!(
        "{}{}client_ca = {roots:?}\nclient_auth = 'optional'\n",
        install(&files, &callers) + "required = true\n",
        files.install(&files.server()),
    );
    let running = start(&settings).await;
    let till = files.client("till", &[SanType::URI(NAME.try_into().unwrap())]);
    let stranger = files.client("stranger", &[]);
    let me = async |pair: &Pair, fields: &[(&str, &str)]| -> Value {
        call(&running, &files, Some(pair), "/me", fields).await.json()
    };
    assert_eq!(me(&till, &[]).await, json!({"id": NAME, "scopes": ["orders:read"], "tenant": "north"}));
    assert_eq!(me(&stranger, &[]).await, json!({"id": "stranger", "scopes": [], "tenant": null}));
    // What a request shows counts before the certificate of its connection.
    assert_eq!(me(&till, &[("x-api-key", KEY)]).await["id"], "key");
    for (pair, path, status) in [
        (Some(&till), "/orders", 200),
        (Some(&stranger), "/orders", 403),
        (Some(&stranger), "/items/1", 200),
        (None, "/items/1", 401),
    ] {
        assert_eq!(call(&running, &files, pair, path, &[]).await.status, status, "{path}");
    }
    assert_eq!(call(&running, &files, Some(&till), "/me", &[("x-api-key", "wrong")]).await.status, 401);
    assert_eq!(count(&running, "certificate", "accepted").await, 5);
}
