//! An allocator that counts, of this bench alone.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one passes everything on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);
static OCTETS: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(octets: usize) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    OCTETS.fetch_add(octets as u64, Ordering::Relaxed);
}

// SAFETY: the system's allocator does the work, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Allocations so far, growing ones included.
#[derive(Clone, Copy)]
pub struct Counted {
    /// How many.
    pub count: u64,
    /// How much they asked for.
    pub octets: u64,
}

impl Counted {
    /// Up to this moment.
    pub fn now() -> Counted {
        Counted { count: COUNT.load(Ordering::Relaxed), octets: OCTETS.load(Ordering::Relaxed) }
    }
}
