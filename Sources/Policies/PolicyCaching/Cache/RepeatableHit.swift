import Discovery
import TextFormats

/// A cache hit that can be repeated without a new decision, as long as nothing changes that its decision depends on.
package struct RepeatableHit<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    let handle: LRUCache<Key, Value>.Handle
    /// From the hit until the answer may change with time. A clock that is set back before it ends the validity, too.
    let validity: Range<WallTime>

    /// `nil`: the validity is empty.
    init?(_ handle: LRUCache<Key, Value>.Handle, from start: WallTime, until end: WallTime) {
        guard start < end else { return nil }
        self.handle = handle
        validity = start..<end
    }
}
