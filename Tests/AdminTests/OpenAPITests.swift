import Foundation
import MTASTS
import PolicyCaching
import Testing
import TestSupport

@testable import AdminAPI
@testable import AdminServer

/// The OpenAPI document describes the API as it is.
@Suite(.timeLimit(.minutes(5))) struct OpenAPITests {
    /// Every model of the API.
    private static let values: [any APIModel.Type] = [
        Answer.self, BackgroundSummary.self, CacheSummary.self, DANEDetails.self, DANEHost.self, Difference.self,
        EntryResponse.self,
        EntrySummary.self, EntryListResponse.self, ExemptionRequest.self, ExplainResponse.self, FetchFailure.self,
        ForgetResponse.self, PolicyKnowledge.self,
        NextLookupDetails.self, DomainTime.self, ObserveModeResponse.self, ObserveModeRequest.self,
        OverrideResponse.self, OverrideCounts.self, OverrideListResponse.self,
        OverrideChangeResponse.self, FailureEvent.self, LookupEvent.self, PinRequest.self, PolicyDetails.self,
        ProblemDetails.self, QueryReport.self,
        QueryReport.DANE.self, QueryReport.Fetch.self, PublishedPolicy.self, QueryReport.PolicyHost.self,
        ChangedSetting.self, QueryReport.Record.self, RecordDetails.self, RefreshResponse.self, ReloadResponse.self,
        RuntimeSummary.self,
        StatusResponse.self,
    ]

    private func description() async throws -> (object: [String: Any], fixture: AdminFixture) {
        let fixture = try AdminFixture()
        let text = try await Self.fetch(fixture)
        let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        return (object, fixture)
    }

    private static func fetch(_ fixture: AdminFixture) async throws -> String {
        let (texts, continuation) = AsyncStream<String>.makeStream()
        try await fixture.serve {
            try await RawClient.with(path: fixture.path) { client in
                _ = continuation.yield(try await client.request("GET", target: "/openapi.json").body)
            }
        }
        for await text in texts { return text }
        return ""
    }

    @Test func `every route is described, and every description has its route`() async throws {
        let (object, fixture) = try await description()
        #expect(object["openapi"] as? String == "3.1.0")
        let paths = try #require(object["paths"] as? [String: [String: Any]])
        let described = Set(paths.flatMap { path, operations in operations.keys.map { "\($0) \(path)" } })
        let operations = AdminOperations(
            policies: fixture.policies, dependencies: fixture.dependencies, startedAt: fixture.clock.now, process: 1)
        let routes = Routes(operations, bodyTimeout: .seconds(1)).all
        #expect(described == Set(routes.map { "\($0.method.rawValue.lowercased()) \($0.path)" }))
        #expect(described.count == routes.count)
        for route in routes {
            let inPath = route.parameters.filter(\.isInPath).map { "{\($0.name)}" }
            #expect(inPath == route.path.split(separator: "/").map(String.init).filter { $0.hasPrefix("{") })
        }
    }

    @Test func `the paths and methods do not change`() async throws {
        let (object, _) = try await description()
        let paths = try #require(object["paths"] as? [String: [String: Any]])
        #expect(
            paths.mapValues { $0.keys.sorted() } == [
                "/openapi.json": ["get"], "/v1/entries": ["get"], "/v1/entries/{domain}": ["delete", "get"],
                "/v1/entries/{domain}/refresh": ["post"], "/v1/exemptions": ["get"],
                "/v1/exemptions/{domain}": ["delete", "get", "put"], "/v1/explain/{key}": ["get"],
                "/v1/observe": ["get", "put"], "/v1/pins": ["get"], "/v1/pins/{domain}": ["delete", "get", "put"],
                "/v1/reload": ["post"], "/v1/status": ["get"],
            ])
    }

    @Test func `every described path is answered`() async throws {
        let (object, _) = try await description()
        let paths = try #require(object["paths"] as? [String: [String: Any]])
        let calls = paths.flatMap { path, operations in operations.keys.map { ($0.uppercased(), path) } }
        let fixture = try AdminFixture()
        try await fixture.serve {
            for (method, path) in calls {
                let target = path.replacing("{domain}", with: "a.example").replacing("{key}", with: "a.example")
                let response = try await RawClient.with(path: fixture.path) { client in
                    try await client.request(method, target: target, body: method == "PUT" ? "{}" : nil)
                }
                #expect(response.problem?.error.hasPrefix("no such route") != true, "\(method) \(target)")
                #expect(response.status == (method == "PUT" ? 400 : response.status))
            }
        }
    }

    @Test func `every reference has its schema, and every schema a reference`() async throws {
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
    func `a schema has the property names of its model, and which of them are optional`(index: Int) throws {
        let type = Self.values[index]
        let keys = try KeyRecorder.keys(of: type)
        let properties = type.schema.properties
        #expect(Set(properties.filter { !$0.isOptional }.map(\.name)) == keys.required, "\(type)")
        #expect(Set(properties.filter(\.isOptional).map(\.name)) == keys.optional, "\(type)")
        #expect(properties.count == keys.required.count + keys.optional.count)
    }

    @Test func `a cached policy is one object with the properties of a published one`() throws {
        let published = PublishedPolicy(mode: .testing, maxAge: 100, mx: ["mx.example.com"], warnings: ["line 2: x"])
        let text = #""maxAge":100,"mode":"testing","mx":["mx.example.com"],"warnings":["line 2: x"]}"#
        #expect(try APIEncoding.text(published) == "{" + text)
        let time = Timestamp(ManualTime().now)
        let details = PolicyDetails(published, id: "1", fetchedAt: time, expiresAt: time, applied: true)
        let json = try APIEncoding.json(details)
        let timeText = try APIEncoding.text(time)
        #expect(
            String(decoding: json, as: UTF8.self)
                == #"{"applied":true,"expiresAt":\#(timeText),"fetchedAt":\#(timeText),"id":"1","# + text)
        #expect(try JSONDecoder().decode(PolicyDetails.self, from: json) == details)
    }

    @Test func `the words and limits of the API are those of the daemon`() {
        #expect(DomainState.allCases.map(\.rawValue) == EntryState.allCases.map(\.rawValue))
        #expect(Set(EntrySort.allCases.map(\.rawValue)) == Set(EntryQuery.Order.allCases.map(\.rawValue)))
        #expect(PolicyMode.allCases.map(\.rawValue) == STSPolicy.Mode.allCases.map(\.rawValue))
        let rules = Decision.Rule.allCases.map { DecisionRule($0) }
        #expect(rules.map(\.rawValue) == Decision.Rule.allCases.map(\.rawValue))
        #expect(Set(DecisionRule.allCases).subtracting(rules) == [.noPolicyDomain])
        #expect(EntryListResponse.maximumLimit == EntryQuery.maximumLimit)
        #expect(OverrideResponse.maximumReason == Override.maximumTextLength)
    }

    @Test func `a word that the enum does not have is an error that lists the words`() {
        let error = #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([OverrideKind].self, from: Data("[\"exempt\",\"lift\"]".utf8))
        }
        #expect("\(error as Any)".contains("is unknown, expected exempt, pin"))
    }
}

/// Decodes a model from nothing and records the names of its properties.
private final class KeyRecorder: Decoder {
    private(set) var required: Set<String> = []
    private(set) var optional: Set<String> = []
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    static func keys(of type: any APIModel.Type) throws -> (required: Set<String>, optional: Set<String>) {
        let recorder = KeyRecorder()
        _ = try type.init(from: recorder)
        return (recorder.required, recorder.optional)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Keyed(recorder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw UnexpectedError() }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw UnexpectedError() }

    struct UnexpectedError: Error {}

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
            throw UnexpectedError()
        }
        func nestedUnkeyedContainer(forKey: Key) throws -> any UnkeyedDecodingContainer { throw UnexpectedError() }
        func superDecoder() throws -> any Decoder { throw UnexpectedError() }
        func superDecoder(forKey: Key) throws -> any Decoder { throw UnexpectedError() }
    }

    /// An arbitrary value of a type.
    private enum Anything {
        static func of<T: Decodable>(_ type: T.Type) throws -> T {
            if let cases = type as? any CaseIterable.Type, let first = first(of: cases) as? T { return first }
            if type is any APIModel.Type { return try T(from: KeyRecorder()) }
            let texts = ["\"2026-01-01T00:00:00Z\"", "0", "true", "[]", "{}"]
            for text in texts {
                if let value = try? JSONDecoder().decode(type, from: Data(text.utf8)) { return value }
            }
            throw UnexpectedError()
        }

        private static func first<C: CaseIterable>(of type: C.Type) -> Any? { type.allCases.first }
    }
}
