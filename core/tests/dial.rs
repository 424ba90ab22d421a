//! What a host and port of the settings lead to. What is forbidden, and how it may be written, is in `egress.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::time::Duration;

use bonafide_core::egress::Policy;
use bonafide_core::field::Field;
use bonafide_core::host::{Environment, ProviderConfig};
use bonafide_core::{Cause, Context, Descriptor, ProviderType};
use tokio::net::TcpListener;
use uuid::Uuid;

static DESCRIPTOR: Descriptor =
    Descriptor::new("1", "example", ProviderType::Email, "Example").with_user_supplied_host();

fn context(policy: Policy) -> Context {
    let mut config = ProviderConfig::of(&DESCRIPTOR).unwrap();
    config.timeout = Duration::from_secs(5);
    let environment = Environment::builder()
        .with_policy(policy)
        .with_provider(&DESCRIPTOR, config)
        .build()
        .unwrap();
    environment.context(&DESCRIPTOR, Uuid::nil())
}

async fn dial(policy: Policy, host: &str, port: u16) -> Result<SocketAddr, (Cause, String)> {
    let (host, port) = (Field::new("host", host), Field::new("port", port));
    let dialled = context(policy).dial(host, port).await;
    dialled.map(|stream| stream.peer_addr().unwrap()).map_err(|failure| {
        let pointer = failure.problems()[0].pointer().unwrap_or_default().to_owned();
        (failure.cause(), pointer)
    })
}

#[tokio::test]
async fn what_the_resolver_of_the_system_finds_is_judged() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["localhost", "LocalHost", "localhost."] {
        let refused = dial(Policy::new(Vec::new(), vec![port]), host, port).await.unwrap_err();
        let forbidden = (Cause::DestinationForbidden, "/settings/host".to_owned());
        // A system may not know this name.
        let unknown = (Cause::ConnectionFailed, "/settings/host".to_owned());
        assert!(refused == forbidden || refused == unknown, "{host}: {refused:?}");
    }
    // On loopback a connection waits to be accepted before its `connect` returns.
    assert!(listener.accept().is_err(), "somebody connected");
}

#[tokio::test]
async fn an_allowed_network_is_dialled_and_the_rest_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let allow = || Policy::new(vec!["127.0.0.1/32".parse().unwrap()], Vec::new());
    assert_eq!(dial(allow(), "127.0.0.1", address.port()).await, Ok(address));
    assert_eq!(
        dial(allow(), "[::ffff:127.0.0.1]", address.port()).await.unwrap().port(),
        address.port()
    );
    let (cause, pointer) = dial(allow(), "127.0.0.2", address.port()).await.unwrap_err();
    assert_eq!((cause, pointer.as_str()), (Cause::DestinationForbidden, "/settings/host"));
}

#[tokio::test]
async fn a_port_that_is_not_for_mail_is_forbidden_on_the_public_internet() {
    let (cause, pointer) = dial(Policy::default(), "8.8.8.8", 22).await.unwrap_err();
    assert_eq!((cause, pointer.as_str()), (Cause::DestinationForbidden, "/settings/port"));
}

#[tokio::test]
async fn a_closed_port_and_a_name_that_does_not_exist_are_faults_of_the_settings() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let allow = Policy::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new());
    let (cause, pointer) = dial(allow.clone(), "127.0.0.1", address.port()).await.unwrap_err();
    assert_eq!((cause, pointer.as_str()), (Cause::ConnectionFailed, "/settings/port"));
    let (cause, pointer) = dial(allow, "no-such-host.invalid", 587).await.unwrap_err();
    assert_eq!((cause, pointer.as_str()), (Cause::ConnectionFailed, "/settings/host"));
}
