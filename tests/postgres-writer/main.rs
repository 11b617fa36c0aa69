//! A host reduced to its store: stores records in a database until it is killed, and prints which records it tries and
//! which are acknowledged. A failed record is tried again with the same id, as a sender would do.

#![allow(clippy::print_stdout, reason = "the test reads it")]

use std::{env, io::Write as _, time::Duration};

use tokio::time::sleep;
use twin_capabilities::{Stores, records::Entry};
use twin_postgres::{PostgresSettings, PostgresUrl};

/// Records being stored at the same time.
const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(device)) = (arguments.next(), arguments.next()) else {
        return Err("usage: postgres-writer URL DEVICE".into());
    };
    let settings = PostgresSettings::new(PostgresUrl::parse(&url)?);
    let stores = twin_postgres::open(settings, "factory-01").await?.stores();
    let writers =
        (0..AT_ONCE).map(|writer| tokio::spawn(write(stores.clone(), device.clone(), writer)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await?;
    }
    Ok(())
}

async fn write(stores: Stores, device: String, writer: usize) {
    for number in 0_i64.. {
        let id = format!("{device}-{writer}-{number}");
        say("try", &id);
        let entry = Entry {
            device_id: device.clone(),
            time: number,
            digest: id.clone(),
            message_type: "telemetry".to_owned(),
            body: format!("{{\"id\":\"{id}\"}}").into_bytes(),
            id: id.clone(),
        };
        while let Some(Err(failure)) = stores
            .records
            .put("telemetry".to_owned(), vec![entry.clone()])
            .await
            .pop()
        {
            say("failed", &failure.to_string());
            sleep(Duration::from_millis(20)).await;
        }
        say("acknowledged", &id);
    }
}

fn say(what: &str, of: &str) {
    // If this fails, the test is gone, and this process will be killed.
    let _ = writeln!(std::io::stdout().lock(), "{what} {of}");
}
