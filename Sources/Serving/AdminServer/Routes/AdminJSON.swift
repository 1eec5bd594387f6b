import AdminAPI
import Foundation
import Hummingbird
import NIOCore

/// Reads request bodies and writes response bodies.
enum AdminJSON {
    static func buffer(_ value: some Encodable) throws -> ByteBuffer {
        ByteBuffer(bytes: try APIEncoding.json(value))
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: try buffer(value)))
    }

    /// - Throws: `AdminRequestError` for a body that is not JSON, not of the shape, or has an unknown property: a
    ///   misspelt `until` must not become an override without an end.
    static func value<Value: APIModel>(
        of type: Value.Type, in buffer: ByteBuffer
    ) throws(AdminRequestError) -> Value {
        let data = Data(buffer.readableBytesView)
        let known = Value.schema.properties.map(\.name)
        let expected = "expected \(known.joined(separator: ", "))"
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw AdminRequestError(.badRequest, error: "the body is not a JSON object", hint: expected)
        }
        if let unknown = object.keys.sorted().first(where: { !known.contains($0) }) {
            throw AdminRequestError(.badRequest, error: "unknown property \(Sanitized.text(unknown))", hint: expected)
        }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw AdminRequestError(
                .badRequest, error: error.problem, hint: "/openapi.json describes \(Value.schema.name)")
        } catch {
            throw AdminRequestError(.badRequest, error: "the body cannot be read")
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
