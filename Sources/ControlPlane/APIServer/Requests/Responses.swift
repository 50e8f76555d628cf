internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

extension ServerResponse {
    static let jsonHeaders: HTTPHeaders = ["content-type": "application/json"]

    static func json(_ json: JSON, status: HTTPResponseStatus = .ok, warnings: [String] = []) -> ServerResponse {
        bytes(json.bytes(), status: status, warnings: warnings)
    }

    /// Bytes that are JSON already.
    static func bytes(_ bytes: [UInt8], status: HTTPResponseStatus = .ok, warnings: [String] = []) -> ServerResponse {
        var headers = jsonHeaders
        for warning in warnings { headers.add(name: "warning", value: "299 - \"\(warningText(warning))\"") }
        return .full(status: status, headers: headers, body: bytes)
    }

    /// The response with one warning more.
    func warning(_ text: String) -> ServerResponse {
        let value = "299 - \"\(Self.warningText(text))\""
        switch self {
        case .full(let status, var headers, let body):
            headers.add(name: "warning", value: value)
            return .full(status: status, headers: headers, body: body)
        case .stream(let status, var headers, let produce):
            headers.add(name: "warning", value: value)
            return .stream(status: status, headers: headers, produce: produce)
        default: return self
        }
    }

    /// A warning as a quoted string of RFC 7234: quotes and backslashes escaped, control characters left out.
    private static func warningText(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars where scalar.value >= 0x20 && scalar.value != 0x7f {
            if scalar == "\"" || scalar == "\\" { result.unicodeScalars.append("\\") }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}

extension StatusError {
    var response: ServerResponse {
        var headers = ServerResponse.jsonHeaders
        if let seconds = details["retryAfterSeconds"]?.int { headers.add(name: "retry-after", value: String(seconds)) }
        if code == 401 { headers.add(name: "www-authenticate", value: "Bearer") }
        return .full(status: HTTPResponseStatus(statusCode: code), headers: headers, body: json.bytes())
    }
}
