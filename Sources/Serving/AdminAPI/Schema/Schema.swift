/// The shape and meaning of a value in the API, in the terms of OpenAPI (JSON Schema 2020-12).
package indirect enum Schema: Sendable {
    case text(String)
    case time(String)
    case integer(String)
    case number(String)
    case flag(String)
    /// One of these words.
    case word([String], String)
    case list(Schema, String)
    /// Any names, each with a value of this shape.
    case map(Schema, String)
    case object(ObjectSchema)

    /// One of the words of an enum.
    package static func word<Word: APIWord>(_ type: Word.Type, summary: String) -> Schema {
        .word(Word.allCases.map(\.rawValue), summary)
    }
}

/// The shape of an object: its properties by name. An optional property is missing, never `null`.
package struct ObjectSchema: Sendable {
    package struct Property: Sendable {
        package let name: String
        package let schema: Schema
        package let isOptional: Bool
    }

    package let name: String
    package let summary: String
    package let properties: [Property]

    init(_ name: String, summary: String, properties: [Property]) {
        self.name = name
        self.summary = summary
        self.properties = properties
    }
}

extension ObjectSchema.Property {
    static func required(_ name: String, as schema: Schema) -> Self {
        Self(name: name, schema: schema, isOptional: false)
    }

    static func optional(_ name: String, as schema: Schema) -> Self {
        Self(name: name, schema: schema, isOptional: true)
    }
}

extension ObjectSchema {
    /// This object and every object inside it, by name.
    package var all: [String: ObjectSchema] {
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
        case .text, .time, .integer, .number, .flag, .word: []
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
        case .list(let items, let summary):
            try container.encode(items, forKey: .items)
            try describe(type: "array", summary: summary, in: &container)
        case .map(let values, let summary):
            try container.encode(values, forKey: .additionalProperties)
            try describe(type: "object", summary: summary, in: &container)
        case .word(let words, let summary):
            try container.encode(words, forKey: .words)
            try describe(type: "string", summary: summary, in: &container)
        case .time(let summary):
            try container.encode("date-time", forKey: .format)
            try describe(type: "string", summary: summary, in: &container)
        case .text(let summary): try describe(type: "string", summary: summary, in: &container)
        case .integer(let summary): try describe(type: "integer", summary: summary, in: &container)
        case .number(let summary): try describe(type: "number", summary: summary, in: &container)
        case .flag(let summary): try describe(type: "boolean", summary: summary, in: &container)
        }
    }

    private func describe(
        type: String, summary: String, in container: inout KeyedEncodingContainer<Key>
    ) throws {
        try container.encode(type, forKey: .type)
        try container.encode(summary, forKey: .description)
    }
}

extension ObjectSchema: Encodable {
    private enum Key: CodingKey {
        case type, description, properties, required
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("object", forKey: .type)
        try container.encode(summary, forKey: .description)
        let shapes = Dictionary(properties.map { ($0.name, $0.schema) }) { first, _ in first }
        try container.encode(shapes, forKey: .properties)
        try container.encode(properties.filter { !$0.isOptional }.map(\.name), forKey: .required)
    }
}
