//! A caller with a token of an OpenID Connect issuer instead of a key.

use super::*;
use crate::credentials::{
    KeysAndTokens,
    oidc_tests::{StandIn, TestKey},
};

#[tokio::test]
async fn a_token_opens_the_data_routes_only_and_does_not_reach_the_function() {
    let key = TestKey::ec("a");
    let issuer = StandIn::start(&[&key]).await;
    let keys = Credentials::new(Cloud::Aws, &[Secret::new("key")]);
    let settings = dispatching(DispatchSettings {
        verifier: Arc::new(KeysAndTokens::new(Cloud::Aws, keys, issuer.oidc())),
        ..settings().dispatch
    });
    let server = Server::start(Scripted::echo(&[Writer]), settings).await;
    let bearer = format!("authorization: Bearer {}\r\n", key.token(&issuer.claims()));
    let forged = format!(
        "authorization: Bearer {}\r\n",
        TestKey::ec("a").token(&issuer.claims())
    );
    let reply = server
        .request(
            "POST /write",
            &format!("{bearer}content-length: 2\r\n"),
            "{}",
        )
        .await;
    assert_status(&reply, 200);
    let first = body(&reply).lines().next();
    assert_eq!(first, Some("writer POST /write [] 2 Some(25000)"));
    // Neither header nor value.
    let lower = reply.to_lowercase();
    assert!(
        !lower.contains("authorization") && !lower.contains("bearer"),
        "{reply}"
    );
    assert!(reply.ends_with("verdict: oidc-2 (Hop)\n"), "{reply}");

    let reply = server.request("GET /metrics", &bearer, "").await;
    assert_status(&reply, 403);
    assert!(reply.contains("TWIN_OPERATOR_TOKEN"), "{reply}");
    assert_status(&server.request("GET /metrics", KEY, "").await, 200);

    for (headers, verdict) in [
        (forged.as_str(), "Wrong"),
        (&format!("{KEY}{bearer}"), "Wrong"),
        (&format!("{bearer}{bearer}"), "repeated authorization"),
        (KEY, "key-1 (Any)"),
        ("", "Missing"),
    ] {
        let reply = server.request("POST /write", headers, "").await;
        assert!(reply.ends_with(&format!("verdict: {verdict}\n")), "{reply}");
    }
}

#[tokio::test]
async fn without_tokens_configured_a_bearer_is_no_credential() {
    let key = TestKey::ec("a");
    let issuer = StandIn::start(&[&key]).await;
    let server = Server::start(Scripted::echo(&[Writer]), settings()).await;
    let bearer = format!("authorization: Bearer {}\r\n", key.token(&issuer.claims()));
    for (headers, verdict) in [
        (bearer.as_str(), "Missing"),
        (&format!("{KEY}{bearer}"), "key-1 (Any)"),
    ] {
        let reply = server.request("POST /write", headers, "").await;
        assert!(reply.ends_with(&format!("verdict: {verdict}\n")), "{reply}");
    }
    assert_eq!(issuer.asked(), 0);
}
