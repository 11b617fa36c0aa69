//! Signatures beside those that botocore 1.43, AWS's own library for Python, makes of the same requests.

use std::time::Duration;

use super::*;

/// 2026-01-02T03:04:05Z.
const NOW: Duration = Duration::from_secs(1_767_323_045);

fn signed(
    host: &str,
    session: Option<&str>,
    request: Departing<'_>,
) -> Vec<(&'static str, String)> {
    let scope = SigningScope::of_host(host).unwrap();
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let session = session.map(str::to_owned);
    let credentials = Credentials::new("AKIDEXAMPLE", secret, session, None, "test");
    let signed = signature(&scope, &credentials, request, SystemTime::UNIX_EPOCH + NOW);
    let mut headers: Vec<_> = signed
        .unwrap()
        .into_iter()
        .map(|(name, value)| (name, value.expose().to_owned()))
        .collect();
    headers.sort_unstable();
    headers
}

#[test]
fn a_request_to_a_function_url_is_signed_as_botocore_signs_it() {
    let request = Departing {
        method: "POST",
        url: "https://abc.lambda-url.eu-central-1.on.aws/write",
        body: br#"{"a":1}"#,
    };
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/lambda/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature=4614ee2b2198b5e68c5a1b6efe5c5894f2a4b7e5b5e0f36c676ea8e8b170b657";
    let digest = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    assert_eq!(
        signed("abc.lambda-url.eu-central-1.on.aws", None, request),
        [
            ("authorization", authorization.to_owned()),
            ("x-amz-content-sha256", digest.to_owned()),
            ("x-amz-date", "20260102T030405Z".to_owned()),
        ]
    );
}

#[test]
fn query_and_session_are_signed_as_botocore_signs_them() {
    let host = "abc.execute-api.us-east-1.amazonaws.com";
    let request = Departing {
        method: "GET",
        url: "https://abc.execute-api.us-east-1.amazonaws.com/prod/read?limit=5&device_id=a%2Fb%20c",
        body: b"",
    };
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/execute-api/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, \
         Signature=4187f9d648bb84d7bf72b267c5ba434302112a4785fb9795d98547d340191b4d";
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        signed(host, Some("session/token+="), request),
        [
            ("authorization", authorization.to_owned()),
            ("x-amz-content-sha256", digest.to_owned()),
            ("x-amz-date", "20260102T030405Z".to_owned()),
            ("x-amz-security-token", "session/token+=".to_owned()),
        ]
    );
}

#[test]
fn a_host_name_shows_service_and_region() {
    for (host, expected) in [
        (
            "abc.lambda-url.eu-central-1.on.aws",
            Some(("lambda", "eu-central-1")),
        ),
        (
            "abc-vpce1.execute-api.us-gov-west-1.amazonaws.com",
            Some(("execute-api", "us-gov-west-1")),
        ),
        ("abc.execute-api.us-east-1.amazonaws.com.cn", None),
        ("lambda.us-east-1.amazonaws.com", None),
        ("abc.lambda-url.eu-central-1.on.aws.example.com", None),
        ("a.abc.lambda-url.eu-central-1.on.aws", None),
        (".lambda-url.eu-central-1.on.aws", None),
        ("abc.lambda-url..on.aws", None),
        ("writer.example.com", None),
        ("127.0.0.1", None),
        ("", None),
    ] {
        let scope = SigningScope::of_host(host);
        let scope = scope
            .as_ref()
            .map(|scope| (scope.service, scope.region.as_str()));
        assert_eq!(scope, expected, "{host}");
    }
}
