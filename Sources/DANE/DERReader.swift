/// Reads DER (X.690 §10) element by element: octets in, one element out, never past the end.
///
/// Only what certificates need: definite lengths in their shortest form, and tags of one octet.
struct DERReader {
    /// The first octet of an element: class, form and number.
    struct Tag: RawRepresentable, Equatable {
        let rawValue: UInt8

        static let integer = Tag(rawValue: 0x02)
        static let bitString = Tag(rawValue: 0x03)
        static let objectIdentifier = Tag(rawValue: 0x06)
        static let sequence = Tag(rawValue: 0x30)

        /// `[number]`, explicit.
        static func context(_ number: UInt8) -> Tag { Tag(rawValue: 0xA0 | number) }
    }

    private var rest: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) {
        rest = octets
    }

    var isAtEnd: Bool { rest.isEmpty }

    /// The tag of the next element.
    var nextTag: Tag? { rest.first.map(Tag.init(rawValue:)) }

    /// The content of the next element; `nil`: it has another tag, or is not DER.
    mutating func read(_ tag: Tag) -> ArraySlice<UInt8>? {
        guard nextTag == tag else { return nil }
        return readAny()
    }

    /// The content of the next element, whatever its tag.
    mutating func readAny() -> ArraySlice<UInt8>? {
        guard let tag = rest.popFirst(), tag & 0x1F != 0x1F, let length = length(), length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(length) }
        return rest.prefix(length)
    }

    private mutating func length() -> Int? {
        guard let first = rest.popFirst() else { return nil }
        guard first >= 0x80 else { return Int(first) }
        // More than three octets of length are more than a DNS message can hold.
        let count = Int(first & 0x7F)
        guard (1...3).contains(count), rest.count >= count, rest.first != 0 else { return nil }
        let length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(count)
        return length >= 0x80 ? length : nil
    }
}
