//! When an issuer's keys are fetched, and what happens while they cannot be.

use futures_util::future::join_all;

use super::{
    issuer::{PAUSE, PAUSE_WITHOUT_KEYS, REFRESHED, USED},
    *,
};

const MOMENT: Duration = Duration::from_millis(100);

/// A signed token of a key that the issuer may not have.
fn of(issuer: &StandIn, key: &TestKey) -> String {
    key.token(&issuer.claims())
}

/// Waits for what a task in the background does.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn callers_at_once_share_one_fetch() {
    let key = TestKey::ec("a");
    let issuer = StandIn::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), of(&issuer, &key));
    let outcomes = join_all((0..50).map(|_| outcome(&oidc, &token))).await;
    assert!(outcomes.iter().all(|outcome| outcome == "oidc-2"));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_accepted_after_one_fetch() {
    let (old, new) = (TestKey::ec("old"), TestKey::ec("new"));
    let issuer = StandIn::start(&[&old]).await;
    let oidc = issuer.oidc();
    assert_eq!(outcome(&oidc, &of(&issuer, &old)).await, "oidc-2");
    issuer.set_keys(&[&new]);
    pass(PAUSE).await;
    assert_eq!(outcome(&oidc, &of(&issuer, &new)).await, "oidc-2");
    assert_eq!(outcome(&oidc, &of(&issuer, &old)).await, "Wrong");
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn unknown_keys_make_one_fetch_a_minute_and_are_refused() {
    let key = TestKey::ec("a");
    let issuer = StandIn::start(&[&key]).await;
    let oidc = issuer.oidc();
    let unknown: Vec<_> = ["b", "c", "d"].map(TestKey::ec).into();
    for minute in 1..=3 {
        for key in unknown.iter().cycle().take(30) {
            assert_eq!(outcome(&oidc, &of(&issuer, key)).await, "Wrong");
        }
        assert_eq!(issuer.asked(), minute);
        assert_eq!(outcome(&oidc, &of(&issuer, &key)).await, "oidc-2");
        pass(PAUSE).await;
    }
}

#[tokio::test]
async fn while_an_issuer_has_never_answered_its_callers_are_to_try_again() {
    let key = TestKey::ec("a");
    let issuer = StandIn::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), of(&issuer, &key));
    issuer.set_up(false);
    for _ in 0..3 {
        assert_eq!(outcome(&oidc, &token).await, "unavailable");
    }
    assert_eq!(issuer.asked(), 1);
    issuer.set_up(true);
    assert_eq!(outcome(&oidc, &token).await, "unavailable");
    pass(PAUSE_WITHOUT_KEYS).await;
    assert_eq!(outcome(&oidc, &token).await, "oidc-2");
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn known_keys_are_used_for_a_day_while_an_issuer_is_down_and_unknown_ones_are_not_judged() {
    let (key, other) = (TestKey::ec("a"), TestKey::ec("b"));
    let issuer = StandIn::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), of(&issuer, &key));
    assert_eq!(outcome(&oidc, &token).await, "oidc-2");
    issuer.set_up(false);
    pass(PAUSE).await;
    assert_eq!(outcome(&oidc, &of(&issuer, &other)).await, "unavailable");
    // Within the pause it is not asked again, and the answer stays the same.
    assert_eq!(outcome(&oidc, &of(&issuer, &other)).await, "unavailable");
    assert_eq!(issuer.asked(), 2);
    assert_eq!(outcome(&oidc, &token).await, "oidc-2");
    pass(USED - PAUSE - Duration::from_secs(60)).await;
    assert_eq!(outcome(&oidc, &token).await, "oidc-2");
    until(|| issuer.asked() == 3).await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(outcome(&oidc, &token).await, "unavailable");
    issuer.set_up(true);
    pass(PAUSE_WITHOUT_KEYS).await;
    assert_eq!(outcome(&oidc, &token).await, "oidc-2");
}

#[tokio::test]
async fn keys_are_fetched_again_after_an_hour_and_no_caller_waits_for_that() {
    let (old, new) = (TestKey::ec("old"), TestKey::ec("new"));
    let issuer = StandIn::start(&[&old]).await;
    let oidc = issuer.oidc();
    assert_eq!(outcome(&oidc, &of(&issuer, &old)).await, "oidc-2");
    issuer.set_keys(&[&new]);
    pass(REFRESHED - MOMENT * 10).await;
    assert_eq!(outcome(&oidc, &of(&issuer, &old)).await, "oidc-2");
    assert_eq!(issuer.asked(), 1);
    pass(MOMENT * 10).await;
    // This request is answered by the old keys, and brings the new ones.
    assert_eq!(outcome(&oidc, &of(&issuer, &old)).await, "oidc-2");
    while outcome(&oidc, &of(&issuer, &old)).await != "Wrong" {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(outcome(&oidc, &of(&issuer, &new)).await, "oidc-2");
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn documents_that_cannot_be_used_let_nobody_in_and_are_named() {
    let key = TestKey::ec("a");
    let document = |issuer: &StandIn, name: &str, keys: &str| {
        json!({"issuer": name, "jwks_uri": keys, "url": issuer.url}).to_string()
    };
    let usable = |issuer: &StandIn| {
        let keys = issuer.url.clone() + KEYS;
        document(issuer, &issuer.url, &keys)
    };
    for (path, status, body, cause) in [
        (DISCOVERY, 404, "usable", "status 404"),
        (DISCOVERY, 302, "usable", "status 302"),
        (
            DISCOVERY,
            200,
            "other issuer",
            "is of the issuer https://other.example",
        ),
        (DISCOVERY, 200, "plain keys", "not an https URL"),
        (DISCOVERY, 200, "{}", "cannot be read"),
        (KEYS, 500, "{}", "status 500"),
        (KEYS, 200, "<html>", "cannot be read"),
        (KEYS, 200, r#"{"keys":[]}"#, "has no key"),
        (KEYS, 200, "long", "is longer than"),
    ] {
        let issuer = StandIn::start(&[&key]).await;
        let keys = issuer.url.clone() + KEYS;
        let body = match body {
            "usable" => usable(&issuer),
            "other issuer" => document(&issuer, "https://other.example", &keys),
            "plain keys" => document(&issuer, &issuer.url, "http://192.0.2.1/keys"),
            "long" => " ".repeat(512 * 1024 + 1),
            body => body.to_owned(),
        };
        issuer.set(path, status, body);
        let denied = issuer.oidc().verify(&of(&issuer, &key)).await;
        let Err(Denied::Unavailable(text)) = denied else {
            panic!("{cause}: {denied:?}");
        };
        assert!(
            text.contains(&issuer.url) && text.contains(cause),
            "{cause}: {text}"
        );
    }
}
