use super::*;

#[test]
fn field_load_18_counters_are_one_object_in_their_order() {
    let reply = b"version 0.1.0\nuptime_seconds 12\nrequests 18446744073709551615\nload 0.5\n\n";
    let expected = concat!(
        r#"{"version":"0.1.0","uptime_seconds":12,"requests":18446744073709551615,"#,
        r#""load":0.5}"#
    );
    assert_eq!(json(reply), expected);
}

#[test]
fn what_is_no_counter_is_left_out_and_what_is_no_number_is_a_string() {
    assert_eq!(json(b"version readyd \"x\"\nnothing\n"), r#"{"version":"readyd \"x\""}"#);
    assert_eq!(json(b""), "{}");
}
