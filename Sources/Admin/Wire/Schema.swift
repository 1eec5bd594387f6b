/// The shape of a value in the API, as OpenAPI tells it (JSON Schema 2020-12), with what it means.
package indirect enum Schema: Sendable {
    case text(String)
    case time(String)
    case whole(String)
    case number(String)
    case flag(String)
    /// One of these words.
    case word([String], String)
    case list(Schema, String)
    /// Any names, each with a value of this shape.
    case map(Schema, String)
    case object(ObjectSchema)
}

/// The shape of an object: its properties by name. Those that may be missing are never `null` instead.
package struct ObjectSchema: Sendable {
    package struct Property: Sendable {
        package let name: String
        package let schema: Schema
        package let isOptional: Bool
    }

    package let name: String
    package let about: String
    package let properties: [Property]

    init(_ name: String, _ about: String, _ properties: [Property]) {
        self.name = name
        self.about = about
        self.properties = properties
    }
}

extension ObjectSchema.Property {
    static func always(_ name: String, _ schema: Schema) -> Self {
        Self(name: name, schema: schema, isOptional: false)
    }

    static func sometimes(_ name: String, _ schema: Schema) -> Self {
        Self(name: name, schema: schema, isOptional: true)
    }
}

/// A value of the API that says of itself what it looks like.
package protocol WireValue: Codable, Sendable {
    static var schema: ObjectSchema { get }
}

extension ObjectSchema {
    /// This one and all that stand in it, by name.
    var all: [String: ObjectSchema] {
        properties.reduce(into: [name: self]) { all, property in
            for object in property.schema.objects { all.merge(object.all) { first, _ in first } }
        }
    }
}

extension Schema {
    fileprivate var objects: [ObjectSchema] {
        switch self {
        case .object(let object): [object]
        case .list(let schema, _), .map(let schema, _): schema.objects
        case .text, .time, .whole, .number, .flag, .word: []
        }
    }
}

extension Schema: Encodable {
    private enum Key: String, CodingKey {
        case type, format, description, items, additionalProperties, reference = "$ref", words = "enum"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .object(let object): try container.encode("#/components/schemas/\(object.name)", forKey: .reference)
        case .list(let items, let about):
            try container.encode(items, forKey: .items)
            try describe("array", about, in: &container)
        case .map(let values, let about):
            try container.encode(values, forKey: .additionalProperties)
            try describe("object", about, in: &container)
        case .word(let words, let about):
            try container.encode(words, forKey: .words)
            try describe("string", about, in: &container)
        case .time(let about):
            try container.encode("date-time", forKey: .format)
            try describe("string", about, in: &container)
        case .text(let about): try describe("string", about, in: &container)
        case .whole(let about): try describe("integer", about, in: &container)
        case .number(let about): try describe("number", about, in: &container)
        case .flag(let about): try describe("boolean", about, in: &container)
        }
    }

    private func describe(_ type: String, _ about: String, in container: inout KeyedEncodingContainer<Key>) throws {
        try container.encode(type, forKey: .type)
        try container.encode(about, forKey: .description)
    }
}

extension ObjectSchema: Encodable {
    private enum Key: CodingKey {
        case type, description, properties, required
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("object", forKey: .type)
        try container.encode(about, forKey: .description)
        let shapes = Dictionary(properties.map { ($0.name, $0.schema) }) { first, _ in first }
        try container.encode(shapes, forKey: .properties)
        try container.encode(properties.filter { !$0.isOptional }.map(\.name), forKey: .required)
    }
}
