//! All providers with the same behaviour suite, and what each of them guarantees beyond it.

#![cfg(test)]

/// Makes each behaviour of these groups a test of each provider. A new provider needs a line here and a fixture.
macro_rules! every_provider {
    ($($group:ident),+ $(,)?) => {$(
        mod $group {
            mod local {
                twin_capabilities::provider_tests!(crate::fixtures::Folder, $group);
            }
            mod memory {
                twin_capabilities::provider_tests!(crate::fixtures::InMemory, $group);
            }
            mod postgres {
                twin_capabilities::provider_tests!(crate::fixtures::Database, $group);
            }
        }
    )+};
}

every_provider!(
    circuits,
    dead_letters,
    error_topic,
    leases,
    paging,
    records,
    statistics,
);

mod fixtures;
mod local;
mod local_age;
mod local_damage;
mod local_files;
mod local_restore;
mod local_room;
mod memory;
mod postgres;
mod postgres_damage;
mod postgres_failover;
mod suite;
