//! The list of all behaviours, and the macro that turns them into tests.

/// Creates a test of a provider for every behaviour of the suite, given the provider's
/// [`Fixture`](crate::testing::Fixture).
///
/// `provider_tests!(MyFixture);` creates a module for each group, with one test for each behaviour: `records::…`,
/// `paging::…`,
/// `dead_letters::…`, `leases::…`, `error_topic::…`, `circuits::…` and `statistics::…`.
///
/// `provider_tests!(MyFixture, records);` creates the tests of one group, without a module: for a provider that is not
/// complete yet, or for a layout of your own.
///
/// The tests need only the fixture: they start their own async runtime, tokio with two threads.
#[macro_export]
macro_rules! provider_tests {
    (@ $fixture:ty, $run:ident, $group:ident: $($behaviour:ident,)+) => {$(
        #[test]
        fn $behaviour() {
            $crate::testing::$run::<$fixture>(
                concat!(module_path!(), "::", stringify!($behaviour)),
                $crate::testing::$group::$behaviour,
            );
        }
    )+};
    ($fixture:ty, records) => {
        $crate::provider_tests! { @ $fixture, run, records:
            a_record_comes_back_as_it_was_put,
            a_repetition_is_a_duplicate_since_the_first,
            another_payload_under_an_id_is_a_conflict,
            repetitions_within_one_put_count,
            an_id_belongs_to_twin_collection_and_device,
            two_readings_of_one_instant_are_kept,
            nothing_is_put_and_nothing_found,
            of_many_who_put_one_record_one_stores_it,
        }
    };
    ($fixture:ty, paging) => {
        $crate::provider_tests! { @ $fixture, run, paging:
            the_start_is_included_and_the_end_is_not,
            all_of_time_can_be_asked_for,
            ids_sort_by_their_bytes,
            a_page_ends_at_its_limit,
            a_page_ends_at_one_mebibyte,
            a_record_larger_than_a_page_has_one_of_its_own,
            a_page_begins_behind_its_position,
            pages_lose_and_double_nothing,
        }
    };
    ($fixture:ty, dead_letters) => {
        $crate::provider_tests! { @ $fixture, run, dead_letters:
            a_letter_comes_back_as_it_was_pushed,
            a_letter_that_is_there_is_left_as_it_is,
            letters_are_listed_in_the_order_they_came,
            a_cursor_outlives_its_letter,
            any_place_can_be_read_from,
            a_list_ends_at_one_mebibyte,
            letters_belong_to_a_twin,
        }
    };
    ($fixture:ty, leases) => {
        $crate::provider_tests! { @ $fixture, run, leases:
            the_oldest_free_letters_are_taken,
            one_letter_can_be_taken_by_name,
            a_lease_ends_by_the_stores_clock,
            a_lease_does_not_outlast_its_length_when_the_clock_is_set_back,
            a_receipt_is_good_until_the_letter_is_taken_anew,
            a_settled_letter_is_gone,
            a_released_letter_is_free,
            no_more_than_one_mebibyte_is_taken,
            of_many_who_take_each_letter_has_one_holder,
            what_is_whole_is_not_taken_as_damaged,
            letters_that_come_back_stand_behind_all_others,
            a_round_has_each_letter_once,
            a_letter_that_was_not_tried_has_its_turn_again,
            letters_are_taken_by_peer_and_by_time,
            a_preview_shows_what_would_be_taken_and_takes_nothing,
            a_number_that_the_store_never_gave_spoils_no_queue,
        }
    };
    ($fixture:ty, error_topic) => {
        $crate::provider_tests! { @ $fixture, run_with_outbox, error_topic:
            an_error_waits_as_it_was_published,
            events_come_in_the_order_of_publishing,
            an_event_is_handed_to_one_at_a_time,
            a_lease_does_not_outlast_its_length_when_the_clock_is_set_back,
            a_settled_event_is_gone,
            a_released_event_is_free,
            events_belong_to_a_twin,
            of_many_who_forward_each_event_has_one_holder,
        }
    };
    ($fixture:ty, circuits) => {
        $crate::provider_tests! { @ $fixture, run, circuits:
            a_name_never_stored_reads_as_version_0,
            each_swap_moves_the_version_by_one,
            a_conflict_returns_the_winner,
            values_belong_to_a_name_and_a_twin,
            of_many_who_swap_none_is_lost,
            a_store_that_takes_writes_is_healthy,
        }
    };
    ($fixture:ty, statistics) => {
        $crate::provider_tests! { @ $fixture, run, statistics:
            an_empty_store_has_nothing,
            letters_events_and_circuits_are_counted,
            what_is_another_twins_is_not_counted,
        }
    };
    ($fixture:ty) => {
        #[cfg(test)]
        type SuiteFixture = $fixture;
        #[cfg(test)]
        mod records {
            $crate::provider_tests!(super::SuiteFixture, records);
        }
        #[cfg(test)]
        mod paging {
            $crate::provider_tests!(super::SuiteFixture, paging);
        }
        #[cfg(test)]
        mod dead_letters {
            $crate::provider_tests!(super::SuiteFixture, dead_letters);
        }
        #[cfg(test)]
        mod leases {
            $crate::provider_tests!(super::SuiteFixture, leases);
        }
        #[cfg(test)]
        mod error_topic {
            $crate::provider_tests!(super::SuiteFixture, error_topic);
        }
        #[cfg(test)]
        mod circuits {
            $crate::provider_tests!(super::SuiteFixture, circuits);
        }
        #[cfg(test)]
        mod statistics {
            $crate::provider_tests!(super::SuiteFixture, statistics);
        }
    };
}
