//! Each check of the models, by its name.

macro_rules! checks {
    ($($module:ident: $($check:ident)+;)+) => {
        $($(
            #[test]
            fn $check() {
                hardening_loom::$module::$check();
            }
        )+)+
    };
}

checks! {
    breaker:
        a_lapsed_probe_opens_once
        a_ramp_begins_with_its_first_call
        slow_calls_in_flight_open_once
        i_01_a_dropped_probe_frees_its_place
        i_04_one_probe_is_given_once
        i_04_probes_come_and_go_within_their_places
        i_05_a_late_result_changes_nothing
        i_06_a_streak_opens_once
        i_06_an_opening_is_one_event
        i_07_a_failed_probe_opens_for_a_whole_period
        i_09_a_count_window_holds_the_last_calls;
    budget:
        what_is_given_back_was_taken_once
        i_28_a_token_is_taken_once
        i_28_nothing_is_taken_that_was_not_paid
        i_28_turning_loses_no_call_of_the_new_slice;
    bulkhead:
        a_limit_that_changes_loses_no_place
        a_lowered_limit_holds
        i_17_places_are_never_exceeded_or_lost
        i_17_places_are_never_exceeded_or_lost_with_two
        i_17_places_before_a_queue_are_never_exceeded_or_lost;
    limiter:
        i_41_a_burst_is_given_out_exactly
        i_41_numbers_change_under_those_who_wait
        i_41_one_key_takes_one_place
        i_41_the_short_way_and_the_calendar_keep_one_bound
        i_41_turns_are_given_up_and_taken_once
        i_41_two_limits_are_charged_for_one_turn
        i_41_what_is_given_back_is_there_again;
    throttle:
        i_14_a_turning_bucket_loses_no_call;
}
