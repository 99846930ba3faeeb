//! A scenario for the tests of the command.

/// A scenario that is right, to be made wrong in one place.
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
