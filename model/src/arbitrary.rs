//! `arbitrary::Arbitrary` for traces, releases and defects: how a fuzzer's bytes are read as values.
//!
//! Invariant: the bytes of a trace are those of [`codec`](crate::codec), so that a seed made by
//! [`encode`](crate::codec::encode) is read back as the trace that it was made of.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::codec;
use crate::release::{Defect, Release};
use crate::trace::Trace;

/// The fewest bytes that the codec writes: version, header, and the count of scripts of one configuration.
const ENCODED_MIN: usize = 3;

/// Decodes all bytes that are left: the wakes of a trace reach to the end of the input.
impl<'a> Arbitrary<'a> for Trace {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let rest = u.bytes(u.len())?;
        Ok(codec::decode(rest))
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        Ok(codec::decode(u.take_rest()))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (ENCODED_MIN, None)
    }
}

/// Reads one byte, modulo the number of releases.
impl<'a> Arbitrary<'a> for Release {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(Self::ALL).copied()
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, Some(1))
    }
}

/// Reads one byte, modulo the number of defects.
impl<'a> Arbitrary<'a> for Defect {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&Self::ALL).copied()
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, Some(1))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Runs `law` on 200 inputs of `size` bytes, the same ones each time; a failure prints the seed.
    fn holds(size: u64, law: fn(&mut Unstructured<'_>) -> Result<()>) {
        (1..=200).for_each(|seed: u64| arbtest::arbtest(law).seed(seed << 32 | size).run());
    }

    #[test]
    fn a_trace_is_what_the_codec_decodes() {
        holds(400, |u| {
            let bytes = u.peek_bytes(u.len()).expect("all of them").to_vec();
            assert_eq!(Trace::arbitrary_take_rest(Unstructured::new(&bytes))?, codec::decode(&bytes));
            assert_eq!(Trace::arbitrary(u)?, codec::decode(&bytes));
            assert!(u.is_empty(), "the wakes reach to the end");
            Ok(())
        });
    }

    #[test]
    fn an_arbitrary_trace_survives_the_codec() {
        holds(400, |u| {
            let trace: Trace = u.arbitrary()?;
            let bytes = codec::encode(&trace);
            assert_eq!(codec::decode(&bytes), trace);
            assert_eq!(Trace::arbitrary_take_rest(Unstructured::new(&bytes))?, trace);
            assert!(bytes.len() >= Trace::size_hint(0).0);
            Ok(())
        });
    }

    #[test]
    fn no_encoded_trace_is_shorter_than_the_size_hint() {
        let shortest = codec::encode(&codec::decode(&[]));
        assert_eq!(Trace::size_hint(0), (shortest.len(), None));
    }

    #[test]
    fn a_byte_picks_a_release_modulo_their_number() {
        for byte in 0..=u8::MAX {
            let bytes = [byte, 7];
            let mut u = Unstructured::new(&bytes);
            let release = Release::arbitrary(&mut u).expect("a byte is enough");
            assert_eq!(release, Release::ALL[usize::from(byte) % Release::ALL.len()]);
            assert_eq!(u.len(), 1, "the size hint");
        }
    }

    #[test]
    fn every_defect_comes_up() {
        let of = |byte: u8| Defect::arbitrary(&mut Unstructured::new(&[byte])).expect("a byte is enough");
        let all: Vec<Defect> = (0..=u8::MAX).map(of).collect();
        assert!(Defect::ALL.iter().all(|defect| all.contains(defect)));
    }
}
