//! Which tokens are let in.

use url::Url;

use super::*;
use crate::{
    credentials::{Credentials, KeysAndTokens},
    secrets::{PrivateUrl, Secret},
};
use twin_capabilities::{Verifier, credentials::Presented};
use twin_contract::Cloud;

/// These claims with some replaced; null removes one.
fn with(claims: &Value, changes: Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => (claims.as_object_mut().unwrap()).insert(name.clone(), value.clone()),
        };
    }
    claims
}

#[tokio::test]
async fn a_valid_token_is_let_in_by_either_algorithm() {
    let (rsa, ec) = (TestKey::rsa("rsa"), TestKey::ec("ec"));
    let issuer = StandIn::start(&[&rsa, &ec]).await;
    let oidc = issuer.oidc();
    assert_eq!(issuer.asked(), 0, "nothing is fetched at the start");
    for key in [&rsa, &ec] {
        let token = key.token(&issuer.claims());
        assert_eq!(outcome(&oidc, &token).await, "oidc-2");
        let several = with(&issuer.claims(), json!({"aud": ["other", AUDIENCE]}));
        assert_eq!(outcome(&oidc, &key.token(&several)).await, "oidc-2");
        let other = with(&issuer.claims(), json!({"sub": "somebody-else"}));
        assert_eq!(outcome(&oidc, &key.token(&other)).await, "oidc-1");
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_token_that_claims_something_else_is_refused_and_no_key_is_fetched_for_it() {
    let key = TestKey::ec("ec");
    let issuer = StandIn::start(&[&key]).await;
    let oidc = issuer.oidc();
    for changes in [
        json!({"aud": "another"}),
        json!({"aud": null}),
        json!({"iss": "https://another.example"}),
        json!({"iss": format!("{}/", issuer.url)}),
        json!({"iss": null}),
        json!({"sub": "a-stranger"}),
        json!({"sub": null}),
        json!({"sub": null, "oid": SUBJECT, "email": SUBJECT, "email_verified": true}),
        json!({"exp": NOW}),
        json!({"exp": null}),
        json!({"nbf": NOW + 61}),
        json!({"iat": NOW + 61}),
    ] {
        let token = key.token(&with(&issuer.claims(), changes.clone()));
        assert_eq!(outcome(&oidc, &token).await, "Wrong", "{changes}");
    }
    assert_eq!(issuer.asked(), 0);
    assert_eq!(outcome(&oidc, &key.token(&issuer.claims())).await, "oidc-2");
}

#[tokio::test]
async fn a_token_that_its_issuer_has_not_signed_is_refused() {
    let (rsa, ec) = (TestKey::rsa("rsa"), TestKey::ec("ec"));
    let issuer = StandIn::start(&[&rsa, &ec]).await;
    let (oidc, claims) = (issuer.oidc(), issuer.claims());
    let token = ec.token(&claims);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let longer = with(&claims, json!({"exp": NOW + 9999})).to_string();
    let public = rsa.jwk()["n"].as_str().unwrap().to_owned();
    let hmac = |key: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let header = json!({"alg": "HS256", "kid": "rsa"});
        signed(&header, &claims, |message| {
            hmac::sign(&key, message).as_ref().to_vec()
        })
    };
    for (what, token) in [
        (
            "changed",
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(longer)),
        ),
        ("unsigned", format!("{message}.")),
        (
            "none",
            signed(&json!({"alg": "none"}), &claims, |_| Vec::new()),
        ),
        ("public key as secret", hmac(public.as_bytes())),
        (
            "decoded public key as secret",
            hmac(&URL_SAFE_NO_PAD.decode(&public).unwrap()),
        ),
        ("a stranger's key", TestKey::ec("ec").token(&claims)),
        (
            "another key's id",
            ec.sign(&json!({"alg": "ES256", "kid": "rsa"}), &claims),
        ),
        (
            "another key's algorithm",
            ec.sign(&json!({"alg": "RS256", "kid": "rsa"}), &claims),
        ),
        (
            "unknown key",
            ec.sign(&json!({"alg": "ES256", "kid": "new"}), &claims),
        ),
        ("no key's id", ec.sign(&json!({"alg": "ES256"}), &claims)),
        (
            "extension",
            ec.sign(
                &json!({"alg": "ES256", "kid": "ec", "crit": ["x"], "x": 1}),
                &claims,
            ),
        ),
        ("cut", token.get(..token.len() - 4).unwrap().to_owned()),
        ("padded", format!("{token}=")),
        ("no token", "opaque".to_owned()),
    ] {
        assert_eq!(outcome(&oidc, &token).await, "Wrong", "{what}");
    }
    assert_eq!(outcome(&oidc, &token).await, "oidc-2");
}

#[tokio::test]
async fn googles_email_counts_only_if_it_is_verified() {
    // What leads to Google goes to a proxy that answers nothing.
    let nowhere = StandIn::start(&[]).await;
    let peers = PeerSettings {
        proxy: Some(PrivateUrl::new(Url::parse(&nowhere.url).unwrap())),
        ..PeerSettings::default()
    };
    let oidc = oidc(&["https://accounts.google.com|a@p.example"], &peers);
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "sub": "1", "exp": NOW + 60,
        "email": "a@p.example", "email_verified": true,
    });
    let key = TestKey::ec("ec");
    for (changes, expected) in [
        (json!({"email_verified": false}), "Wrong"),
        (json!({"email_verified": null}), "Wrong"),
        (json!({"email": "b@p.example"}), "Wrong"),
        (json!({"email": null, "sub": "a@p.example"}), "Wrong"),
        (json!({"iss": "accounts.google.com"}), "Wrong"),
        // Google's keys would be needed.
        (json!({}), "unavailable"),
    ] {
        let token = key.token(&with(&claims, changes.clone()));
        assert_eq!(outcome(&oidc, &token).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn keys_and_tokens_are_accepted_side_by_side_on_every_cloud() {
    let signer = TestKey::ec("ec");
    let issuer = StandIn::start(&[&signer]).await;
    let token = format!("Bearer {}", signer.token(&issuer.claims()));
    let forged = format!("Bearer {}", TestKey::ec("ec").token(&issuer.claims()));
    for (cloud, header, key, wrong) in [
        (Cloud::Aws, "x-api-key", "key", "wrong"),
        (Cloud::Azure, "x-functions-key", "key", "wrong"),
        (Cloud::Gcp, "authorization", "Bearer key", "Bearer wrong"),
    ] {
        let keys = Credentials::new(cloud, &[Secret::new("key")]);
        let verifier = KeysAndTokens::new(cloud, keys, issuer.oidc());
        for (headers, expected) in [
            (&[][..], "Missing"),
            (&[(header, key)], "key-1"),
            (&[(header, wrong)], "Wrong"),
            (&[("authorization", &token)], "oidc-2"),
            (&[("authorization", &forged)], "Wrong"),
            (&[(header, key), ("authorization", &token)], "Wrong"),
            (
                &[("authorization", &token), ("authorization", &token)],
                "Wrong",
            ),
        ] {
            let owned = headers.iter();
            let presented = Presented {
                method: "POST".to_owned(),
                path_with_query: "/write".to_owned(),
                headers: owned
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            };
            let verified = verifier.verify(presented).await;
            let outcome =
                verified.map_or_else(|denied| format!("{denied:?}"), |caller| caller.name);
            assert_eq!(outcome, expected, "{cloud} {headers:?}");
        }
    }
}
