use super::*;

#[test]
fn field_server_20_one_is_singular_and_all_else_is_plural() {
    for (count, text) in [(0, "0 keys"), (1, "1 key"), (2, "2 keys"), (21, "21 keys")] {
        assert_eq!(counted(count, "key").to_string(), text);
    }
    assert_eq!(counted(1_usize, "process").to_string(), "1 process");
    assert_eq!(counted(3_usize, "process").to_string(), "3 processes");
    assert_eq!(counted(1_u64, "log line").to_string(), "1 log line");
    assert_eq!(counted(u128::MAX, "byte").to_string(), "18446744073709551615 bytes");
}
