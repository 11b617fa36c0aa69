//! The heads of requests and replies: the host, the request's id, a key in the query, and the headers of every reply.

use super::*;

/// A header of a reply.
fn header<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let head = reply.split("\r\n\r\n").next()?;
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(header, value)| (header == name).then_some(value))
}

#[tokio::test]
async fn no_reply_may_be_stored_or_guessed_at() {
    let server = Server::echo().await;
    for (line, headers, status) in [
        ("GET /read", KEY, 200),
        ("POST /telemetry", KEY, 200),
        ("GET /healthz", "", 200),
        ("GET /metrics", "", 401),
        ("GET /metrics", KEY, 200),
        ("POST /healthz", "", 405),
        ("GET /nowhere", "", 404),
        (
            "POST /telemetry",
            "x-api-key: key\r\ncontent-length: 4\r\n",
            408,
        ),
    ] {
        let reply = server.request(line, headers, "").await;
        assert_status(&reply, status);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(&reply, name), Some(value), "{line}: {reply}");
        }
    }
}

#[tokio::test]
async fn a_request_of_http_1_1_names_its_host_once() {
    let server = Server::echo().await;
    for (version, hosts, status) in [
        ("HTTP/1.1", "", 400),
        ("HTTP/1.1", "host: x\r\nhost: x\r\n", 400),
        ("HTTP/1.1", "host: x\r\n", 200),
        ("HTTP/1.1", "host:\r\n", 200),
        ("HTTP/1.0", "", 200),
        ("HTTP/1.0", "host: x\r\nhost: x\r\n", 400),
    ] {
        for path in ["/read", "/healthz"] {
            let request = format!("GET {path} {version}\r\nconnection: close\r\n{KEY}{hosts}\r\n");
            let reply = server.exchange(request).await;
            let got = reply.split(' ').nth(1);
            assert_eq!(
                got,
                Some(status.to_string().as_str()),
                "{version} {hosts:?}"
            );
            assert_eq!(reply.contains("HOST_INVALID"), status == 400, "{reply}");
        }
    }
}

#[tokio::test]
async fn a_requests_id_is_taken_or_made_and_is_in_the_reply() {
    let server = Server::echo().await;
    let given = format!("{KEY}X-Request-Id: req-1.a:b_c\r\n");
    for line in ["GET /read", "GET /healthz", "GET /nowhere"] {
        let reply = server.request(line, &given, "").await;
        assert_eq!(
            header(&reply, "x-request-id"),
            Some("req-1.a:b_c"),
            "{reply}"
        );
    }
    let reply = server.request("GET /read", &given, "").await;
    assert!(
        body(&reply).contains("x-request-id: req-1.a:b_c\n"),
        "{reply}"
    );
    for bad in [
        "",
        "x-request-id: a b\r\n",
        "x-request-id: a\r\nx-request-id: a\r\n",
    ] {
        let reply = server
            .request("GET /read", &format!("{KEY}{bad}"), "")
            .await;
        let made = header(&reply, "x-request-id").unwrap();
        assert_eq!(made.len(), 36, "{reply}");
        // The function sees the same id, and no other.
        let seen = body(&reply).matches("x-request-id: ").count();
        assert!(seen == 1 && body(&reply).contains(made), "{reply}");
    }
}

#[tokio::test]
async fn a_key_in_the_query_is_azures_and_no_function_sees_it() {
    let of = |cloud| {
        dispatching(DispatchSettings {
            cloud,
            verifier: Arc::new(Credentials::new(cloud, &[Secret::new("a+b/c==")])),
            ..settings().dispatch
        })
    };
    let functions = || Scripted::echo(&[Connector, Reader]);
    let server = Server::start(functions(), of(Cloud::Azure)).await;
    let body_read = "content-length: 3\r\n";
    for (target, query) in [
        ("/telemetry?code=a%2Bb%2Fc%3D%3D", ""),
        ("/api/telemetry?code=a+b/c==&x=%20", "x=%20"),
        ("/telemetry?x=1&code=a+b/c==&clientId=default&y", "x=1&y"),
    ] {
        let reply = server
            .request(&format!("POST {target}"), body_read, "abc")
            .await;
        // The body is read, because the key is valid.
        let expected =
            format!("connector POST /telemetry [{query}] 3 Some(25000)\ncontent-length: 3\n");
        assert!(body(&reply).starts_with(&expected), "{reply}");
        assert!(
            body(&reply).ends_with("\nverdict: key-1 (Any)\n"),
            "{reply}"
        );
        assert!(!body(&reply).contains("a+b"), "{reply}");
    }
    let reply = server.request("GET /metrics?code=a+b/c==", "", "").await;
    assert_status(&reply, 200);
    // The same key in both places counts as one. Different keys count as two, which no function accepts.
    for (header, verdict, read) in [
        ("a+b/c==", "key-1 (Any)", 3),
        ("other", "repeated x-functions-key", 0),
    ] {
        let headers = format!("x-functions-key: {header}\r\n{body_read}");
        let reply = server
            .request("POST /telemetry?code=a+b/c==", &headers, "abc")
            .await;
        let expected = format!("\nverdict: {verdict}\n");
        assert!(body(&reply).ends_with(&expected), "{reply}");
        assert!(body(&reply).contains(&format!("[] {read} ")), "{reply}");
    }
    for cloud in [Cloud::Aws, Cloud::Gcp] {
        let server = Server::start(functions(), of(cloud)).await;
        let reply = server
            .request("POST /telemetry?code=a+b/c==", body_read, "abc")
            .await;
        // It remains an ordinary parameter, which the function refuses by its name; only the value is removed.
        assert!(body(&reply).contains("[code=] 0 "), "{reply}");
        assert!(body(&reply).ends_with("\nverdict: Missing\n"), "{reply}");
    }
}
