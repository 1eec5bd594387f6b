import NIOCore

/// Wraps a single-step decoder, so that `ByteToMessageDecoderVerifier` can feed it octet by octet.
struct Feed<Decoder: NIOSingleStepByteToMessageDecoder>: ByteToMessageDecoder {
    typealias InboundOut = Decoder.InboundOut

    private var decoder: Decoder

    init(_ decoder: Decoder) {
        self.decoder = decoder
    }

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let message = try decoder.decode(buffer: &buffer) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(message))
        return .continue
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        guard buffer.readableBytes > 0 else { return .needMoreData }
        return try decode(context: context, buffer: &buffer)
    }
}
