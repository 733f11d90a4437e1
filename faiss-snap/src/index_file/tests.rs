use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// An index of three vectors of two numbers.
fn flat() -> Vec<u8> {
    let mut bytes = head(b"IxF2", 2, 3, 1);
    bytes.extend(6_u64.to_le_bytes());
    (0..6_u8).for_each(|number| bytes.extend(f32::from(number).to_le_bytes()));
    bytes
}

fn head(fourcc: &[u8; 4], d: i32, ntotal: i64, metric: i32) -> Vec<u8> {
    let mut bytes = fourcc.to_vec();
    bytes.extend(d.to_le_bytes());
    bytes.extend(ntotal.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.push(1);
    bytes.extend(metric.to_le_bytes());
    bytes
}

/// The index in a map to other ids.
fn mapped(ids: &[i64]) -> Vec<u8> {
    let mut bytes = head(b"IxM2", 2, 3, 1);
    bytes.extend(flat());
    bytes.extend((ids.len() as u64).to_le_bytes());
    ids.iter().for_each(|id| bytes.extend(id.to_le_bytes()));
    bytes
}

fn inspected(bytes: &[u8]) -> Inspection {
    inspect_reader(Cursor::new(bytes), bytes.len() as u64).expect("memory can be read")
}

fn damage(bytes: &[u8]) -> String {
    match inspected(bytes) {
        Inspection::Damaged(damage) => damage.what,
        other => panic!("damage expected, not {other:?}"),
    }
}

#[test]
fn a_flat_index_and_its_rows() {
    let bytes = flat();
    let inspection = inspected(&bytes);
    let index = inspection.index().expect("a known type");
    assert_eq!((index.kind.as_str(), index.problems.len()), ("Flat", 0));
    assert_eq!(index.header, Header { d: 2, ntotal: 3, metric: Metric::L2, is_trained: true });
    let ids: Vec<_> = index.ids.read(Cursor::new(&bytes)).collect::<Result<_>>().expect("ids");
    assert_eq!(ids, [0, 1, 2]);
    let rows = index.rows.expect("rows");
    assert_eq!(rows.read(&mut Cursor::new(&bytes), 1).expect("a row"), [2.0, 3.0]);
    assert!(rows.read(&mut Cursor::new(&bytes), 3).is_err());
}

#[test]
fn the_ids_of_a_map() {
    let bytes = mapped(&[7, -1, i64::MAX]);
    let inspection = inspected(&bytes);
    let index = inspection.index().expect("a known type");
    assert_eq!((index.kind.as_str(), index.ids.are_stored()), ("IDMap2,Flat", true));
    let mut reader = index.ids.read(Cursor::new(&bytes));
    let ids: Vec<_> = reader.by_ref().collect::<Result<_>>().expect("ids");
    assert_eq!(ids, [7, -1, i64::MAX]);
    assert!(reader.next().is_none(), "the end stays the end");
    assert!(damage(&mapped(&[7])).contains("1 ids"));
}

#[test]
fn what_faiss_would_not_mind_is_a_problem() {
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = mapped(&[1, 2, 3]);
        change(&mut bytes);
        inspected(&bytes).problems().join("; ")
    };
    assert_eq!(with(|_| {}), "");
    assert!(with(|bytes| bytes.push(0)).contains("1 bytes follow"));
    assert!(with(|bytes| bytes[4] = 3).contains("vectors of 3 numbers around vectors of 2"));
    assert!(with(|bytes| bytes[8] = 4).contains("4 vectors around 3"));
    let mut bytes = flat();
    bytes[33] = 0;
    assert!(inspected(&bytes).problems().join("").contains("another metric"));
}

#[test]
fn what_is_claimed_is_held_against_what_is_there() {
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = flat();
        bytes.splice(at..at + with.len(), with.iter().copied());
        damage(&bytes)
    };
    assert!(changed(4, &(-1_i32).to_le_bytes()).contains("vectors of -1 numbers"));
    assert!(changed(4, &i32::MAX.to_le_bytes()).contains("numbers"));
    assert!(changed(8, &i64::MAX.to_le_bytes()).contains("numbers"));
    assert!(changed(8, &(-1_i64).to_le_bytes()).contains("negative"));
    assert!(changed(32, &[2]).contains("yes or no"));
    assert!(changed(33, &[77]).contains("no metric"));
    // Consistent, and 6 GB where there are 24 bytes.
    let mut huge = head(b"IxF2", 2, 800_000_000, 1);
    huge.extend(1_600_000_000_u64.to_le_bytes());
    huge.extend([0; 24]);
    assert!(damage(&huge).contains("24 are left"));
    assert!(damage(&flat()[..flat().len() - 1]).contains("are left"));
    assert_eq!(inspected(&[]), Inspection::Placeholder);
    assert!(damage(b"I").contains("are left"));
}

#[test]
fn unknown_is_not_damaged() {
    let name = |bytes: &[u8]| match inspected(bytes) {
        Inspection::Unknown(unknown) => (unknown.name, unknown.header.map(|header| header.ntotal)),
        other => panic!("unknown expected, not {other:?}"),
    };
    assert_eq!(name(b"IxZZ and so on"), ("IxZZ".to_owned(), None));
    assert_eq!(name(b"IBZZ and so on"), ("IBZZ".to_owned(), None));
    let mut around = head(b"IxMp", 2, 3, 1);
    around.extend(b"IxZZ");
    assert_eq!(name(&around), ("IxZZ".to_owned(), Some(3)));
    assert!(damage(b"{\"dim\": 384}").contains("does not begin"));
    assert!(damage(b"nullnull").contains("no index"));
}

#[test]
fn indexes_inside_each_other_end() {
    let bomb = head(b"IxMp", 2, 3, 1).repeat(100_000);
    assert!(damage(&bomb).contains("inside each other"));
}

/// The types, and the markers inside them.
const FOURCCS: [&[u8; 4]; 31] = [
    b"IxF2", b"IxFI", b"IxFl", b"IxMp", b"IxM2", b"IxSQ", b"IxPq", b"IxPQ", b"IPfs", b"IxHe", b"Ixrq", b"IHNf",
    b"IHNs", b"INSf", b"IxPT", b"IxRF", b"Imiq", b"IwFl", b"IwFd", b"IwSq", b"IwPQ", b"IwPf", b"Iwrq", b"IBxF",
    b"IBwF", b"IBHf", b"IBMp", b"ilar", b"ilbl", b"sprs", b"Viqt",
];

/// Files that go on making sense for longer than random bytes do.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(FOURCCS.to_vec()).prop_map(|fourcc| fourcc.to_vec()),
        (prop::sample::select(FOURCCS.to_vec()), 0..4_i32, 0..4_i64, 0..4_i32)
            .prop_map(|(fourcc, d, ntotal, metric)| head(fourcc, d, ntotal, metric)),
        (0..6_u64).prop_map(|number| number.to_le_bytes().to_vec()),
        any::<u64>().prop_map(|number| number.to_le_bytes().to_vec()),
        (-2..6_i32).prop_map(|number| number.to_le_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..9),
        Just(flat()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Whatever is found can be read to its end without more than there is.
fn read_all(bytes: &[u8]) {
    if let Inspection::Known(index) = inspected(bytes) {
        let ids = index.ids.read(Cursor::new(bytes)).take_while(Result::is_ok).count();
        assert!(!index.ids.are_stored() || ids <= bytes.len() / 8);
        assert!(index.rows.is_none_or(|rows| rows.count() * 4 <= bytes.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_inspected(bytes: Vec<u8>) {
        read_all(&bytes);
    }

    #[test]
    fn any_pieces_are_inspected(bytes in likely()) {
        read_all(&bytes);
    }

    #[test]
    fn a_changed_byte_is_inspected(at in 0..200_usize, mask in 1..=255_u8) {
        let mut bytes = mapped(&[1, 2, 3]);
        let at = at % bytes.len();
        bytes[at] ^= mask;
        read_all(&bytes);
    }

    #[test]
    fn no_part_is_taken_for_the_whole(length in 1..200_usize) {
        let bytes = mapped(&[1, 2, 3]);
        let length = length.min(bytes.len() - 1);
        prop_assert!(matches!(inspected(&bytes[..length]), Inspection::Damaged(_)));
    }
}
