import Foundation
import Hummingbird
import NIOCore
import PolicyService

/// What a request says beside its path, read strictly: a misspelt filter must not become no filter.
extension Request {
    /// Octets: the longest order is some 10 KB.
    static let longestBody = 65_536

    /// - Parameter limit: the time in which the body must have come.
    func value<Value: WireValue>(of type: Value.Type, within limit: Duration) async throws -> Value {
        let body = body
        let buffer = try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            group.addTask {
                do {
                    return try await body.collect(upTo: Self.longestBody)
                } catch is NIOTooManyBytesError {
                    throw Refusal(.contentTooLarge, "the body is longer than \(Self.longestBody) octets")
                }
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw Refusal(.requestTimeout, "the body has not come within \(limit)")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? ByteBuffer()
        }
        return try AdminJSON.value(of: type, in: buffer)
    }

    /// The query's parameters.
    ///
    /// - Throws: `Refusal` for one that is not among `known`, or stands there twice.
    func query(_ known: [String]) throws(Refusal) -> QueryText {
        var texts: [String: String] = [:]
        for (name, value) in uri.queryParameters {
            let name = String(name)
            guard known.contains(name) else {
                let hint = known.isEmpty ? "this route takes none" : "expected \(known.joined(separator: ", "))"
                throw Refusal(.badRequest, "unknown parameter \(Shown.text(name))", hint: hint)
            }
            guard texts.updateValue(String(value), forKey: name) == nil else {
                throw Refusal(.badRequest, "parameter \(name) stands there twice")
            }
        }
        return QueryText(texts: texts)
    }
}

/// The parameters of a query, by name.
struct QueryText {
    let texts: [String: String]

    func flag(_ name: String) throws(Refusal) -> Bool {
        try value(name, expected: "true or false") { Bool($0) } ?? false
    }

    func whole(_ name: String, _ range: ClosedRange<Int>) throws(Refusal) -> Int? {
        try value(name, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// `nil`: it is not there.
    func value<Value>(_ name: String, expected: String, _ read: (String) -> Value?) throws(Refusal) -> Value? {
        guard let text = texts[name] else { return nil }
        guard let value = read(text) else {
            throw Refusal(.badRequest, "\(name) is \"\(Shown.text(text))\"", hint: "expected \(expected)")
        }
        return value
    }
}

extension QueryText {
    static let forEntries = [
        "state", "failing", "expiringWithin", "text", "sort", "descending", "after", "limit", "all",
    ]

    /// A year of seconds, the longest life of a policy, with room.
    private static let longestSpan = 400 * 86_400

    func entries() throws(Refusal) -> EntryQuery {
        let all = try flag("all")
        let states = EntryState.allCases.map(\.rawValue).joined(separator: ", ")
        var query = EntryQuery(
            isFailing: try flag("failing"), text: texts["text"] ?? "", order: all ? .none : .domain,
            isDescending: try flag("descending"), limit: try whole("limit", 1...EntryQuery.maximumLimit) ?? 100)
        query.states =
            try value("state", expected: "one or more of \(states), separated by commas") { text in
                let words = text.split(separator: ",", omittingEmptySubsequences: false)
                let read = words.compactMap { EntryState(rawValue: String($0)) }
                return read.count == words.count ? Set(read) : nil
            } ?? []
        query.expiringWithin = try whole("expiringWithin", 0...Self.longestSpan).map { .seconds($0) }
        let orders = EntryQuery.Order.allCases.map(\.rawValue).joined(separator: ", ")
        if let order = try value("sort", expected: "one of \(orders)", { EntryQuery.Order(rawValue: $0) }) {
            query.order = order
        }
        query.after = try value("after", expected: "the value of next in the part before") { EntryCursor($0) }
        return query
    }
}
