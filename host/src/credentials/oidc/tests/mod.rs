//! Tokens of a stand-in issuer on this machine.

mod issuers;
mod tokens;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;

pub(crate) const AUDIENCE: &str = "twin-factory";
pub(crate) const SUBJECT: &str = "arn:aws:iam::123456789012:role/connector";

/// The time of these tests, in seconds since 1970.
const NOW: u64 = 1_800_000_000;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A key of an issuer.
pub(crate) struct TestKey {
    kid: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl TestKey {
    /// A new one for ES256.
    pub(crate) fn ec(kid: &'static str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let pair = Pair::Ec(pair);
        Self { kid, pair }
    }

    /// The one for RS256.
    fn rsa(kid: &'static str) -> Self {
        let lines = include_str!("rsa-test-key.pem").lines();
        let base64: String = lines
            .skip_while(|line| !line.starts_with("-----BEGIN"))
            .filter(|line| !line.starts_with('-'))
            .collect();
        let der = STANDARD.decode(base64).unwrap();
        let pair = Pair::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap());
        Self { kid, pair }
    }

    const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Ec(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// The public half.
    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (kid, alg) = (self.kid, self.algorithm());
        match &self.pair {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": alg, "x": text(x), "y": text(y)})
            }
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "kid": kid, "alg": alg, "use": "sig", "n": text(&n), "e": text(&e)})
            }
        }
    }

    fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "kid": self.kid, "typ": "JWT"})
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    /// The same with any header.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, |message| {
            let random = SystemRandom::new();
            match &self.pair {
                Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
                Pair::Rsa(pair) => {
                    let mut signature = vec![0; pair.public().modulus_len()];
                    pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                        .unwrap();
                    signature
                }
            }
        })
    }
}

fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// An issuer on 127.0.0.1 that counts what it is asked.
pub(crate) struct StandIn {
    pub(crate) url: String,
    site: Arc<Site>,
    task: JoinHandle<()>,
}

struct Site {
    documents: Mutex<HashMap<&'static str, (u16, String)>>,
    asked: Mutex<Vec<String>>,
    is_up: AtomicBool,
}

impl StandIn {
    pub(crate) async fn start(keys: &[&TestKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Site {
            documents: Mutex::default(),
            asked: Mutex::default(),
            is_up: AtomicBool::new(true),
        });
        let serves = Arc::clone(&site);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&serves)));
            }
        });
        let stand_in = Self { url, site, task };
        let document = json!({"issuer": stand_in.url, "jwks_uri": stand_in.url.clone() + KEYS});
        stand_in.set(DISCOVERY, 200, document.to_string());
        stand_in.set_keys(keys);
        stand_in
    }

    fn set(&self, path: &'static str, status: u16, body: String) {
        let mut documents = self.site.documents.lock().unwrap();
        documents.insert(path, (status, body));
    }

    fn set_keys(&self, keys: &[&TestKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.set(KEYS, 200, json!({ "keys": keys }).to_string());
    }

    /// Whether it answers, or closes all connections.
    fn set_up(&self, is_up: bool) {
        self.site.is_up.store(is_up, Ordering::SeqCst);
    }

    /// How often its discovery document was asked for, answered or not.
    pub(crate) fn asked(&self) -> usize {
        let asked = self.site.asked.lock().unwrap();
        asked.iter().filter(|path| *path == DISCOVERY).count()
    }

    /// This issuer's caller of that subject, as in the variable.
    pub(crate) fn caller(&self, subject: &str) -> String {
        format!("{}|{subject}", self.url)
    }

    /// The claims of a valid token.
    pub(crate) fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": AUDIENCE, "sub": SUBJECT, "iat": NOW, "exp": NOW + 3600})
    }

    /// The check that lists one other caller, and then this issuer's.
    pub(crate) fn oidc(&self) -> Oidc {
        oidc(
            &[&self.caller("somebody-else"), &self.caller(SUBJECT)],
            &PeerSettings::default(),
        )
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, site: Arc<Site>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let document = site.documents.lock().unwrap().get(path.as_str()).cloned();
    site.asked.lock().unwrap().push(path);
    if !site.is_up.load(Ordering::SeqCst) {
        return;
    }
    let (status, body) = document.unwrap_or((404, String::new()));
    let reply = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nlocation: {KEYS}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that stops reading a long document is one of the tests.
    let _ = stream.write_all(reply.as_bytes()).await;
}

fn oidc(callers: &[&str], peers: &PeerSettings) -> Oidc {
    let callers = callers.iter().map(|text| OidcCaller::parse(text).unwrap());
    let settings = OidcSettings {
        audience: Some(AUDIENCE.to_owned()),
        callers: callers.collect(),
    };
    let oidc = Oidc::new(&settings, peers).unwrap().unwrap();
    oidc.with_clock(now)
}

/// What becomes of a token: the caller's name, or why it is not let in.
async fn outcome(oidc: &Oidc, token: &str) -> String {
    match oidc.verify(token).await {
        Ok(caller) => {
            assert_eq!(caller.role, Role::Hop);
            caller.name
        }
        Err(Denied::Unavailable(_)) => "unavailable".to_owned(),
        Err(denied) => format!("{denied:?}"),
    }
}

/// Lets time pass for whatever measures it with the runtime's clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
