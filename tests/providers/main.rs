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

mod circuits;
mod dead_letters;
mod error_topic;
mod house;
mod leases;
mod local;
mod local_age;
mod local_damage;
mod local_files;
mod local_restore;
mod local_room;
mod memory;
mod paging;
mod postgres;
mod postgres_damage;
mod postgres_failover;
mod records;
mod samples;
mod statistics;
