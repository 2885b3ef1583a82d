//! The servers that the environment names.

use url::Url;

/// The URL in `variable`; without it the test cannot run, and says what to do.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings; these variables are their interface"
)]
#[expect(clippy::panic, reason = "a test that cannot run must fail, not pass")]
pub(crate) fn server(variable: &str) -> Url {
    let Ok(text) = std::env::var(variable) else {
        panic!(
            "this test needs a real server in {variable}: run `cargo xtask test`, or \
             `eval \"$(cargo xtask servers start)\"` before `cargo test`"
        );
    };
    match text.parse() {
        Ok(url) => url,
        Err(error) => panic!("{variable} is not a URL: {error}"),
    }
}
