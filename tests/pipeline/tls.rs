//! TLS to a peer: only a peer that the host can trust receives anything.

use std::{net::TcpStream, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use twin_contract::Cloud::Aws;

use crate::{crossing::reading, house::Host, peer::FakePeer};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A peer with a certificate from this authority for this name.
fn peer(authority: &Authority, name: &str) -> FakePeer {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(StreamOwned::new(connection, stream))
    };
    FakePeer::behind(wrap, |arrival| arrival.received())
}

#[tokio::test]
async fn a_peer_is_trusted_by_its_authority_and_its_name() {
    let (trusted, other) = (authority(), authority());
    for (what, issuer, name, status) in [
        ("all is right", &trusted, "127.0.0.1", 200),
        ("another authority", &other, "127.0.0.1", 202),
        ("another name", &trusted, "elsewhere.example", 202),
    ] {
        let peer = peer(issuer, name);
        let host = Host::of(Aws, "connector");
        let file = host.data().join("authority.pem");
        std::fs::write(&file, trusted.pem()).unwrap();
        let host = host
            .set("TWIN_EXTRA_CA_FILE", file.to_str().unwrap())
            .set(
                "REMOTE_INGESTION_URL",
                &format!("https://127.0.0.1:{}/ingest", peer.port()),
            )
            .set("RETRY_MAX", "0")
            .start()
            .await;
        let reply = host.post("/telemetry", &reading(0)).await;
        assert_eq!(reply.status, status, "{what}: {}", host.logs());
        let letters = host.items("/dead-letters").await;
        if status == 200 {
            assert_eq!(peer.arrivals().len(), 1);
        } else {
            assert!(peer.arrivals().is_empty(), "{what}: the key was not shown");
            let cause = letters[0]["attempts"][0]["cause"].as_str().unwrap();
            assert!(cause.starts_with("unreachable: "), "{what}: {cause}");
            assert!(cause.contains("certificate"), "{what}: {cause}");
        }
    }
}
