//! A scenario for tests of the command.

/// A valid scenario; tests insert one error.
pub(crate) const GOOD: &str = r#"format = 1
title = "x"

[[script]]
name = "chk"
interval = "3s"
timeout = "2s"

[[wake]]
after = "next-timer"
signals = ["HUP"]

[expect]
"2.3.1" = "no-dangling-node"
"#;
