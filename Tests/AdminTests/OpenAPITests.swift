import Foundation
import PolicyService
import Testing
import TestSupport

@testable import Admin

/// What the API says of itself is what it is.
@Suite(.timeLimit(.minutes(5))) struct OpenAPITests {
    /// Everything that goes over the socket.
    private static let values: [any WireValue.Type] = [
        Answer.self, Background.self, Cache.self, DANEFound.self, DANEHost.self, Difference.self, Entry.self,
        EntryLine.self, EntryList.self, Exemption.self, Explained.self, FetchFailed.self, Forgotten.self, Known.self,
        Next.self, Notable.self, Observation.self, ObservationOrder.self, Order.self, OrderCounts.self, OrderList.self,
        OrderReceipt.self, PastFailure.self, PastLookup.self, Pin.self, Policy.self, Problem.self, QueryReport.self,
        QueryReport.DANE.self, QueryReport.Fetch.self, QueryReport.Policy.self, QueryReport.PolicyHost.self,
        ChangedFact.self, QueryReport.Record.self, Record.self, Refreshed.self, Reloaded.self, SetupFacts.self,
        Status.self,
    ]

    private func description() async throws -> (object: [String: Any], lab: AdminLab) {
        let lab = try AdminLab()
        let text = try await Self.fetch(lab)
        let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        return (object, lab)
    }

    private static func fetch(_ lab: AdminLab) async throws -> String {
        let (texts, continuation) = AsyncStream<String>.makeStream()
        try await lab.serve {
            try await RawClient.with(path: lab.path) { client in
                _ = continuation.yield(try await client.request("GET", "/openapi.json").body)
            }
        }
        for await text in texts { return text }
        return ""
    }

    @Test func `every route is described, and every description has its route`() async throws {
        let (object, lab) = try await description()
        #expect(object["openapi"] as? String == "3.1.0")
        let paths = try #require(object["paths"] as? [String: [String: Any]])
        let described = Set(paths.flatMap { path, operations in operations.keys.map { "\($0) \(path)" } })
        let api = AdminAPI(policies: lab.policies, seams: lab.seams, startedAt: lab.clock.now, process: 1)
        let routes = Routes(api, bodyLimit: .seconds(1)).all
        #expect(described == Set(routes.map { "\($0.method.rawValue.lowercased()) \($0.path)" }))
        #expect(described.count == routes.count)
        for route in routes {
            let inPath = route.parameters.filter(\.isInPath).map { "{\($0.name)}" }
            #expect(inPath == route.path.split(separator: "/").map(String.init).filter { $0.hasPrefix("{") })
        }
    }

    /// A path of which nobody answers is one that the description made up.
    @Test func `every described path is answered`() async throws {
        let (object, _) = try await description()
        let paths = try #require(object["paths"] as? [String: [String: Any]])
        let calls = paths.flatMap { path, operations in operations.keys.map { ($0.uppercased(), path) } }
        let lab = try AdminLab()
        try await lab.serve {
            for (method, path) in calls {
                let target = path.replacing("{domain}", with: "a.example").replacing("{key}", with: "a.example")
                let response = try await RawClient.with(path: lab.path) { client in
                    try await client.request(method, target, method == "PUT" ? "{}" : nil)
                }
                #expect(response.problem?.error.hasPrefix("no such route") != true, "\(method) \(target)")
                #expect(response.status == (method == "PUT" ? 400 : response.status))
            }
        }
    }

    @Test func `every reference leads somewhere, and no schema is there for nothing`() async throws {
        let (object, _) = try await description()
        let components = try #require(object["components"] as? [String: [String: Any]])
        let schemas = try #require(components["schemas"])
        let text = String(
            decoding: try JSONSerialization.data(withJSONObject: object, options: .withoutEscapingSlashes),
            as: UTF8.self)
        let references = text.components(separatedBy: "#/components/schemas/").dropFirst().map {
            String($0.prefix { $0 != "\"" })
        }
        #expect(Set(references) == Set(schemas.keys))
        #expect(Set(schemas.keys) == Set(Self.values.map { $0.schema.name }))
    }

    @Test(arguments: values.indices)
    func `a schema has the names that the value has, and knows which may be missing`(place: Int) throws {
        let type = Self.values[place]
        let keys = try KeyRecorder.keys(of: type)
        let properties = type.schema.properties
        #expect(Set(properties.filter { !$0.isOptional }.map(\.name)) == keys.required, "\(type)")
        #expect(Set(properties.filter(\.isOptional).map(\.name)) == keys.optional, "\(type)")
        #expect(properties.count == keys.required.count + keys.optional.count)
    }
}

/// Decodes a value out of nothing, and notes by which names it asks.
private final class KeyRecorder: Decoder {
    private(set) var required: Set<String> = []
    private(set) var optional: Set<String> = []
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    static func keys(of type: any WireValue.Type) throws -> (required: Set<String>, optional: Set<String>) {
        let recorder = KeyRecorder()
        _ = try type.init(from: recorder)
        return (recorder.required, recorder.optional)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Keyed(recorder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Unexpected() }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw Unexpected() }

    struct Unexpected: Error {}

    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let recorder: KeyRecorder
        let codingPath: [any CodingKey] = []
        let allKeys: [Key] = []

        func contains(_ key: Key) -> Bool { true }
        func decodeNil(forKey key: Key) throws -> Bool { false }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            recorder.required.insert(key.stringValue)
            return try Anything.of(type)
        }

        func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
            recorder.optional.insert(key.stringValue)
            return nil
        }

        func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
            recorder.optional.insert(key.stringValue)
            return nil
        }

        func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? {
            recorder.optional.insert(key.stringValue)
            return nil
        }

        func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? {
            recorder.optional.insert(key.stringValue)
            return nil
        }

        func nestedContainer<N: CodingKey>(keyedBy: N.Type, forKey: Key) throws -> KeyedDecodingContainer<N> {
            throw Unexpected()
        }
        func nestedUnkeyedContainer(forKey: Key) throws -> any UnkeyedDecodingContainer { throw Unexpected() }
        func superDecoder() throws -> any Decoder { throw Unexpected() }
        func superDecoder(forKey: Key) throws -> any Decoder { throw Unexpected() }
    }

    /// Some value of a type.
    private enum Anything {
        static func of<T: Decodable>(_ type: T.Type) throws -> T {
            if let cases = type as? any CaseIterable.Type, let first = first(of: cases) as? T { return first }
            if type is any WireValue.Type { return try T(from: KeyRecorder()) }
            let texts = ["\"2026-01-01T00:00:00Z\"", "0", "true", "[]", "{}"]
            for text in texts {
                if let value = try? JSONDecoder().decode(type, from: Data(text.utf8)) { return value }
            }
            throw Unexpected()
        }

        private static func first<C: CaseIterable>(of type: C.Type) -> Any? { type.allCases.first }
    }
}
