import Foundation
import Hummingbird
import NIOCore

/// JSON as the API reads and writes it: names sorted, one form for each value.
enum AdminJSON {
    static func octets(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ByteBuffer(bytes: try encoder.encode(value))
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: try octets(value)))
    }

    /// - Throws: `Refusal` when it is not JSON, not of the shape, or says what nobody would hear: a misspelt `until` must
    ///   not become an order without an end.
    static func value<Value: WireValue>(of type: Value.Type, in buffer: ByteBuffer) throws(Refusal) -> Value {
        let data = Data(buffer.readableBytesView)
        let known = Value.schema.properties.map(\.name)
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw Refusal(.badRequest, "the body is no JSON object", hint: "expected \(known.joined(separator: ", "))")
        }
        if let stranger = object.keys.sorted().first(where: { !known.contains($0) }) {
            throw Refusal(
                .badRequest, "unknown name \(Shown.text(stranger))", hint: "expected \(known.joined(separator: ", "))")
        }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw Refusal(.badRequest, error.problem, hint: "/openapi.json describes \(Value.schema.name)")
        } catch {
            throw Refusal(.badRequest, "the body cannot be read")
        }
    }
}

extension DecodingError {
    fileprivate var problem: String {
        switch self {
        case .keyNotFound(let key, _): "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
        @unknown default: "the body cannot be read"
        }
    }
}
