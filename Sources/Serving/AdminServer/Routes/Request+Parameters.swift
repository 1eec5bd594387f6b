import AdminAPI
import Foundation
import Hummingbird
import NIOCore
import PolicyCaching

/// The body and the query of a request, parsed strictly: a misspelt filter must not become no filter.
extension Request {
    /// Octets: the longest override takes about 10 KB.
    static let maximumBody = 65_536

    /// - Parameter timeout: how long the body may take to arrive.
    func value<Value: APIModel>(of type: Value.Type, timeout: Duration) async throws -> Value {
        let body = body
        let buffer = try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            group.addTask {
                do {
                    return try await body.collect(upTo: Self.maximumBody)
                } catch is NIOTooManyBytesError {
                    throw AdminRequestError(
                        .contentTooLarge, error: "the body is longer than \(Self.maximumBody) octets")
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw AdminRequestError(.requestTimeout, error: "the body did not arrive within \(timeout)")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? ByteBuffer()
        }
        return try AdminJSON.value(of: type, in: buffer)
    }

    /// The query's parameters.
    ///
    /// - Throws: `AdminRequestError` for a parameter that is not in `known`, or occurs twice.
    func query(_ known: [String]) throws(AdminRequestError) -> QueryParameters {
        var texts: [String: String] = [:]
        for (name, value) in uri.queryParameters {
            let name = String(name)
            guard known.contains(name) else {
                let hint = known.isEmpty ? "this route has no parameters" : "expected \(known.joined(separator: ", "))"
                throw AdminRequestError(.badRequest, error: "unknown parameter \(Sanitized.text(name))", hint: hint)
            }
            guard texts.updateValue(String(value), forKey: name) == nil else {
                throw AdminRequestError(.badRequest, error: "parameter \(name) occurs twice")
            }
        }
        return QueryParameters(texts: texts)
    }
}

/// The parameters of a query, by name.
struct QueryParameters {
    let texts: [String: String]

    func flag(_ name: String) throws(AdminRequestError) -> Bool {
        try value(name, expected: "true or false") { Bool($0) } ?? false
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(AdminRequestError) -> Int? {
        try value(name, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// `nil`: the parameter is missing.
    func value<Value>(_ name: String, expected: String, parse: (String) -> Value?) throws(AdminRequestError) -> Value? {
        guard let text = texts[name] else { return nil }
        guard let value = parse(text) else {
            throw AdminRequestError(
                .badRequest, error: "\(name) is \"\(Sanitized.text(text))\"", hint: "expected \(expected)")
        }
        return value
    }
}

extension QueryParameters {
    static let entryNames = [
        "state", "failing", "expiringWithin", "text", "sort", "descending", "after", "limit", "all",
    ]

    /// Seconds: a year, the longest lifetime of a policy, with a margin.
    private static let maximumSpan = 400 * 86_400

    func entryQuery() throws(AdminRequestError) -> EntryQuery {
        let all = try flag("all")
        var query = EntryQuery(
            isFailing: try flag("failing"), text: texts["text"] ?? "", order: all ? .none : .domain,
            isDescending: try flag("descending"), limit: try integer("limit", in: 1...EntryQuery.maximumLimit) ?? 100)
        query.states = try states()
        query.expiringWithin = try integer("expiringWithin", in: 0...Self.maximumSpan).map { .seconds($0) }
        let sorts = EntrySort.allCases.map(\.rawValue).joined(separator: ", ")
        if let sort = try value("sort", expected: "one of \(sorts)", parse: EntrySort.init(rawValue:)) {
            query.order = EntryQuery.Order(sort)
        }
        query.after = try value("after", expected: "the value of next in the previous page") { EntryCursor($0) }
        return query
    }

    private func states() throws(AdminRequestError) -> Set<EntryState> {
        let expected = DomainState.allCases.map(\.rawValue).joined(separator: ", ")
        return try value("state", expected: "one or more of \(expected), separated by commas") { text in
            let words = text.split(separator: ",", omittingEmptySubsequences: false)
            let states = words.compactMap { DomainState(rawValue: String($0)) }
            return states.count == words.count ? Set(states.map(EntryState.init)) : nil
        } ?? []
    }
}
