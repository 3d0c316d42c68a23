//! How much memory reading a file takes at most, whatever is in it: a small multiple of its size. The one test of this program, because
//! it counts what the whole process allocates.

#![allow(unsafe_code, reason = "counting allocations takes an allocator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use settings::catalogue;
use settings::file::{self, Entry};
use settings::{plain, xml};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator; only sizes are added up beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), SeqCst) + layout.size();
        PEAK.fetch_max(now, SeqCst);
        // SAFETY: the caller's own layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), SeqCst);
        // SAFETY: it came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What 215 families, 200 findings and the list of what was seen need beside the file, in bytes.
const BESIDE: usize = 600 << 10;

fn filled(start: &str, piece: &str, end: &str, size: usize) -> Vec<u8> {
    let mut text = start.to_owned();
    while text.len() + piece.len() + end.len() <= size {
        text.push_str(piece);
    }
    text.push_str(end);
    text.into_bytes()
}

#[test]
fn reading_takes_a_small_multiple_of_the_files_size() {
    let all = || catalogue::parameters().filter(|one| one.row.set_by.file).map(|one| Entry::new(one, one.default()));
    let magic = format!("{}\r\n", file::MAGIC);
    let inside = |piece: &str| filled("<PANASipPhoneConfig>", piece, "</PANASipPhoneConfig>", xml::MAX_BYTES);
    let of_plain = |piece: &str| filled(&magic, piece, "", plain::MAX_BYTES);
    let files = [
        ("every parameter", plain::write(all()).into_bytes()),
        ("every parameter in XML", xml::write(all()).into_bytes()),
        ("empty lines", of_plain("\n")),
        ("unknown names", of_plain("SIP_PSAS_1=\"x\"\n")),
        ("open quotes", of_plain("A=\"\n#\n")),
        ("the same line", of_plain("INTDIGIT_TIM=\"7\"\n")),
        ("no UTF-8", [magic.as_bytes(), &vec![0xff; plain::MAX_BYTES - magic.len()]].concat()),
        ("one tag", filled("<PANASipPhoneConfig", " A=\"\"", "/>", xml::MAX_BYTES)),
        ("open tags", filled("<PANASipPhoneConfig>", "<a>", "", xml::MAX_BYTES)),
        ("small elements", inside("<a/>")),
        ("entities", inside("<A DISPLAY_NAME_1=\"&amp;&amp;&amp;&amp;\"/>")),
        ("one long value", filled("<PANASipPhoneConfig DISPLAY_NAME_1=\"", "&lt;", "\"/>", xml::MAX_BYTES)),
        ("text", inside("x&amp;")),
        (
            "XML that is no UTF-8",
            [&b"<PANASipPhoneConfig>"[..], &vec![0xff; xml::MAX_BYTES - 100], b"</PANASipPhoneConfig>"].concat(),
        ),
    ];
    for (what, bytes) in &files {
        let before = NOW.load(SeqCst);
        PEAK.store(before, SeqCst);
        let outcome = file::parse(bytes, "file");
        let taken = PEAK.load(SeqCst) - before;
        assert!(taken <= 4 * bytes.len() + BESIDE, "{what}: {taken} bytes for {}", bytes.len());
        drop(outcome);
    }
}
