//! Which of a caller's credentials counts, where tokens are accepted beside keys.

use async_trait::async_trait;
use twin_capabilities::{
    Verifier,
    credentials::{Caller, Denied, Presented},
};
use twin_contract::Cloud;

use super::{
    HeaderForm,
    oidc::{Oidc, is_token},
};

/// The check of keys, and of tokens in `authorization: Bearer`. On GCP, whose keys have that form too, the bearer decides: what
/// has a JOSE header is a token, anything else a key.
#[derive(Debug)]
pub struct KeysAndTokens<K> {
    own: HeaderForm,
    keys: K,
    oidc: Oidc,
}

/// What is presented.
#[derive(Debug, PartialEq, Eq)]
enum Form<'a> {
    /// A key, or nothing.
    Key,
    Token(&'a str),
    Both,
}

impl<K: Verifier> KeysAndTokens<K> {
    /// Accepts what `keys` accepts in this cloud's form, and tokens.
    pub const fn new(cloud: Cloud, keys: K, oidc: Oidc) -> Self {
        Self {
            own: HeaderForm::of(Some(cloud)),
            keys,
            oidc,
        }
    }
}

#[async_trait]
impl<K: Verifier> Verifier for KeysAndTokens<K> {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        match form(self.own, &presented.headers) {
            Form::Key => self.keys.verify(presented).await,
            Form::Token(token) => self.oidc.verify(token).await,
            Form::Both => Err(Denied::Wrong),
        }
    }
}

fn form(own: HeaderForm, headers: &[(String, String)]) -> Form<'_> {
    let presented = |form: HeaderForm| {
        headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(form.header()))
            .filter_map(move |(_, value)| form.key(value))
    };
    let mut bearers = presented(HeaderForm::Bearer);
    match (bearers.next(), bearers.next()) {
        (None, _) => Form::Key,
        (Some(_), Some(_)) => Form::Both,
        (Some(bearer), None) if own == HeaderForm::Bearer => match is_token(bearer) {
            true => Form::Token(bearer),
            false => Form::Key,
        },
        (Some(bearer), None) => match presented(own).next() {
            None => Form::Token(bearer),
            Some(_) => Form::Both,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with an algorithm, an empty object and a signature.
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";

    #[test]
    fn one_credential_counts_and_two_are_none() {
        let token = format!("Bearer {JWT}");
        let bearer = ("authorization", token.as_str());
        let opaque = ("Authorization", "bearer opaque");
        let basic = ("authorization", "Basic dTpw");
        let (aws, azure) = (("x-api-key", "key"), ("x-functions-key", "key"));
        for (cloud, headers, expected) in [
            (Cloud::Aws, &[][..], Form::Key),
            (Cloud::Aws, &[aws], Form::Key),
            (Cloud::Aws, &[basic], Form::Key),
            (Cloud::Aws, &[aws, basic], Form::Key),
            (Cloud::Aws, &[bearer], Form::Token(JWT)),
            (Cloud::Aws, &[opaque], Form::Token("opaque")),
            (Cloud::Aws, &[aws, bearer], Form::Both),
            (Cloud::Aws, &[aws, opaque], Form::Both),
            (Cloud::Aws, &[("x-api-key", " "), bearer], Form::Token(JWT)),
            // A key in the form of another cloud is none.
            (Cloud::Aws, &[azure, bearer], Form::Token(JWT)),
            (Cloud::Azure, &[azure, bearer], Form::Both),
            (Cloud::Azure, &[bearer], Form::Token(JWT)),
            (Cloud::Gcp, &[bearer], Form::Token(JWT)),
            (Cloud::Gcp, &[aws, bearer], Form::Token(JWT)),
            (Cloud::Gcp, &[opaque], Form::Key),
            (Cloud::Gcp, &[opaque, bearer], Form::Both),
            (Cloud::Gcp, &[aws], Form::Key),
        ] {
            let owned: Vec<_> = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let form = form(HeaderForm::of(Some(cloud)), &owned);
            assert_eq!(form, expected, "{cloud} {headers:?}");
        }
    }
}
