use super::*;
use crate::report::sample::*;
#[test]
fn show() {
    for (n, r) in [("sample", sample()), ("eventful", eventful()), ("fruitless", fruitless())] {
        std::fs::write(format!("/tmp/rep/{n}.html"), html(&r)).unwrap();
    }
    let mut r = sample();
    r.series.truncate(1);
    r.client.bottleneck = true;
    r.client.verdict =
        "the busiest worker used 99 % of its CPU: the server may have been able to do more".into();
    r.environment.command = vec!["</pre><script>alert(1)</script>".into(), "x".repeat(300)];
    std::fs::write("/tmp/rep/one.html", html(&r)).unwrap();
    let mut r = sample();
    r.series =
        (0..5000).map(|t| Second { t_s: t as f64, ..r.series[(t % 10) + 1].clone() }).collect();
    std::fs::write("/tmp/rep/long.html", html(&r)).unwrap();
}
use crate::report::Second;
