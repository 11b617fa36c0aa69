//! The providers, all held to one behaviour; and what each promises alone.

#![cfg(test)]

/// Makes each behaviour a test of each provider. A new provider is a line here and a case of `House`.
macro_rules! every_provider {
    (@ $provider:ident: $($behaviour:ident),+) => {
        mod $provider {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    // A provider whose service is not installed here is skipped, and says so.
                    if let Some(house) = $crate::house::House::$provider() {
                        super::$behaviour(house).await;
                    }
                }
            )+
        }
    };
    ($($behaviour:ident),+ $(,)?) => {
        every_provider!(@ local: $($behaviour),+);
        every_provider!(@ memory: $($behaviour),+);
        every_provider!(@ postgres: $($behaviour),+);
    };
}

#[path = "../../core/capabilities/src/testing/circuits.rs"]
mod circuits;
#[path = "../../core/capabilities/src/testing/dead_letters.rs"]
mod dead_letters;
#[path = "../../core/capabilities/src/testing/error_topic.rs"]
mod error_topic;
mod house;
#[path = "../../core/capabilities/src/testing/leases.rs"]
mod leases;
mod local;
mod local_age;
mod local_damage;
mod local_files;
mod local_restore;
mod local_room;
mod memory;
#[path = "../../core/capabilities/src/testing/paging.rs"]
mod paging;
mod postgres;
mod postgres_damage;
mod postgres_failover;
#[path = "../../core/capabilities/src/testing/records.rs"]
mod records;
#[path = "../../core/capabilities/src/testing/samples.rs"]
mod samples;
#[path = "../../core/capabilities/src/testing/statistics.rs"]
mod statistics;
