//! TLS to the server, with rustls.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{PostgresError, url::Protection};

/// Makes TLS connections according to the settings.
///
/// # Errors
/// If a file of authorities cannot be used.
pub(crate) fn connector(
    protection: Protection,
    ca_files: &[&Path],
) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| PostgresError::TlsUnusable(error.to_string()))?
        .dangerous();
    let config = match protection {
        Protection::Verified => {
            let mut authorities = Vec::new();
            for file in ca_files {
                authorities.extend(read(file)?);
            }
            let verifier = Verifier::new_with_extra_roots(authorities, provider)
                .map_err(|error| PostgresError::TlsUnusable(error.to_string()))?;
            builder.with_custom_certificate_verifier(Arc::new(verifier))
        }
        Protection::Plain | Protection::Opportunistic => {
            builder.with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, PostgresError> {
    let unusable = |why: String| {
        PostgresError::TlsUnusable(format!(
            "{} is not a readable PEM file of certificate authorities ({why})",
            file.display()
        ))
    };
    let pem = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    if authorities.is_empty() {
        return Err(unusable("no certificate in it".to_owned()));
    }
    Ok(authorities)
}

/// For `sslmode=prefer`, which also accepts connections without TLS: a certificate that cannot be verified is still better.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
