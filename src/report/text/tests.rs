use super::*;
use crate::report::sample::*;
#[test]
fn show() {
    for (r, c, s) in
        [(sample(), false, false), (eventful(), true, true), (fruitless(), false, false)]
    {
        println!("{}=====", text(&r, TextOptions { width: 80, color: c, spectrum: s }));
    }
    std::fs::write("/tmp/rep/sample.json", sample().to_json()).unwrap();
    std::fs::write("/tmp/rep/eventful.json", eventful().to_json()).unwrap();
    std::fs::write("/tmp/rep/fruitless.json", fruitless().to_json()).unwrap();
}
