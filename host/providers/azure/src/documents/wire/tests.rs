use super::*;

fn document(fields: Fields) -> Document {
    Document {
        address: Address {
            table: Table::DeadLetters,
            partition: "factory-01/dead-letters".to_owned(),
            key: "ab".repeat(32),
        },
        order: "8000a".to_owned(),
        queue: Some("0007a".to_owned()),
        expires_at: Some(1_767_225_600_000_001),
        fields,
    }
}

/// What the service gives back: everything, and an entity tag.
fn returned(document: &Document) -> Read {
    let mut json: Json = serde_json::from_slice(&encode(document, 0)).unwrap();
    json["_etag"] = "\"1\"".into();
    json["_ts"] = 1.into();
    serde_json::from_value(json).unwrap()
}

#[test]
fn every_value_comes_back() {
    let numbers = [
        i64::MIN,
        i64::MIN + 1,
        -EXACT - 1,
        -EXACT,
        -1,
        0,
        EXACT,
        EXACT + 1,
        i64::MAX,
    ];
    let mut fields = Fields::default()
        .text("plain", "ä\0\"\u{1F321}")
        .text("like_a_marker", r#"{"$integer":"1"}"#)
        .with("bytes", Value::Bytes(vec![0, 255, 128]));
    for (place, number) in numbers.into_iter().enumerate() {
        fields = fields.number(&format!("number_{place}"), number);
    }
    for expires_at in [None, Some(i64::MAX), Some(-1)] {
        let document = Document {
            expires_at,
            ..document(fields.clone())
        };
        let stored = returned(&document).decode(Table::DeadLetters).unwrap();
        assert_eq!(stored.document, document);
        assert_eq!(stored.tag, Tag("\"1\"".to_owned()));
    }
}

#[test]
fn a_number_beyond_a_double_is_a_text_with_a_marker() {
    let of = |number| {
        let document = document(Fields::default().number("n", number));
        let json: Json = serde_json::from_slice(&encode(&document, 0)).unwrap();
        json["fields"]["n"].clone()
    };
    assert_eq!(of(EXACT), serde_json::json!(9_007_199_254_740_992_i64));
    assert_eq!(
        of(EXACT + 1),
        serde_json::json!({ "$integer": "9007199254740993" })
    );
    assert_eq!(
        of(i64::MIN),
        serde_json::json!({ "$integer": "-9223372036854775808" })
    );
}

#[test]
fn a_double_is_read_only_where_it_is_an_integer() {
    let read = |text| value(serde_json::from_str(text).unwrap());
    assert_eq!(
        read("1.7672256E15"),
        Some(Value::Number(1_767_225_600_000_000))
    );
    assert_eq!(read("-2.0"), Some(Value::Number(-2)));
    for other in [
        "1.5",
        "1e300",
        "null",
        "true",
        "[]",
        "{}",
        r#"{"$bytes":1}"#,
    ] {
        assert_eq!(read(other), None, "{other}");
    }
    assert_eq!(read(r#"{"$integer":"1","$bytes":""}"#), None);
    assert_eq!(read(r#"{"$bytes":"?"}"#), None);
    assert_eq!(read(r#"{"$other":"1"}"#), None);
}

#[test]
fn the_time_to_live_is_rounded_up_and_within_the_services_range() {
    const SECOND: i64 = 1_000_000;
    assert_eq!(time_to_live(10 * SECOND, 0), 10);
    assert_eq!(time_to_live(10 * SECOND + 1, 0), 11);
    assert_eq!(time_to_live(0, 0), 1);
    assert_eq!(time_to_live(0, SECOND * 100), 1);
    assert_eq!(time_to_live(i64::MAX, 0), i64::from(i32::MAX));
    assert_eq!(time_to_live(i64::MIN, i64::MAX), 1);
    let json: Json =
        serde_json::from_slice(&encode(&document(Fields::default()), 1_767_225_590_000_001))
            .unwrap();
    assert_eq!(json["ttl"], 10);
}

#[test]
fn sizes_are_those_of_the_json() {
    let sized = |byte, size| document(Fields::default().with("body", Value::of(vec![byte; size])));
    // The largest message of the contract, in the longest form.
    assert!(!is_too_large(&sized(0, 256 * 1024)));
    assert!(!is_too_large(&sized(b'x', 2_000_000)));
    assert!(is_too_large(&sized(b'x', LARGEST)));
    assert!(is_too_large(&sized(0, 400_000)));
    assert!(is_too_large(&sized(255, 1_600_000)));
    assert!(!is_too_large(&sized(255, 1_500_000)));
}

#[test]
fn the_header_of_a_partition_is_ascii() {
    let header = partition_header("a/\"\\é\u{1F321}\n#0");
    assert_eq!(header, r#"["a/\"\\\u00e9\ud83c\udf21\u000a#0"]"#);
    let read: [String; 1] = serde_json::from_str(&header).unwrap();
    assert_eq!(read[0], "a/\"\\é\u{1F321}\n#0");
}

#[test]
fn a_range_is_a_query_with_parameters() {
    let range = Range {
        table: Table::DeadLetters,
        partition: "p".to_owned(),
        index: Index::Queue,
        from: "a' OR 1=1".to_owned(),
        to: "g".to_owned(),
        descending: true,
    };
    let json: Json = serde_json::from_slice(&query(&range)).unwrap();
    assert_eq!(
        json["query"],
        r#"SELECT * FROM c WHERE c['queue'] >= @from AND c['queue'] < @to ORDER BY c['queue'] DESC"#
    );
    assert_eq!(json["parameters"][0]["value"], "a' OR 1=1");
    let json: Json = serde_json::from_slice(&count(&range)).unwrap();
    assert_eq!(
        json["query"],
        r#"SELECT VALUE 1 FROM c WHERE c['queue'] >= @from AND c['queue'] < @to"#
    );
}
