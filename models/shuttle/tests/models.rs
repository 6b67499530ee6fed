//! Each check of the models, by its name.

macro_rules! checks {
    ($($module:ident: $($check:ident)+;)+) => {
        $($(
            #[test]
            fn $check() {
                hardening_shuttle::$module::$check();
            }
        )+)+
    };
}

checks! {
    drain:
        a_place_that_comes_free_meanwhile_is_not_lost
        a_waiter_that_is_not_polled_holds_up_nobody_for_good
        everything_that_waits_is_told;
    flight:
        i_58_one_load_for_all_who_ask
        i_59_a_doubtful_failure_is_handed_on_to_a_patient_call
        i_59_a_failure_is_told_once
        i_59_a_load_is_handed_over_until_a_patient_call_leads
        i_59_a_load_is_taken_from_a_leader_that_is_not_polled
        i_59_cancelling_some_leaves_the_others_their_result
        i_61_an_invalidation_beats_a_running_load;
    hedge:
        i_31_extra_executions_stay_within_their_budget;
    probes:
        i_04_probes_that_are_cancelled_block_nobody
        i_05_one_failed_probe_opens_once;
}
