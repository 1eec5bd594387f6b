import AdminAPI
import Hummingbird
import Logging

/// Turns every error into a response with `ProblemDetails`.
struct ProblemMiddleware: RouterMiddleware {
    let logger: Logger

    func handle(
        _ request: Request, context: AdminRequestContext,
        next: (Request, AdminRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as AdminRequestError {
            return try AdminJSON.response(error.problem, status: error.status)
        } catch let error as HTTPError where error.status == .notFound {
            let route = "\(request.method.rawValue) \(Sanitized.text(request.uri.path))"
            return try AdminJSON.response(
                ProblemDetails("no such route: \(route)", hint: "GET /openapi.json lists the routes and their methods"),
                status: .notFound)
        } catch let error as any HTTPResponseError {
            return try AdminJSON.response(ProblemDetails(error.status.reasonPhrase), status: error.status)
        } catch {
            logger.error("admin request failed", metadata: ["origin": "admin", "reason": "\(error)"])
            return try AdminJSON.response(
                ProblemDetails("internal error of the daemon", hint: "see its log"), status: .internalServerError)
        }
    }
}

/// Logs each request that changes something, and the user who sent it, whether it succeeds or not.
struct AuditMiddleware: RouterMiddleware {
    let logger: Logger

    func handle(
        _ request: Request, context: AdminRequestContext,
        next: (Request, AdminRequestContext) async throws -> Response
    ) async throws -> Response {
        guard request.method != .get else { return try await next(request, context) }
        let peer = try? await context.peer
        let response = try await next(request, context)
        logger.notice(
            "admin request",
            metadata: [
                "origin": "admin", "user": "\(peer?.author ?? "unknown")",
                "uid": "\(peer.map { "\($0.user)" } ?? "unknown")",
                "pid": "\(peer.map { "\($0.process)" } ?? "unknown")",
                "request": "\(request.method.rawValue) \(request.uri.path)", "status": "\(response.status.code)",
            ])
        return response
    }
}
