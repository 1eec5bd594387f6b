import Foundation
import Testing

/// One case of a file of `Tests/Fixtures`; its README.md describes the format.
struct CorpusCase: Sendable {
    let file: String
    let line: Int
    let title: String
    let ids: [String]
    fileprivate(set) var fields: [Field] = []

    struct Field: Sendable {
        let key: String
        let octets: [UInt8]
    }

    /// The texts of all fields with this key, in order.
    func all(_ key: String) -> [[UInt8]] { fields.filter { $0.key == key }.map(\.octets) }

    /// The text of the first field with this key.
    func first(_ key: String) -> String? { all(key).first.map { String(decoding: $0, as: UTF8.self) } }
}

extension CorpusCase: CustomTestStringConvertible {
    var testDescription: String { "\(file):\(line) \(title) \(ids)" }
}

enum Corpus {
    static let files = ["records", "policies", "patterns", "media-types", "domains"]

    struct CorpusError: Error {
        let file: String
        let line: Int
    }

    static func cases(_ file: String) throws -> [CorpusCase] {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../Fixtures/\(file).txt")
        let lines = try Data(contentsOf: url).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var cases: [CorpusCase] = []
        for (index, line) in lines.enumerated() where !line.isEmpty && line.first != UInt8(ascii: "#") {
            if line.starts(with: "  ".utf8) {
                guard !cases.isEmpty, let field = field(line.dropFirst(2)) else {
                    throw CorpusError(file: file, line: index + 1)
                }
                cases[cases.count - 1].fields.append(field)
            } else {
                cases.append(try head(String(decoding: line, as: UTF8.self), file: file, line: index + 1))
            }
        }
        return cases
    }

    /// `a sentence [id id]`
    private static func head(_ text: String, file: String, line: Int) throws -> CorpusCase {
        let parts = text.split(separator: " [")
        guard parts.count == 2, let ids = parts.last, ids.hasSuffix("]") else {
            throw CorpusError(file: file, line: line)
        }
        return CorpusCase(
            file: file, line: line, title: String(parts[0]),
            ids: ids.dropLast().split(separator: " ").map(String.init))
    }

    /// `key text`, or `key\s` for a key with an empty text.
    private static func field(_ line: Data) -> CorpusCase.Field? {
        if line.suffix(2).elementsEqual(#"\s"#.utf8), !line.contains(UInt8(ascii: " ")) {
            return .init(key: String(decoding: line.dropLast(2), as: UTF8.self), octets: [])
        }
        guard let space = line.firstIndex(of: UInt8(ascii: " ")),
            let octets = unescaped([UInt8](line[space...].dropFirst()))
        else { return nil }
        return .init(key: String(decoding: line[..<space], as: UTF8.self), octets: octets)
    }

    private static func unescaped(_ text: [UInt8]) -> [UInt8]? {
        var octets: [UInt8] = []
        var rest = text[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "\\") else {
                octets.append(octet)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "s"): octets.append(UInt8(ascii: " "))
            case UInt8(ascii: "t"): octets.append(UInt8(ascii: "\t"))
            case UInt8(ascii: "r"): octets.append(UInt8(ascii: "\r"))
            case UInt8(ascii: "n"): octets.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "\\"): octets.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "x"):
                guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
                octets.append(value)
                rest = rest.dropFirst(2)
            default: return nil
            }
        }
        return octets
    }
}
