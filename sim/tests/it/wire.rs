//! Tests the messages between `treefall` and the library inside a real program.

use treefall_model::violation::Detail;
use treefall_model::violation::samples::samples;
use treefall_world::wire::Wire;

#[test]
fn every_detail_survives_the_wire() {
    for (detail, words) in samples() {
        let bytes = detail.to_bytes();
        assert_eq!(Detail::from_bytes(&bytes).as_ref(), Some(&detail), "{words}");
        for end in 0..bytes.len() {
            assert_eq!(Detail::from_bytes(&bytes[..end]), None, "{words}");
        }
    }
}
