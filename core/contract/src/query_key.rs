//! A key in a query: on Azure, `?code=KEY` is an alternative to `x-functions-key: KEY`. Azure's portal shows URLs of this
//! form.

/// A query with a key, split into its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryKey {
    /// The keys, decoded, without duplicates. More than one is an error.
    pub keys: Vec<String>,
    /// The rest of the query, unchanged.
    pub rest: String,
}

impl QueryKey {
    /// Removes the key from a query; `None` if the query has no `code`.
    pub fn take(query: &str) -> Option<Self> {
        if !form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "code") {
            return None;
        }
        let mut keys = Vec::new();
        let mut rest = Vec::new();
        for part in query.split('&') {
            // Keys do not contain spaces, so a plus sign is literal.
            let plain = part.replace('+', "%2B");
            match form_urlencoded::parse(plain.as_bytes()).next() {
                Some((name, key)) if name == "code" => keys.push(key.into_owned()),
                // Azure's portal may add the key's name.
                Some((name, _)) if name == "clientId" => {}
                _ => rest.push(part),
            }
        }
        keys.retain(|key| !key.is_empty());
        keys.sort_unstable();
        keys.dedup();
        Some(Self {
            keys,
            rest: rest.join("&"),
        })
    }

    /// The query without the values of its keys; `None` if it has none. The name `code` stays, so that a cloud without this
    /// form refuses it as an unknown parameter.
    pub fn conceal(query: &str) -> Option<String> {
        let is_key = |part: &str| {
            let mut parameters = form_urlencoded::parse(part.as_bytes());
            parameters.any(|(name, value)| name == "code" && !value.is_empty())
        };
        if !query.split('&').any(is_key) {
            return None;
        }
        let parts = query.split('&');
        let parts: Vec<_> = parts
            .map(|part| if is_key(part) { "code=" } else { part })
            .collect();
        Some(parts.join("&"))
    }

    /// Whether there is a key in a query; an empty one does not count.
    pub fn is_in(query: &str) -> bool {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, key)| name == "code" && !key.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_taken_off_and_the_rest_stays_as_it_came() {
        for (query, keys, rest) in [
            ("code=k", vec!["k"], ""),
            (
                "code=a%2Bb/c%3D%3D&device_id=d%20e",
                vec!["a+b/c=="],
                "device_id=d%20e",
            ),
            (
                "device_id=d&code=a+b==&limit=2",
                vec!["a+b=="],
                "device_id=d&limit=2",
            ),
            ("c%6Fde=k&code=k", vec!["k"], ""),
            ("code=k&code=l&a", vec!["k", "l"], "a"),
            ("code=k&clientId=default&a=b", vec!["k"], "a=b"),
            ("code=&a=b", vec![], "a=b"),
            ("code", vec![], ""),
        ] {
            let found = QueryKey::take(query).expect(query);
            assert_eq!(
                (found.keys, found.rest.as_str()),
                (keys.iter().map(ToString::to_string).collect(), rest),
                "{query}"
            );
        }
        for query in [
            "",
            "device_id=d",
            "Code=k",
            "encode=k",
            "device_id=code",
            "clientId=default",
        ] {
            assert_eq!(QueryKey::take(query), None, "{query}");
        }
    }

    #[test]
    fn a_key_that_is_concealed_leaves_its_name() {
        for (query, concealed) in [
            ("code=k", Some("code=")),
            ("a=1&c%6Fde=k&b=%20&code=l", Some("a=1&code=&b=%20&code=")),
            ("code=%zz&code", Some("code=&code")),
            ("code=&a=b", None),
            ("encode=k", None),
            ("", None),
        ] {
            let found = QueryKey::conceal(query);
            assert_eq!(found.as_deref(), concealed, "{query}");
        }
    }

    #[test]
    fn an_empty_key_is_no_key() {
        for (query, is_in) in [
            ("code=k", true),
            ("a=b&c%6Fde=k", true),
            ("code=&a=b", false),
            ("code", false),
            ("", false),
        ] {
            assert_eq!(QueryKey::is_in(query), is_in, "{query}");
        }
    }
}
