//! The certificates of the authorities that Mozilla trusts, as a file for an image without a system of its own. `Cargo.lock` fixes
//! them, so that the same build makes the same image.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// All certificates in PEM, as `ca-certificates.crt` has them.
pub(crate) fn pem() -> String {
    let mut text = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = STANDARD.encode(certificate.as_ref());
        // RFC 7468: lines of 64 characters.
        while !rest.is_empty() {
            let next = rest.split_off(rest.len().min(64));
            text.push_str(&rest);
            text.push('\n');
            rest = next;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_is_there_and_can_be_read_back() {
        let pem = pem();
        let mut blocks = pem.split("-----BEGIN CERTIFICATE-----\n").skip(1);
        for certificate in TLS_SERVER_ROOT_CERTS {
            let (body, _) = blocks.next().unwrap().split_once("-----END").unwrap();
            assert!(body.lines().all(|line| line.len() <= 64));
            let bytes = STANDARD.decode(body.replace('\n', "")).unwrap();
            assert_eq!(bytes, certificate.as_ref());
        }
        assert!(blocks.next().is_none());
    }
}
